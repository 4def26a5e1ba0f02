"""Draws page 1 of pictures with Pillow: a line of FILE, WIDTH, HEIGHT, OUT between tabs for each."""

import io
import sys
import warnings

import pillow_heif
from PIL import Image, ImageCms, ImageFile, ImageOps

warnings.simplefilter("ignore")
pillow_heif.register_heif_opener()
Image.MAX_IMAGE_PIXELS = None
ImageFile.LOAD_TRUNCATED_IMAGES = True
SRGB = ImageCms.createProfile("sRGB")


def eight_bits(picture):
    """Modes of more than 8 bits, as the 8 bits that a person sees."""
    if picture.mode in ("I;16", "I;16B", "I;16L", "I", "F"):
        lowest, highest = (0, 65535) if picture.mode != "F" else picture.getextrema()
        scale = 255 / ((highest - lowest) or 1)
        return picture.convert("F").point(lambda value: value * scale - lowest * scale).convert("L")
    return picture


def draw(file, width, height, out):
    picture = Image.open(file)
    picture.load()
    profile = picture.info.get("icc_profile")
    picture = eight_bits(ImageOps.exif_transpose(picture))
    if profile and picture.mode in ("RGB", "RGBA", "L", "CMYK", "LAB"):
        try:
            mode = "RGBA" if picture.mode == "RGBA" else "RGB"
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            picture = ImageCms.profileToProfile(picture, source, SRGB, outputMode=mode)
        except ImageCms.PyCMSError:
            pass
    picture = picture.convert("RGBA")
    paper = Image.new("RGBA", picture.size, "white")
    paper.alpha_composite(picture)
    paper.convert("RGB").resize((width, height), Image.Resampling.LANCZOS).save(out)


for line in sys.stdin:
    file, width, height, out = line.rstrip("\n").split("\t")
    try:
        draw(file, int(width), int(height), out)
    except Exception as error:  # A file that Pillow does not read is missing among the results.
        print(f"{file}: {error}", file=sys.stderr)
