"""Pillow as careful users write it: drafted where the format can, one decode for all sizes.

python pillow.py FOLDER
{"jobs": N, "source": PATH, "format": "jpg", "widths": [...]}: draws N times, answers {"cpu_s", "wall_s", "peak_bytes",
"bytes": [...]}, and leaves the last pictures in FOLDER
{"make": PATH, "source": PATH, "options": {"heif": {...}}}: writes a picture in another format
"""
import io
import json
import pathlib
import resource
import sys
import time

import pillow_heif
from PIL import Image

pillow_heif.register_heif_opener()
folder = pathlib.Path(sys.argv[1])
Image.MAX_IMAGE_PIXELS = None
WRITERS = {"jpg": ("JPEG", {"quality": 80}), "png": ("PNG", {}), "webp": ("WEBP", {"quality": 80, "method": 4})}


def draw(source, widths, name, settings):
    picture = Image.open(io.BytesIO(source))
    sizes = [(width, max(1, round(picture.height * width / picture.width))) for width in widths]
    picture.draft("RGB", sizes[0])
    made = []
    for size in sizes:
        picture = picture.resize(size, Image.Resampling.LANCZOS, reducing_gap=2.0)
        if picture.mode not in ("L", "RGB"):
            picture = picture.convert("RGB")
        file = io.BytesIO()
        picture.save(file, name, **settings)
        made.append(file.getvalue())
    return made


def make(to, source, options):
    for name, settings in options.items():
        Image.open(source).save(to, name, **settings)


for line in sys.stdin:
    command = json.loads(line)
    if "make" in command:
        make(command["make"], command["source"], command["options"])
        print("{}", flush=True)
        continue
    source = pathlib.Path(command["source"]).read_bytes()
    name, settings = WRITERS[command["format"]]
    began, cpu, made = time.monotonic(), time.process_time(), []
    for _ in range(command["jobs"]):
        made = draw(source, command["widths"], name, settings)
    cpu, wall = time.process_time() - cpu, time.monotonic() - began
    for width, file in zip(command["widths"], made):
        (folder / f"{width}.{command['format']}").write_bytes(file)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    answer = {"cpu_s": cpu, "wall_s": wall, "peak_bytes": peak, "bytes": [len(file) for file in made]}
    print(json.dumps(answer), flush=True)
