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


def raw(jpeg, wide, high, is_dng):
    """A TIFF as cameras write it: a preview in the first directory, a sensor's mosaic in another."""
    width, height = 320, 200
    mosaic = bytes((x * 5 + y * 3) & 0xFF for y in range(height) for x in range(width))
    make, model = b"Darkroom\0\0", b"Sample\0\0" if is_dng else b"NIKON D1\0\0"
    make = make if is_dng else b"NIKON CORPORATION\0"
    place, blobs = 8, bytearray()

    def blob(data):
        nonlocal place
        at = place
        blobs.extend(data + b"\0" * (len(data) % 2))
        place += len(data) + len(data) % 2
        return at

    at_jpeg, at_mosaic = blob(jpeg), blob(mosaic)
    at_make, at_model = blob(make), blob(model)

    def directory(fields, after=0):
        fields.sort()
        body = struct.pack("<H", len(fields))
        for tag, kind, count, value in fields:
            body += struct.pack("<HHI", tag, kind, count) + (value if isinstance(value, bytes) else struct.pack("<I", value))
        return blob(body + struct.pack("<I", after))

    sensor = [
        (254, 4, 1, 0), (256, 4, 1, width), (257, 4, 1, height), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 32803),
        (273, 4, 1, at_mosaic), (277, 3, 1, 1), (278, 4, 1, height), (279, 4, 1, len(mosaic)),
        (33421, 3, 2, struct.pack("<HH", 2, 2)), (33422, 1, 4, bytes((0, 1, 1, 2))),
    ]
    at_sensor = directory(sensor)
    first = [
        (254, 4, 1, 1), (256, 4, 1, wide), (257, 4, 1, high), (258, 3, 1, 8), (259, 3, 1, 7 if is_dng else 6),
        (262, 3, 1, 6), (271, 2, len(make), at_make), (272, 2, len(model), at_model), (274, 3, 1, 1),
        (273, 4, 1, at_jpeg), (277, 3, 1, 3), (278, 4, 1, high), (279, 4, 1, len(jpeg)), (330, 4, 1, at_sensor),
    ]
    if is_dng:
        first.append((50706, 1, 4, bytes((1, 4, 0, 0))))
    else:
        first += [(513, 4, 1, at_jpeg), (514, 4, 1, len(jpeg))]
    at_first = directory(first)
    return b"II*\0" + struct.pack("<I", at_first) + bytes(blobs)


def main(out):
    out = pathlib.Path(out)
    out.mkdir(parents=True, exist_ok=True)
    for name, arguments in FILMS.items():
        ffmpeg(arguments.split(), out / name)
    (out / "document.sketch").write_bytes(sketch())
    (out / "drawing.ai").write_bytes(illustrator())
    # One has a small preview, and its mosaic is developed.
    for name, wide, high in [("camera.dng", 160, 100), ("camera.nef", 960, 640)]:
        preview = out / "preview.jpg"
        ffmpeg(f"-f lavfi -i testsrc2=s={wide}x{high}:d=1 -frames:v 1 -update 1".split(), preview)
        (out / name).write_bytes(raw(preview.read_bytes(), wide, high, name.endswith("dng")))
        preview.unlink()


main(*sys.argv[1:])
