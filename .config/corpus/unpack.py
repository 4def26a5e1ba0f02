"""Lays the files that files.txt names into a folder: unpack.py FILES ARCHIVES CRATES PACKAGES OUT.

ARCHIVES holds source archives, CRATES vendored crates, PACKAGES Debian packages. Only what is named is
read from them; a name that is not found stops the whole.
"""

import pathlib
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile


def plain(name):
    return re.sub(r"[-_.]+", "_", name).lower()


def of_zip(archive):
    with zipfile.ZipFile(archive) as opened:
        for entry in opened.infolist():
            yield entry.filename.partition("/")[2], lambda: opened.open(entry)


def of_tar(archive):
    with tarfile.open(archive) as opened:
        for entry in opened:
            if entry.isfile():
                yield entry.name.partition("/")[2], lambda: opened.extractfile(entry)


def of_debian(archive):
    root = "./usr/share/forensics-samples/original-files/"
    with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", archive], stdout=subprocess.PIPE) as unpacking:
        with tarfile.open(fileobj=unpacking.stdout, mode="r|") as opened:
            for entry in opened:
                if entry.isfile() and entry.name.startswith(root):
                    yield entry.name.removeprefix(root), lambda: opened.extractfile(entry)


def main(files, archives, crates, packages, out):
    lines = pathlib.Path(files).read_text(encoding="utf-8").splitlines()
    paths = [line.split("\t")[0] for line in lines if line and not line.startswith("#")]
    wanted = {}
    for path in paths:
        package, _, inside = path.partition("/")
        wanted.setdefault(package, set()).add(inside)
    out = pathlib.Path(out)

    def lay(package, members):
        for inside, opener in members:
            if inside in wanted[package]:
                to = out / package / inside
                to.parent.mkdir(parents=True, exist_ok=True)
                with opener() as source, open(to, "wb") as target:
                    shutil.copyfileobj(source, target)

    for archive in sorted(pathlib.Path(archives).iterdir()):
        name = re.match(r"(.+?)-\d", archive.name)[1]
        for package in wanted:
            if plain(package) == plain(name):
                lay(package, of_zip(archive) if archive.suffix == ".zip" else of_tar(archive))
    for archive in sorted(pathlib.Path(packages).glob("*.deb")):
        lay(archive.name.partition("_")[0], of_debian(archive))
    for package in wanted:
        root = pathlib.Path(crates) / package
        if root.is_dir():
            names = [(inside, root / inside) for inside in wanted[package]]
            lay(package, ((inside, (lambda at=at: open(at, "rb"))) for inside, at in names if at.is_file()))

    absent = [path for path in paths if not (out / path).is_file()]
    if absent:
        sys.exit("the packages lack these files:\n  " + "\n  ".join(absent))


main(*sys.argv[1:])
