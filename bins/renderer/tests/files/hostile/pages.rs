//! Markup that includes, expands or nests: SVG, XML, HTML; and files of two kinds at once.

use super::films::targets;
use super::{Cases, Lures};

pub(super) fn add(cases: &mut Cases, lures: &Lures) {
    svg(cases.of("svg"), lures);
    for (what, attack) in markup_attacks(lures) {
        cases.of("xml").add(what, attack.into_bytes());
    }
    html(cases.of("html"), lures);
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
