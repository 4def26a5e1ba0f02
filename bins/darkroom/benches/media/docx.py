"""Writes a Word document of many pages with a photograph on the first: docx.py PHOTOGRAPH OUT."""

import pathlib
import sys
import zipfile

PARAGRAPHS = 400
WORDS = "the light of a lamp behind a door that nobody had opened since the spring".split()
OFFICE = "http://schemas.openxmlformats.org"
TYPES = f"""<Types xmlns="{OFFICE}/package/2006/content-types">
<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>
<Default Extension="jpg" ContentType="image/jpeg"/><Override PartName="/word/document.xml"
ContentType="application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"/></Types>"""
PICTURE = f"""<w:p><w:r><w:drawing><wp:inline xmlns:wp="{OFFICE}/drawingml/2006/wordprocessingDrawing">
<wp:extent cx="5400000" cy="3600000"/><wp:docPr id="1" name="Photograph"/>
<a:graphic xmlns:a="{OFFICE}/drawingml/2006/main"><a:graphicData uri="{OFFICE}/drawingml/2006/picture">
<p:pic xmlns:p="{OFFICE}/drawingml/2006/picture"><p:nvPicPr><p:cNvPr id="1" name="1.jpg"/><p:cNvPicPr/></p:nvPicPr>
<p:blipFill><a:blip xmlns:r="{OFFICE}/officeDocument/2006/relationships" r:embed="rId1"/>
<a:stretch><a:fillRect/></a:stretch></p:blipFill><p:spPr><a:xfrm><a:off x="0" y="0"/>
<a:ext cx="5400000" cy="3600000"/></a:xfrm><a:prstGeom prst="rect"><a:avLst/></a:prstGeom></p:spPr>
</p:pic></a:graphicData></a:graphic></wp:inline></w:drawing></w:r></w:p>"""


def relations(kind, target):
    return f"""<Relationships xmlns="{OFFICE}/package/2006/relationships"><Relationship Id="rId1"
Type="{OFFICE}/officeDocument/2006/relationships/{kind}" Target="{target}"/></Relationships>"""


def paragraph(number):
    words = " ".join(WORDS[(number * 7 + at * (at + number)) % len(WORDS)] for at in range(90))
    return f"<w:p><w:r><w:t>{number}. {words}.</w:t></w:r></w:p>"


def main(photograph, out):
    body = PICTURE + "".join(paragraph(number) for number in range(1, PARAGRAPHS + 1))
    document = f'<w:document xmlns:w="{OFFICE}/wordprocessingml/2006/main"><w:body>{body}</w:body></w:document>'
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as whole:
        whole.writestr("[Content_Types].xml", TYPES)
        whole.writestr("_rels/.rels", relations("officeDocument", "word/document.xml"))
        whole.writestr("word/_rels/document.xml.rels", relations("image", "media/1.jpg"))
        whole.writestr("word/document.xml", document)
        whole.writestr("word/media/1.jpg", pathlib.Path(photograph).read_bytes(), zipfile.ZIP_STORED)


main(*sys.argv[1:])
