//! SVGs made to reach out or to harm.

use std::io::Write;
use std::net::TcpListener;
use std::time::{Duration, Instant};

use domain::limits::Limits;
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::Job;
use crate::svg::{data, png, svg};

/// What a hostile file may take in a build with checks.
const PATIENCE: Duration = Duration::from_secs(10);
const SANS: &str = "/usr/share/fonts/truetype/liberation/LiberationSans-Regular.ttf";

/// The code that a file ends with, in time.
fn ends(name: &str, file: &[u8]) -> String {
    let begin = Instant::now();
    let code = Job::svg().failure(file);
    assert!(begin.elapsed() < PATIENCE, "{name} took {:?}", begin.elapsed());
    code
}

#[test]
fn nothing_outside_of_the_file_is_ever_looked_at() {
    let folder = tempfile::tempdir().unwrap();
    let canary = folder.path().join("canary.png");
    std::fs::write(&canary, png(10, 10)).unwrap();
    let drawing = folder.path().join("canary.svg");
    std::fs::write(
        &drawing,
        svg("width='9' height='9'", "<rect id='r' width='9' height='9' fill='red'/>"),
    )
    .unwrap();
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    server.set_nonblocking(true).unwrap();
    let address = format!("http://{}/canary.png", server.local_addr().unwrap());
    let (canary, drawing) = (canary.display(), drawing.display());
    let hrefs = [
        canary.to_string(),
        format!("file://{canary}"),
        format!("FILE:{canary}"),
        format!("../../../../../../../../..{canary}"),
        drawing.to_string(),
        format!("file://{drawing}#r"),
        format!("{drawing}#r"),
        address.clone(),
        "ftp://127.0.0.1/canary.png".to_owned(),
        format!("jar:file:{canary}!/"),
        format!("text:{canary}"),
        format!("msl:{canary}"),
        "\\\\127.0.0.1\\share\\canary.png".to_owned(),
        "/proc/self/exe".to_owned(),
        "/dev/stdin".to_owned(),
        data("text/uri-list", canary.to_string().as_bytes()),
    ];
    for href in &hrefs {
        for content in [
            format!("<image width='9' height='9' href='{href}'/>"),
            format!("<image width='9' height='9' xlink:href='{href}'/>"),
            format!("<use href='{href}'/>"),
            format!(
                "<filter id='f'><feImage href='{href}'/></filter><rect width='9' height='9' fill='none' filter='url(#f)'/>"
            ),
            format!(
                "<pattern id='p' width='1' height='1' href='{href}'/><rect width='9' height='9' fill='url(#p)'/>"
            ),
            format!("<rect width='9' height='9' fill='url({href})'/>"),
            format!("<rect width='9' height='9' fill='none' style='background: url({href})'/>"),
            format!(
                "<style>@import url('{href}'); @font-face {{ font-family: F; src: url('{href}') }}</style><text font-family='F' fill='none'>x</text>"
            ),
            format!("<foreignObject width='9' height='9'><img src='{href}'/></foreignObject>"),
            format!("<script href='{href}'/><iframe src='{href}'/><animate href='{href}'/>"),
        ] {
            // Nested, too: what is within is read by the same rules.
            let inner = svg("width='9' height='9'", &content);
            let outer = svg(
                "width='9' height='9'",
                &format!("<image width='9' height='9' href='{}'/>", data("image/svg+xml", &inner)),
            );
            for file in [&inner, &outer] {
                let made = Job::svg().font(SANS).picture(file);
                let blank =
                    made.image().pixels().all(|pixel| pixel.0[3] == 0 || pixel.0[..3] == [0; 3]);
                assert!(blank, "something of {href} is seen by {content}");
            }
        }
        let linked = format!(
            "<?xml-stylesheet type='text/css' href='{href}'?>{}",
            String::from_utf8(svg("width='9' height='9'", "")).unwrap()
        );
        assert_eq!(ends(href, linked.as_bytes()), "none");
    }
    assert!(server.accept().is_err(), "somebody called");
}

#[test]
fn entities_from_outside_are_not_resolved() {
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("secret");
    std::fs::write(&secret, "<rect width='9' height='9' fill='red'/>").unwrap();
    let secret = secret.display();
    for (name, declaration, reference) in [
        ("a file", format!("<!ENTITY x SYSTEM 'file://{secret}'>"), "&x;"),
        ("a path", format!("<!ENTITY x SYSTEM '{secret}'>"), "&x;"),
        ("a public name", format!("<!ENTITY x PUBLIC 'x' '{secret}'>"), "&x;"),
        ("a parameter", format!("<!ENTITY % x SYSTEM '{secret}'> %x;"), ""),
        ("an address", "<!ENTITY x SYSTEM 'http://127.0.0.1:1/'>".to_owned(), "&x;"),
    ] {
        let body = String::from_utf8(svg("width='9' height='9'", reference)).unwrap();
        let file = format!("<?xml version='1.0'?><!DOCTYPE svg [ {declaration} ]>{body}");
        match Job::svg().draw(file.as_bytes()) {
            Err(error) => assert_eq!(error.code().to_string(), "corrupt", "{name}"),
            Ok((basket, _)) => {
                let image = basket.made[0].image();
                assert!(image.pixels().all(|pixel| pixel.0[3] == 0), "{name} was read");
            }
        }
    }
}

#[test]
fn entities_that_multiply_are_refused() {
    let laughs: String = (1..12)
        .map(|level| format!("<!ENTITY l{level} '{}'>", format!("&l{};", level - 1).repeat(10)))
        .collect();
    let laughs = format!(
        "<!DOCTYPE svg [<!ENTITY l0 'ha'>{laughs}]><svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'><text>&l11;</text></svg>"
    );
    assert_eq!(ends("laughs", laughs.as_bytes()), "expands_too_much");
    // One long entity, often.
    let long = format!(
        "<!DOCTYPE svg [<!ENTITY l '{}'>]><svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'><text>{}</text></svg>",
        "ha".repeat(500_000),
        "&l;".repeat(100_000),
    );
    assert_eq!(ends("a long entity", long.as_bytes()), "expands_too_much");
    let own = "<!DOCTYPE svg [<!ENTITY l '&l;'>]><svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'><text>&l;</text></svg>";
    assert_eq!(ends("itself", own.as_bytes()), "expands_too_much");
}

fn drawing(content: &str) -> Vec<u8> {
    svg("width='100' height='100'", content)
}

/// Parts of which each shows the next so many times, by `show`.
fn tower(levels: usize, times: usize, part: &str, show: impl Fn(usize) -> String) -> String {
    (0..levels)
        .map(|level| {
            format!(
                "<{part} id='p{level}' width='9' height='9'>{}</{part}>",
                show(level + 1).repeat(times)
            )
        })
        .chain([format!(
            "<{part} id='p{levels}' width='9' height='9'><rect width='9' height='9'/></{part}>"
        )])
        .collect()
}

#[test]
fn parts_that_multiply_are_counted_before_they_are_put_in_place() {
    let rect =
        |how: &str, next: usize| format!("<rect width='9' height='9' {how}='url(#p{next})'/>");
    for (name, content) in [
        (
            "use",
            format!(
                "{}<use href='#p0'/>",
                tower(9, 10, "g", |next| format!("<use href='#p{next}'/>"))
            ),
        ),
        (
            "symbols",
            format!(
                "{}<use href='#p0'/>",
                tower(9, 10, "symbol", |next| format!("<use xlink:href='#p{next}'/>"))
            ),
        ),
        (
            "patterns",
            format!("{}{}", tower(9, 10, "pattern", |next| rect("fill", next)), rect("fill", 0)),
        ),
        (
            "masks",
            format!("{}{}", tower(9, 10, "mask", |next| rect("mask", next)), rect("mask", 0)),
        ),
        (
            "clips",
            format!(
                "{}{}",
                tower(9, 10, "clipPath", |next| rect("clip-path", next)),
                rect("clip-path", 0)
            ),
        ),
        (
            "styles",
            format!(
                "{}{}",
                tower(9, 10, "pattern", |next| format!(
                    "<rect width='9' height='9' style='fill: url( \"#p{next}\" )'/>"
                )),
                rect("fill", 0)
            ),
        ),
        (
            "pictures of parts",
            format!(
                "{}{}",
                tower(9, 10, "g", |next| format!(
                    "<filter id='f{next}'><feImage href='#p{next}'/></filter><rect width='9' height='9' filter='url(#f{next})'/>"
                )),
                "<use href='#p0'/>"
            ),
        ),
    ] {
        assert_eq!(ends(name, &drawing(&content)), "expands_too_much", "{name}");
    }
    let markers = format!(
        "<marker id='m'>{}</marker><path marker-mid='url(#m)' d='M0 0 {}'/>",
        "<rect width='1' height='1'/>".repeat(1_000),
        "L1 1 ".repeat(100_000),
    );
    assert_eq!(ends("markers", &drawing(&markers)), "expands_too_much");
    // Each letter becomes a shape.
    let text = |letters: usize| drawing(&format!("<text y='9'>{}</text>", "W".repeat(letters)));
    assert_eq!(ends("a text", &text(10_000)), "none");
    assert_eq!(ends("a long text", &text(1 << 20)), "expands_too_much");
}

#[test]
fn parts_that_show_themselves_end() {
    for content in [
        "<g id='a'><use href='#a'/></g>",
        "<use id='a' href='#a'/>",
        "<pattern id='a' width='9' height='9'><rect width='9' height='9' fill='url(#a)'/></pattern><rect width='9' height='9' fill='url(#a)'/>",
        "<pattern id='a' href='#b'/><pattern id='b' href='#a'/><rect width='9' height='9' fill='url(#a)'/>",
        "<linearGradient id='a' href='#b'/><linearGradient id='b' href='#a'/><rect width='9' height='9' fill='url(#a)'/>",
        "<mask id='a' mask='url(#b)'/><mask id='b' mask='url(#a)'/><rect width='9' height='9' mask='url(#a)'/>",
        "<mask id='a'><rect width='9' height='9' mask='url(#a)'/></mask><rect width='9' height='9' mask='url(#a)'/>",
        "<clipPath id='a' clip-path='url(#b)'/><clipPath id='b' clip-path='url(#a)'/><rect width='9' height='9' clip-path='url(#a)'/>",
        "<marker id='a'><path marker-end='url(#a)' d='M0 0L9 9'/></marker><path marker-end='url(#a)' d='M0 0L9 9'/>",
        "<filter id='f'><feImage href='#r'/></filter><rect id='r' width='9' height='9' filter='url(#f)'/>",
        "<text id='t'><tref href='#t'/><textPath href='#t'>x</textPath></text>",
    ] {
        assert_eq!(ends(content, &drawing(content)), "none", "{content}");
    }
    let round = "<g id='a'><use href='#b'/></g><g id='b'><use href='#a'/><use href='#a'/></g>";
    assert_eq!(ends(round, &drawing(round)), "expands_too_much");
}

#[test]
fn deep_nesting_is_refused_or_ends() {
    let groups = |depth: usize, attributes: &str| {
        drawing(&format!(
            "{}<rect width='9' height='9'/>{}",
            format!("<g {attributes}>").repeat(depth),
            "</g>".repeat(depth)
        ))
    };
    assert_eq!(ends("groups", &groups(200, "")), "none");
    assert_eq!(ends("deep groups", &groups(400, "")), "expands_too_much");
    assert_eq!(ends("deepest groups", &groups(300_000, "")), "expands_too_much");
    assert_eq!(ends("layers", &groups(200, "opacity='0.9'")), "none");
    let chain = tower(60, 1, "g", |next| format!("<use href='#p{next}'/>"));
    assert_eq!(ends("a chain", &drawing(&format!("{chain}<use href='#p0'/>"))), "expands_too_much");
    let mut inner = svg("width='9' height='9'", "<rect width='9' height='9' fill='red'/>");
    for _ in 0..4 {
        let href = data("image/svg+xml", &inner);
        inner =
            svg("width='9' height='9'", &format!("<image width='9' height='9' href='{href}'/>"));
    }
    assert_eq!(ends("drawings in drawings", &inner), "none");
    assert_eq!(Job::svg().picture(&inner).at(4, 4), [0; 4], "what is too deep is left out");
}

#[test]
fn filters_that_take_too_long_are_refused() {
    let filtered = |steps: &str| {
        svg(
            "width='2000' height='2000'",
            &format!(
                "<filter id='f' x='-1' y='-1' width='3' height='3'>{steps}</filter><rect width='2000' height='2000' filter='url(#f)'/>"
            ),
        )
    };
    let kernel = "1 ".repeat(10_000);
    for (name, steps) in [
        ("erode", "<feMorphology radius='1000'/>".to_owned()),
        ("noise", "<feTurbulence baseFrequency='0.1' numOctaves='1000000000'/>".to_owned()),
        ("a kernel", format!("<feConvolveMatrix order='100' kernelMatrix='{kernel}'/>")),
        ("many steps", "<feGaussianBlur stdDeviation='9'/>".repeat(1_000)),
        ("many lights", "<feDiffuseLighting><fePointLight/></feDiffuseLighting>".repeat(500)),
    ] {
        assert_eq!(ends(name, &filtered(&steps)), "expands_too_much", "{name}");
    }
    let many = svg(
        "width='3000' height='3000'",
        &format!(
            "<filter id='f'><feGaussianBlur stdDeviation='90'/></filter>{}",
            "<rect width='3000' height='3000' filter='url(#f)'/>".repeat(500)
        ),
    );
    assert_eq!(ends("many filters", &many), "expands_too_much");
    let nested = svg(
        "width='3000' height='3000' viewBox='0 0 9 9'",
        &format!(
            "{}<rect width='9' height='9'/>{}",
            "<g opacity='0.5'>".repeat(100),
            "</g>".repeat(100)
        ),
    );
    assert_eq!(ends("large layers", &nested), "expands_too_much");
    assert_eq!(
        ends(
            "a shadow",
            &svg(
                "width='400' height='400'",
                "<filter id='f'><feDropShadow dx='3' dy='3' stdDeviation='9'/></filter>\
                 <rect width='300' height='300' filter='url(#f)'/>",
            )
        ),
        "none"
    );
}

#[test]
fn pictures_and_patterns_beyond_the_limit_are_refused() {
    // A PNG that says it is 50,000 x 50,000.
    let mut large = png(1, 1);
    large[16..24].copy_from_slice(&[0, 0, 0xc3, 0x50, 0, 0, 0xc3, 0x50]);
    let image = format!("<image width='9' height='9' href='{}'/>", data("image/png", &large));
    assert_eq!(ends("a picture", &drawing(&image)), "expands_too_much");
    let nested =
        format!("<image width='9' height='9' href='{}'/>", data("image/svg+xml", &drawing(&image)));
    assert_eq!(ends("a picture within", &drawing(&nested)), "expands_too_much");
    let pattern = "<pattern id='p' patternUnits='userSpaceOnUse' width='1e5' height='1e5'>\
        <rect width='9' height='9'/></pattern><rect width='9' height='9' fill='url(#p)'/>";
    assert_eq!(ends("a pattern", &drawing(pattern)), "expands_too_much");
    let many =
        format!("<image width='9' height='9' href='{}'/>", data("image/png", &png(500, 500)))
            .repeat(30);
    assert_eq!(ends("many pictures", &drawing(&many)), "none");
}

#[test]
fn other_bombs_end() {
    let dashes = "<path stroke='red' stroke-dasharray='0.00001' d='M0 0L99999 99999'/>".repeat(50);
    let points = format!("<path d='M0 0 {}' stroke='red'/>", "L1 99 L99 1 ".repeat(10_000));
    let selectors =
        format!("<style>{}</style>{}", "a b c d{fill:red}".repeat(20_000), "<g/>".repeat(100_000));
    for (name, content, code) in [
        ("dashes", dashes, "none"),
        ("points", points, "none"),
        ("rules", selectors, "expands_too_much"),
        ("elements", "<g/>".repeat(600_000), "expands_too_much"),
        ("a long id", format!("<g id='{}'/>", "x".repeat(1 << 20)), "none"),
        ("many attributes", format!("<g {}/>", (0..20_000).map(|n| format!("a{n}='' ")).collect::<String>()), "none"),
        ("numbers", "<rect x='1e308' y='-1e308' width='1e38' height='1e-38' rx='1e38' transform='scale(1e30) rotate(1e30)'/>".to_owned(), "none"),
    ] {
        assert_eq!(ends(name, &drawing(&content)), code, "{name}");
    }
    let mut gz = GzEncoder::new(Vec::new(), Compression::best());
    gz.write_all(&svg("width='9' height='9'", &" ".repeat(8 << 20))).unwrap();
    let packed = gz.finish().unwrap();
    let limits = Limits { expanded_bytes: 4 << 20, ..Limits::default() };
    assert_eq!(Job::svg().limits(limits).failure(&packed), "expands_too_much");
    assert_eq!(ends("white space", &packed), "none");
}

#[test]
fn a_file_cut_or_changed_anywhere_ends() {
    let whole = svg(
        "width='9' height='9' viewBox='0 0 9 9'",
        "<defs><pattern id='p' width='3' height='3'><path d='M0 0L3 3'/></pattern></defs>\
         <g transform='rotate(9)' style='opacity:.5'><rect width='9' height='9' fill='url(#p)'/></g>",
    );
    let expected = ["none", "corrupt", "expands_too_much"];
    for end in 1..whole.len() {
        let code = Job::svg().failure(&whole[..end]);
        assert!(expected.contains(&code.as_str()), "cut at {end}: {code}");
    }
    let limits = Limits { pixels: 10_000, ..Limits::default() };
    for at in 0..whole.len() {
        for change in [b'<', b'9', b'\'', b'#', 0xff] {
            let mut changed = whole.clone();
            changed[at] = change;
            let code = Job::svg().limits(limits).failure(&changed);
            assert!(expected.contains(&code.as_str()), "changed at {at}: {code}");
        }
    }
}
