//! PDFs that loop, lie, swell or call out.

use super::bits::{be32, zlib_run};
use super::films::targets;
use super::{Body, Cases, Lures};

/// A PDF of these objects, numbered from 1; the first is the catalogue.
pub(super) fn pdf_of(objects: &[Vec<u8>]) -> Vec<u8> {
    let mut out = b"%PDF-1.7\n".to_vec();
    let mut places = Vec::new();
    for (index, object) in objects.iter().enumerate() {
        places.push(out.len());
        out.extend(format!("{} 0 obj\n", index + 1).bytes());
        out.extend(object);
        out.extend(b"\nendobj\n");
    }
    let table = out.len();
    out.extend(format!("xref\n0 {}\n0000000000 65535 f \n", objects.len() + 1).bytes());
    for place in places {
        out.extend(format!("{place:010} 00000 n \n").bytes());
    }
    out.extend(
        format!(
            "trailer\n<</Size {} /Root 1 0 R>>\nstartxref\n{table}\n%%EOF\n",
            objects.len() + 1
        )
        .bytes(),
    );
    out
}

fn stream(dictionary: &str, body: &[u8]) -> Vec<u8> {
    [format!("<<{dictionary} /Length {}>>\nstream\n", body.len()).as_bytes(), body, b"\nendstream"]
        .concat()
}

/// A page that is drawn by `content`, with `page` in its dictionary and more objects from 5 on.
pub(super) fn page_of(page: &str, content: Vec<u8>, more: &[Vec<u8>]) -> Vec<u8> {
    let objects = [
        b"<</Type/Catalog/Pages 2 0 R>>".to_vec(),
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>".to_vec(),
        format!("<</Type/Page/Parent 2 0 R/Contents 4 0 R {page}>>").into_bytes(),
        content,
    ];
    pdf_of(&[&objects[..], more].concat())
}

pub(super) fn add(cases: &mut Cases, lures: &Lures) {
    const A4: &str = "/MediaBox[0 0 595 842]";
    let catalogue = |pages: &str| {
        pdf_of(&[
            b"<</Type/Catalog/Pages 2 0 R>>".to_vec(),
            pages.as_bytes().to_vec(),
            b"<</Type/Pages/Kids[2 0 R]/Count 1/Parent 2 0 R>>".to_vec(),
        ])
    };
    for (what, pages) in [
        ("pages in themselves", "<</Type/Pages/Kids[2 0 R]/Count 1>>".to_owned()),
        ("pages in a circle", "<</Type/Pages/Kids[3 0 R]/Count 1/Parent 3 0 R>>".to_owned()),
        (
            "pages twice in themselves",
            "<</Type/Pages/Kids[2 0 R 2 0 R 3 0 R 3 0 R]/Count 9>>".to_owned(),
        ),
        ("2^31 pages of none", "<</Type/Pages/Kids[]/Count 2147483647>>".to_owned()),
        ("-1 pages", "<</Type/Pages/Kids[]/Count -1>>".to_owned()),
        (
            "a hundred thousand kids",
            format!("<</Type/Pages/Kids[{}]/Count 100000>>", "9 0 R ".repeat(100_000)),
        ),
        ("arrays 100000 deep", format!("<</Type/Pages/Kids {}>>", "[".repeat(100_000))),
        ("dictionaries 100000 deep", "<</A ".repeat(100_000)),
        ("strings 100000 deep", format!("<</Type/Pages/Kids {}>>", "(".repeat(100_000))),
    ] {
        cases.add(what, catalogue(&pages));
    }
    for edges in [
        "0 0 1e10 1e10",
        "0 0 14400 14400",
        "0 0 200000 200000",
        "0 0 0 0",
        "0 0 -9 -9",
        "9 9 0 0",
        "0 0 1 1000000",
        "0 0 NaN 9",
        "0 0 0.0001 0.0001",
        "-2147483648 -2147483648 2147483647 2147483647",
    ] {
        for unit in ["", "/UserUnit 75000", "/Rotate 45", "/Rotate 2147483647"] {
            cases.add(
                format!("a page of {edges} {unit}"),
                page_of(&format!("/MediaBox[{edges}]{unit}"), stream("", b"0 0 9 9 re f"), &[]),
            );
        }
    }
    let image = |dictionary: &str, body: &[u8]| {
        page_of(
            &format!("{A4}/Resources<</XObject<</I 5 0 R>>>>"),
            stream("", b"500 0 0 800 0 0 cm /I Do"),
            &[stream(&format!("/Type/XObject/Subtype/Image {dictionary}"), body)],
        )
    };
    for (width, height) in
        [(0u32, 0u32), (1, u32::MAX), (65_535, 65_535), (100_000, 100_000), (30_000, 30_000)]
    {
        for filter in [
            "JBIG2Decode",
            "JPXDecode",
            "CCITTFaxDecode",
            "DCTDecode",
            "FlateDecode",
            "RunLengthDecode",
            "LZWDecode",
        ] {
            let dictionary = format!(
                "/Width {width}/Height {height}/ColorSpace/DeviceRGB/BitsPerComponent 8/Filter/{filter}/DecodeParms<</K -1/Columns {width}/Rows {height}>>"
            );
            cases.add(format!("{filter} of {width}x{height}"), image(&dictionary, &[0x55; 90]));
        }
    }
    let jbig = |width: u32, height: u32, kind: u8| {
        [
            &be32(0)[..],
            &[48, 0, 1],
            &be32(19),
            &be32(width),
            &be32(height),
            &[0; 8],
            &[0, 0, 0],
            &be32(1),
            &[kind, 0, 1],
            &be32(u32::MAX),
            &be32(width),
            &be32(height),
            &[0; 30],
        ]
        .concat()
    };
    for kind in [0u8, 4, 6, 16, 23, 36, 38, 39, 40, 42, 53, 62] {
        for (width, height) in [(u32::MAX, u32::MAX), (40_000, 40_000), (64, 64)] {
            cases.add(format!("JBIG2 segment {kind} of {width}x{height}"), image("/Width 64/Height 64/ColorSpace/DeviceGray/BitsPerComponent 1/Filter/JBIG2Decode", &jbig(width, height, kind)));
        }
    }
    let codestream = |width: u32, height: u32, tile: u32, parts: u16| {
        let size = [
            &[0xff, 0x4f, 0xff, 0x51][..],
            &(38 + 3 * parts).to_be_bytes(),
            &[0, 0],
            &be32(width),
            &be32(height),
            &[0; 8],
            &be32(tile),
            &be32(tile),
            &[0; 8],
            &parts.to_be_bytes(),
            &[7, 1, 1].repeat(parts.min(3_000).into()),
        ]
        .concat();
        [
            &size[..],
            &[
                0xff, 0x52, 0, 12, 0, 0, 0, 1, 0, 5, 4, 4, 0, 0, 0xff, 0x5c, 0, 4, 0x40, 0x40,
                0xff, 0x90, 0, 10, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, 0x93, 0xff, 0xd9,
            ],
        ]
        .concat()
    };
    for (width, height, tile, parts) in [
        (u32::MAX, u32::MAX, 1, 3),
        (60_000, 60_000, 1, 1),
        (60_000, 60_000, 60_000, 3),
        (64, 64, 0, 3),
        (64, 64, 64, 16_384),
        (1, 1, u32::MAX, 0),
    ] {
        let body = codestream(width, height, tile, parts);
        cases.add(
            format!("JPX of {width}x{height} by {tile}, {parts} parts"),
            image("/Width 64/Height 64/Filter/JPXDecode", &body),
        );
        cases.of("jp2").add(format!("{width}x{height} by {tile}, {parts} parts"), body);
        cases.of("pdf");
    }
    for megabytes in [64, 1_000, 4_000] {
        let run = zlib_run(b" ", megabytes << 20);
        cases.add(
            format!("content of {megabytes} MiB"),
            page_of(A4, stream("/Filter/FlateDecode", &run), &[]),
        );
        let pixels = zlib_run(&[0], megabytes << 20);
        cases.add(
            format!("a picture of {megabytes} MiB"),
            image(
                "/Width 9/Height 9/ColorSpace/DeviceGray/BitsPerComponent 8/Filter/FlateDecode",
                &pixels,
            ),
        );
        let objects = stream(
            "/Type/ObjStm/N 1000000/First 9/Filter/FlateDecode",
            &zlib_run(b"1 0 ", megabytes << 20),
        );
        cases.add(
            format!("an object stream of {megabytes} MiB"),
            page_of(A4, stream("", b"q Q"), &[objects]),
        );
        let table = stream(
            "/Type/XRef/Size 2147483647/W[8 8 8]/Root 1 0 R/Filter/FlateDecode",
            &zlib_run(&[0], megabytes << 20),
        );
        let mut whole = page_of(A4, stream("", b"q Q"), &[table]);
        let place = whole.windows(7).position(|window| window == b"5 0 obj").expect("an object");
        whole.extend(format!("startxref\n{place}\n%%EOF\n").bytes());
        cases.add(format!("a cross reference of {megabytes} MiB"), whole);
    }
    let filters = "/FlateDecode ".repeat(5_000);
    cases.add(
        "5000 filters in a row",
        page_of(A4, stream(&format!("/Filter[{filters}]"), &zlib_run(b" ", 1_000)), &[]),
    );
    let form = |body: &[u8], resources: &str| {
        stream(&format!("/Type/XObject/Subtype/Form/BBox[0 0 9 9]/Resources<<{resources}>>"), body)
    };
    let with = |what: &str| format!("{A4}/Resources<<{what}>>");
    cases.add(
        "a form of itself",
        page_of(
            &with("/XObject<</F 5 0 R>>"),
            stream("", b"/F Do"),
            &[form(b"/F Do /F Do", "/XObject<</F 5 0 R>>")],
        ),
    );
    let doubling: Vec<Vec<u8>> = (0..40)
        .map(|level| form(b"/F Do /F Do", &format!("/XObject<</F {} 0 R>>", level + 6)))
        .collect();
    cases.add(
        "forms that double 40 times",
        page_of(&with("/XObject<</F 5 0 R>>"), stream("", b"/F Do"), &doubling),
    );
    cases.add("a pattern of itself", page_of(&with("/Pattern<</P 5 0 R>>"), stream("", b"/Pattern cs /P scn 0 0 500 500 re f"), &[stream("/Type/Pattern/PatternType 1/PaintType 1/TilingType 1/BBox[0 0 1 1]/XStep 0.0001/YStep 0.0001/Resources<</Pattern<</P 5 0 R>>>>", b"/Pattern cs /P scn 0 0 1 1 re f")]));
    cases.add("a soft mask of itself", page_of(&with("/ExtGState<</G 5 0 R>>"), stream("", b"/G gs 0 0 500 500 re f"), &[b"<</SMask<</S/Luminosity/G 6 0 R>>>>".to_vec(), stream("/Type/XObject/Subtype/Form/BBox[0 0 500 500]/Group<</S/Transparency>>/Resources<</ExtGState<</G 5 0 R>>>>", b"/G gs 0 0 500 500 re f")]));
    cases.add("a font of glyphs that draw it", page_of(&with("/Font<</F 5 0 R>>"), stream("", b"BT /F 99 Tf (aaaa) Tj ET"), &[b"<</Type/Font/Subtype/Type3/FontBBox[0 0 1 1]/FontMatrix[1 0 0 1 0 0]/FirstChar 97/LastChar 97/Widths[1]/Encoding<</Differences[97/a]>>/CharProcs<</a 6 0 R>>/Resources<</Font<</F 5 0 R>>>>>>".to_vec(), stream("", b"BT /F 1 Tf (aa) Tj ET")]));
    for (what, function) in [
        (
            "sampled 65536 times 8",
            "<</FunctionType 0/Domain[0 1 0 1 0 1 0 1 0 1 0 1 0 1 0 1]/Range[0 1]/Size[65536 65536 65536 65536 65536 65536 65536 65536]/BitsPerSample 32/Length 0>>stream\n\nendstream",
        ),
        (
            "stitched of itself",
            "<</FunctionType 3/Domain[0 1]/Functions[6 0 R 6 0 R]/Bounds[0.5]/Encode[0 1 0 1]>>",
        ),
        ("a power of a million", "<</FunctionType 2/Domain[0 1]/N 1000000/C0[0]/C1[1e38]>>"),
        (
            "a program of braces",
            "<</FunctionType 4/Domain[0 1]/Range[0 1]/Length 9>>stream\n{{{{{{{{{\nendstream",
        ),
    ] {
        let shading = b"<</ShadingType 2/ColorSpace/DeviceGray/Coords[0 0 1 1]/Function 6 0 R/Extend[true true]>>".to_vec();
        cases.add(
            format!("a shading {what}"),
            page_of(
                &with("/Shading<</S 5 0 R>>"),
                stream("", b"/S sh"),
                &[shading, function.as_bytes().to_vec()],
            ),
        );
    }
    for (what, space) in [
        ("indexed of itself", "[/Indexed 5 0 R 255 (x)]"),
        ("of a thousand dyes", "[/DeviceN[/A /B] 5 0 R 5 0 R]"),
        ("of a profile of itself", "[/ICCBased 5 0 R]"),
        ("a separation of itself", "[/Separation/X 5 0 R 5 0 R]"),
    ] {
        cases.add(
            format!("a colour space {what}"),
            page_of(
                &with("/ColorSpace<</C 5 0 R>>"),
                stream("", b"/C cs 1 sc 0 0 99 99 re f"),
                &[space.as_bytes().to_vec()],
            ),
        );
    }
    let operators = [
        ("q ", 1_000_000),
        ("0 0 m ", 500_000),
        ("0 0 595 842 re f ", 200_000),
        ("BT ", 300_000),
        ("/X Do ", 300_000),
        ("[", 300_000),
        ("0 0 1e38 1e38 re S ", 2_000),
        ("[0.000001] 0 d 0 0 m 9999 9999 l S ", 50),
    ];
    for (what, times) in operators {
        cases.add(
            format!("{times} times {what}"),
            page_of(A4, stream("", what.repeat(times).as_bytes()), &[]),
        );
    }
    for target in targets(lures) {
        let file = format!("<</Type/Filespec/FS/URL/F({target})>>");
        let outside = stream(&format!("/F {file}"), b"");
        cases.add(format!("content at {target}"), page_of(A4, outside.clone(), &[]));
        cases.add(
            format!("a picture at {target}"),
            page_of(&with("/XObject<</I 5 0 R>>"), stream("", b"/I Do"), &[outside]),
        );
        let opens = format!(
            "{A4}/AA<</O<</S/URI/URI({target})>>>>/Annots[<</Type/Annot/Subtype/Link/Rect[0 0 9 9]/A<</S/Launch/F({target})>>>>]"
        );
        cases.add(format!("a page that opens {target}"), page_of(&opens, stream("", b"q Q"), &[]));
    }
    for (what, tail) in [
        (
            "a trailer that precedes itself",
            "trailer<</Root 1 0 R/Prev 9/Size 9>>\nstartxref\n9\n%%EOF",
        ),
        (
            "a cross reference of 2^31",
            "xref\n0 2147483647\n0000000000 65535 f \ntrailer<</Root 1 0 R>>\nstartxref\n9\n%%EOF",
        ),
        ("a cross reference at -1", "startxref\n-1\n%%EOF"),
        ("a cross reference beyond the end", "startxref\n99999999999999999999\n%%EOF"),
        ("a root that is its trailer", "trailer<</Root 9 0 R>>\nstartxref\n9\n%%EOF"),
        (
            "an unknown cipher",
            "trailer<</Root 1 0 R/Encrypt<</Filter/X/V 99/R 99/O(x)/U(x)/P -1>>/ID[(a)(b)]>>\n%%EOF",
        ),
        (
            "a cipher of no key",
            "trailer<</Root 1 0 R/Encrypt<</Filter/Standard/V 5/R 6/Length 0/O()/U()/OE()/UE()/P 0>>/ID[()()]>>\n%%EOF",
        ),
        (
            "a length that is its stream",
            "4 0 obj<</Length 4 0 R>>stream\nx\nendstream endobj trailer<</Root 4 0 R>>\n%%EOF",
        ),
    ] {
        cases.add(what, format!("%PDF-1.7\n{tail}\n").into_bytes());
    }
    cases.add(
        "a header and a gigabyte of spaces",
        Body {
            head: b"%PDF-1.7\n".to_vec(),
            pattern: b" ".to_vec(),
            middle_bytes: 1 << 30,
            tail: b"startxref\n0\n%%EOF".to_vec(),
        },
    );
    cases.add("200000 objects of nothing", pdf_of(&vec![b"null".to_vec(); 200_000]));
}
