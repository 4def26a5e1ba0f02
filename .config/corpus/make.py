"""Makes the files of the corpus that no package carries: make.py OUT. The same bytes every time.

Films are FFmpeg's work; the rest is laid out here by the books of its format.
"""

import io
import json
import pathlib
import struct
import subprocess
import sys
import zipfile
import zlib

FILM = "-f lavfi -i testsrc2=s=320x180:r=25:d=3 -f lavfi -i sine=r=48000:d=3"
FILMS = {
    "vp9.webm": f"{FILM} -c:v libvpx-vp9 -deadline realtime -cpu-used 8 -c:a libopus",
    "vp8.webm": f"{FILM} -c:v libvpx -deadline realtime -cpu-used 8 -c:a libvorbis",
    "mpeg2.mxf": f"{FILM} -vf scale=720:576,setsar=1 -c:v mpeg2video -b:v 8M -c:a pcm_s16le",
    "dnxhd.mxf": f"{FILM} -vf scale=1280:720,format=yuv422p -c:v dnxhd -b:v 60M -c:a pcm_s16le",
    "op-atom.mxf": "-f lavfi -i testsrc2=s=1280x720:r=25:d=1 -vf format=yuv422p -c:v dnxhd -b:v 60M -f mxf_opatom",
}
EXACT = "-fflags +bitexact -flags:v +bitexact -flags:a +bitexact -map_metadata -1 -threads 1".split()


def ffmpeg(arguments, to):
    subprocess.run(["ffmpeg", "-v", "error", "-nostdin", "-y", *arguments, *EXACT, str(to)], check=True)


def picture(width, height):
    """A PNG with a disc on paper."""
    rows = bytearray()
    for y in range(height):
        rows.append(0)
        for x in range(width):
            inside = (x - width / 2) ** 2 + (y - height / 2) ** 2 < (min(width, height) / 3) ** 2
            rows += bytes((210, 60, 40) if inside else (240, 240, 230))

    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def sketch():
    """A document of one page, as the program lays it out since version 43."""
    page = {"_class": "page", "do_objectID": "P", "name": "Page 1", "layers": []}
    reference = {"_class": "MSJSONFileReference", "_ref_class": "MSImmutablePage", "_ref": "pages/P"}
    names = {"P": {"name": "Page 1", "artboards": {"A": {"name": "Home"}}}}
    parts = {
        "document.json": {"_class": "document", "do_objectID": "D", "pages": [reference]},
        "pages/P.json": page,
        "user.json": {"document": {"pageListHeight": 110}},
        "meta.json": {"app": "com.bohemiancoding.sketch3", "appVersion": "99", "version": 146, "pagesAndArtboards": names},
    }
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, body in parts.items():
            archive.writestr(zipfile.ZipInfo(name), json.dumps(body))
        archive.writestr(zipfile.ZipInfo("previews/preview.png"), picture(320, 200))
    return whole.getvalue()


def illustrator():
    """A PDF that holds Illustrator's own data beside its page, which is all that others see."""
    drawing = b"0.82 0.24 0.16 rg 60 40 180 120 re f 0 0 0.5 RG 6 w 30 20 240 160 re S"
    own = b"%!PS-Adobe-3.0\n%%Creator: Adobe Illustrator(R) 24.0\n%AI9_DataStream\n"
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 300 200]/Contents 4 0 R/PieceInfo<</Illustrator"
        b"<</LastModified(D:20200101000000Z)/Private 5 0 R>>>>>>",
        b"<</Length %d>>stream\n%s\nendstream" % (len(drawing), drawing),
        b"<</AIMetaData 6 0 R/AIPrivateData1 6 0 R/ContainerVersion 11/CreatorVersion 24/NumBlock 1>>",
        b"<</Length %d>>stream\n%s\nendstream" % (len(own), own),
    ]
    whole, places = bytearray(b"%PDF-1.5\n%\xe2\xe3\xcf\xd3\n"), []
    for number, body in enumerate(objects, 1):
        places.append(len(whole))
        whole += b"%d 0 obj%s\nendobj\n" % (number, body)
    table = len(whole)
    whole += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    whole += b"".join(b"%010d 00000 n \n" % place for place in places)
    return bytes(whole) + b"trailer<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, table)


class Tiff:
    """A little-endian file of directories and what they point at, laid down from `start` on."""

    def __init__(self, magic=b"II*\0", start=8, signature=b""):
        self.magic, self.start, self.blobs = magic, start, bytearray(signature)

    def blob(self, data):
        at = self.start + len(self.blobs)
        self.blobs += data + b"\0" * (len(data) % 2)
        return at

    def directory(self, fields):
        """Fields of tag, type, count and value: a number, or bytes, which lie behind if they are many."""
        placed = [
            (tag, kind, count, self.blob(value) if isinstance(value, bytes) and len(value) > 4 else value)
            for tag, kind, count, value in sorted(fields, key=lambda field: field[0])
        ]
        body = struct.pack("<H", len(placed))
        for tag, kind, count, value in placed:
            value = value.ljust(4, b"\0") if isinstance(value, bytes) else struct.pack("<I", value)
            body += struct.pack("<HHI", tag, kind, count) + value
        return self.blob(body + struct.pack("<I", 0))

    def file(self, first):
        return self.magic + struct.pack("<I", first) + bytes(self.blobs)


def text(tag, value):
    return (tag, 2, len(value) + 1, value.encode() + b"\0")


MOSAIC = (320, 200)


def mosaic():
    """What a sensor under a filter of colours sees."""
    width, height = MOSAIC
    return bytes((x * 5 + y * 3) & 0xFF for y in range(height) for x in range(width))


def sensor(tiff, coding):
    (width, height), values = MOSAIC, mosaic()
    return [
        (254, 4, 1, 0), (256, 4, 1, width), (257, 4, 1, height), (258, 3, 1, 8), (259, 3, 1, coding),
        (262, 3, 1, 32803), (273, 4, 1, tiff.blob(values)), (277, 3, 1, 1), (278, 4, 1, height),
        (279, 4, 1, len(values)), (33421, 3, 2, struct.pack("<HH", 2, 2)), (33422, 1, 4, bytes((0, 1, 1, 2))),
    ]  # fmt: skip


def raw(jpeg, wide, high, make, model, coding=1, more=()):
    """A TIFF as cameras write it: a preview in the first directory, a sensor's mosaic in another."""
    tiff, is_dng = Tiff(), bool(more)
    at_jpeg, at_sensor = tiff.blob(jpeg), tiff.directory(sensor(tiff, coding))
    first = [
        (254, 4, 1, 1), (256, 4, 1, wide), (257, 4, 1, high), (258, 3, 1, 8), (259, 3, 1, 7 if is_dng else 6),
        (262, 3, 1, 6), text(271, make), text(272, model), (274, 3, 1, 1), (273, 4, 1, at_jpeg), (277, 3, 1, 3),
        (278, 4, 1, high), (279, 4, 1, len(jpeg)), (330, 4, 1, at_sensor), *more,
    ]  # fmt: skip
    if not is_dng:
        first += [(513, 4, 1, at_jpeg), (514, 4, 1, len(jpeg))]
    return tiff.file(tiff.directory(first))


def dng(jpeg, wide, high):
    return raw(jpeg, wide, high, "Darkroom", "Sample", more=[(50706, 1, 4, bytes((1, 4, 0, 0)))])


def nef(jpeg, wide, high):
    return raw(jpeg, wide, high, "NIKON CORPORATION", "NIKON D1")


def arw(jpeg, wide, high):
    return raw(jpeg, wide, high, "SONY", "ILCE-7M3", coding=32767)


def orf(jpeg, _wide, _high):
    """Olympus: a magic number of its own, and the preview in the maker's notes, which count from their beginning."""
    # Their directory comes first, and what it points at behind it.
    note = Tiff(start=12 + 2 + 12 + 4)
    at_jpeg = note.blob(jpeg)
    settings = note.directory([(0x100, 4, 1, 1), (0x101, 4, 1, at_jpeg), (0x102, 4, 1, len(jpeg))])
    directory = struct.pack("<HHHIII", 1, 0x2020, 13, 1, settings, 0)
    notes = b"OLYMPUS\0II\x03\0" + directory + bytes(note.blobs)
    tiff = Tiff(magic=b"IIRO")
    exif = tiff.directory([(0x927C, 7, len(notes), notes)])
    first = [field for field in sensor(tiff, 1) if field[0] not in (254, 33421, 33422)]
    first += [text(271, "OLYMPUS CORPORATION"), text(272, "E-M10"), (274, 3, 1, 1), (0x8769, 4, 1, exif)]
    return tiff.file(tiff.directory(first))


def rw2(jpeg, _wide, _high):
    """Panasonic: tags of its own, one of which is the preview."""
    signature = bytes.fromhex("88e774d8f8251d4d947a6e77822b5d6a")
    tiff, (width, height) = Tiff(magic=b"IIU\0", signature=signature), MOSAIC
    first = [
        (0x01, 7, 4, b"0310"), (0x02, 3, 1, width), (0x03, 3, 1, height), (0x2E, 7, len(jpeg), jpeg),
        text(271, "Panasonic"), text(272, "DMC-GX80"), (274, 3, 1, 1), (0x118, 4, 1, tiff.blob(mosaic())),
    ]  # fmt: skip
    return tiff.file(tiff.directory(first))


def raf(jpeg, _wide, _high):
    """Fujifilm: a head that says where the preview and the sensor's values are."""
    values = mosaic()
    head = b"FUJIFILMCCD-RAW 0201FF389501" + b"X-T20".ljust(32, b"\0") + b"0100".ljust(24, b"\0")
    places = struct.pack(">6I", 148, len(jpeg), 0, 0, 148 + len(jpeg), len(values))
    return (head + places).ljust(148, b"\0") + jpeg + values


def cr3(jpeg, wide, high):
    """Canon: boxes as in MPEG-4, tags in one of the maker's, the preview in another and as a track."""

    def box(name, *parts):
        body = b"".join(parts)
        return struct.pack(">I", len(body) + 8) + name + body

    tags = Tiff()
    tags = tags.file(tags.directory([text(271, "Canon"), text(272, "Canon EOS R"), (274, 3, 1, 1)]))
    canon = bytes.fromhex("85c0b687820f11e08111f4ce462b6a48")
    preview = bytes.fromhex("eaf42b5e1c984b88b9fbb7dc406e4d16")
    kind = box(b"ftyp", b"crx ", struct.pack(">I", 1), b"crx isom")
    shown = struct.pack(">IHHHHI", 0, 1, wide, high, 1, len(jpeg))
    shown = box(b"uuid", preview, struct.pack(">II", 0, 1), box(b"PRVW", shown, jpeg))

    def moov(at):
        sizes = box(b"stsz", struct.pack(">III", 0, len(jpeg), 1))
        places = box(b"co64", struct.pack(">IIQ", 0, 1, at))
        track = box(b"trak", box(b"mdia", box(b"minf", box(b"stbl", sizes, places))))
        return box(b"moov", box(b"uuid", canon, box(b"CNCV", b"CanonCR3_001/00.09.00/00.00.00"), box(b"CMT1", tags)), track)

    at = len(kind) + len(moov(0)) + len(shown) + 8
    return kind + moov(at) + shown + box(b"mdat", jpeg, mosaic())


# One has a small preview, and its mosaic is developed.
CAMERAS = {dng: (160, 100), nef: (960, 640), arw: (960, 640), orf: (960, 640), rw2: (960, 640), raf: (960, 640), cr3: (960, 640)}


def main(out):
    out = pathlib.Path(out)
    out.mkdir(parents=True, exist_ok=True)
    for name, arguments in FILMS.items():
        ffmpeg(arguments.split(), out / name)
    (out / "document.sketch").write_bytes(sketch())
    (out / "drawing.ai").write_bytes(illustrator())
    for made, (wide, high) in CAMERAS.items():
        preview = out / "preview.jpg"
        ffmpeg(f"-f lavfi -i testsrc2=s={wide}x{high}:d=1 -frames:v 1 -update 1".split(), preview)
        (out / f"camera.{made.__name__}").write_bytes(made(preview.read_bytes(), wide, high))
        preview.unlink()


main(*sys.argv[1:])
