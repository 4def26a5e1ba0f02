"""Draws pages of a PDF as JPEGs with pdfium: file, first page, last page, width, folder."""

import sys

import pypdfium2

source, first, last, width, folder = sys.argv[1:]
document = pypdfium2.PdfDocument(source)
for number in range(int(first), min(int(last), len(document)) + 1):
    page = document[number - 1]
    picture = page.render(scale=int(width) / page.get_width()).to_pil()
    picture.convert("RGB").save(f"{folder}/{number}.jpg", quality=80)
