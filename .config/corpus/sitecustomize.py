"""Stands in for every build backend, so that pip can name a source archive without building it."""

import os
import re
import sys
import types


class Backend:
    """Answers the one question that `pip download` asks: a project's name and version."""

    def prepare_metadata_for_build_wheel(self, folder, settings=None):
        with open("PKG-INFO", encoding="utf-8", errors="replace") as info:
            text = info.read()
        name, version = (
            re.search(rf"(?m)^{key}: (.*)$", text)[1].strip() for key in ("Name", "Version")
        )
        made = f"{re.sub('[-_.]+', '_', name)}-{version}.dist-info"
        os.mkdir(os.path.join(folder, made))
        with open(os.path.join(folder, made, "METADATA"), "w", encoding="utf-8") as out:
            out.write(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        return made

    def build_wheel(self, *_):
        raise NotImplementedError("nothing is built")

    def get_requires_for_build_wheel(self, settings=None):
        return []


def stand_in(*names):
    backend = Backend()
    module = None
    for name in names:
        module = types.ModuleType(name)
        module.__path__ = []
        sys.modules[name] = module
    for hook in (
        "prepare_metadata_for_build_wheel",
        "build_wheel",
        "get_requires_for_build_wheel",
    ):
        setattr(module, hook, getattr(backend, hook))
    module.build_sdist = backend.build_wheel
    module.__legacy__ = module


def asked(what):
    return os.environ.get(f"_PYPROJECT_HOOKS_{what}") or os.environ.get(f"PEP517_{what}")


# Set only for the process that pip starts to ask a backend; pip itself keeps its own modules.
wanted = asked("BUILD_BACKEND")
if wanted:
    # A backend that lies within its archive wraps that of setuptools.
    backend = "setuptools.build_meta" if asked("BACKEND_PATH") else wanted.partition(":")[0]
    parts = backend.split(".")
    stand_in(*(".".join(parts[: count + 1]) for count in range(len(parts))))
