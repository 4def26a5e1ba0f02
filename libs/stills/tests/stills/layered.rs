//! Photoshop's files, written here by their specification.

use domain::limits::Limits;
use domain::wish::{Extra, Format, MetadataKind};
use serde_json::json;

use crate::{Made, failure, near, try_draw, wish};
use domain::job::Role;

const WIDTH: u32 = 6;
const HEIGHT: u32 = 4;

#[derive(Clone, Copy)]
struct Way {
    big: bool,
    depth: u16,
    mode: u16,
    runs: bool,
}

fn long(way: Way, length: usize) -> Vec<u8> {
    if way.big {
        (length as u64).to_be_bytes().to_vec()
    } else {
        (length as u32).to_be_bytes().to_vec()
    }
}

fn sample(way: Way, value: u8) -> Vec<u8> {
    match way.depth {
        16 => vec![value, value],
        32 => (f32::from(value) / 255.0).to_be_bytes().to_vec(),
        _ => vec![value],
    }
}

/// A channel of one value: its rows, and how long each is if they are packed.
fn channel(way: Way, value: u8) -> (Vec<u8>, Vec<u8>) {
    let row: Vec<u8> = sample(way, value).repeat(WIDTH as usize);
    if !way.runs {
        return (Vec::new(), row.repeat(HEIGHT as usize));
    }
    // Literal bytes, one run for the last two.
    let split = row.len() - 2;
    let mut packed = vec![u8::try_from(split - 1).expect("short")];
    packed.extend(&row[..split]);
    packed.extend(if row[split] == row[split + 1] {
        vec![255, row[split]]
    } else {
        vec![1, row[split], row[split + 1]]
    });
    let length = if way.big {
        (packed.len() as u32).to_be_bytes().to_vec()
    } else {
        (packed.len() as u16).to_be_bytes().to_vec()
    };
    (length.repeat(HEIGHT as usize), packed.repeat(HEIGHT as usize))
}

struct Layer {
    name: &'static str,
    divider: Option<u32>,
    colour: Option<[u8; 4]>,
}

fn record(way: Way, layer: &Layer) -> (Vec<u8>, Vec<u8>) {
    let mut body = Vec::new();
    let mut record = Vec::new();
    let (width, height) = if layer.colour.is_some() { (WIDTH, HEIGHT) } else { (0, 0) };
    for edge in [0, 0, height, width] {
        record.extend(edge.to_be_bytes());
    }
    let values: Vec<(i16, u8)> =
        layer.colour.map_or(Vec::new(), |[r, g, b, a]| vec![(-1, a), (0, r), (1, g), (2, b)]);
    record.extend((values.len() as u16).to_be_bytes());
    for (id, value) in values {
        let (lengths, rows) = channel(way, value);
        let packed = [&u16::from(way.runs).to_be_bytes()[..], &lengths, &rows].concat();
        record.extend(id.to_be_bytes());
        record.extend(long(way, packed.len()));
        body.extend(packed);
    }
    record.extend(b"8BIMnorm");
    record.extend([200, 0, 0, 0]);
    let mut extra = vec![0; 8];
    extra.push(1);
    extra.extend(b"x\0\0");
    let units: Vec<u8> = layer.name.encode_utf16().flat_map(u16::to_be_bytes).collect();
    let mut name = (layer.name.encode_utf16().count() as u32).to_be_bytes().to_vec();
    name.extend(&units);
    name.resize(name.len().next_multiple_of(4), 0);
    extra.extend(b"8BIMluni");
    extra.extend((name.len() as u32).to_be_bytes());
    extra.extend(name);
    if let Some(divider) = layer.divider {
        extra.extend(b"8BIMlsct\0\0\0\x04");
        extra.extend(divider.to_be_bytes());
    }
    record.extend((extra.len() as u32).to_be_bytes());
    record.extend(extra);
    (record, body)
}

fn psd(way: Way, composite: &[u8], layers: &[Layer]) -> Vec<u8> {
    let mut file = b"8BPS\0".to_vec();
    file.push(if way.big { 2 } else { 1 });
    file.extend([0; 6]);
    file.extend((composite.len() as u16).to_be_bytes());
    file.extend([HEIGHT, WIDTH].map(u32::to_be_bytes).concat());
    file.extend([way.depth, way.mode].map(u16::to_be_bytes).concat());
    file.extend([0; 8]);
    let (records, bodies): (Vec<_>, Vec<_>) = layers.iter().map(|layer| record(way, layer)).unzip();
    let mut info = (layers.len() as i16).to_be_bytes().to_vec();
    info.extend(records.concat());
    info.extend(bodies.concat());
    info.resize(info.len().next_multiple_of(2), 0);
    let section = [long(way, info.len()), info, vec![0; 4]].concat();
    file.extend(long(way, section.len()));
    file.extend(section);
    file.extend(u16::from(way.runs).to_be_bytes());
    let (lengths, rows): (Vec<_>, Vec<_>) =
        composite.iter().map(|value| channel(way, *value)).unzip();
    file.extend(lengths.concat());
    file.extend(rows.concat());
    file
}

fn ways() -> impl Iterator<Item = Way> {
    [false, true].into_iter().flat_map(|big| {
        [false, true].into_iter().flat_map(move |runs| {
            [8, 16].into_iter().map(move |depth| Way { big, depth, mode: 3, runs })
        })
    })
}

#[test]
fn the_composite_is_drawn_in_every_mode() {
    for way in ways() {
        // CMYK without ink is 255; L*a*b* has no colour at 128.
        for (mode, channels, seen) in [
            (3, &[200, 100, 50][..], [200, 100, 50]),
            (1, &[77], [77; 3]),
            (4, &[0, 255, 255, 255], [0, 255, 255]),
            (9, &[255, 128, 128], [255, 255, 255]),
        ] {
            let file = psd(Way { mode, ..way }, channels, &[]);
            let (basket, result) =
                try_draw(&file, &wish(&["original", "3"], Some(Format::Png)), &Limits::default());
            result.unwrap_or_else(|error| panic!("{mode} {}: {error}", way.depth));
            let found = basket.made[0].rgb(2, 2);
            assert!(near(found, seen, 2), "{mode} {} {found:?}", way.depth);
        }
    }
    let light = Way { big: false, depth: 32, mode: 3, runs: false };
    let (basket, result) =
        try_draw(&psd(light, &[255, 128, 0], &[]), &wish(&["original"], None), &Limits::default());
    result.expect("drawn");
    assert!(near(basket.made[0].rgb(1, 1), [240, 188, 0], 12), "{:?}", basket.made[0].rgb(1, 1));
}

fn layers() -> [Layer; 4] {
    [
        Layer { name: "back", divider: None, colour: Some([10, 20, 30, 255]) },
        Layer { name: "</Layer group>", divider: Some(3), colour: None },
        Layer { name: "Gr\u{fc}n", divider: None, colour: Some([0, 250, 0, 128]) },
        Layer { name: "group", divider: Some(1), colour: None },
    ]
}

#[test]
fn layers_form_a_tree_and_are_handed_out_one_by_one() {
    for way in ways() {
        let file = psd(way, &[200, 100, 50], &layers());
        let mut wish = wish(&["original"], None);
        wish.metadata.insert(MetadataKind::Psd);
        wish.options.extras.insert(Extra::Layers);
        let (basket, result) = try_draw(&file, &wish, &Limits::default());
        let psd = result.expect("drawn").metadata.remove("psd").expect("psd");
        assert_eq!(psd["mode"], "rgb");
        let shape = json!([
            psd["layers"][0]["name"],
            psd["layers"][0]["layers"][0]["name"],
            psd["layers"][1]["name"]
        ]);
        assert_eq!(shape, json!(["group", "Gr\u{fc}n", "back"]));
        assert_eq!(psd["layers"][1]["opacity"], 0.784);
        let layers: Vec<&Made> =
            basket.made.iter().filter(|made| made.role == Role::Layer).collect();
        assert_eq!(layers.iter().map(|made| made.page).collect::<Vec<_>>(), [1, 3]);
        let green = layers[1].image().to_rgba8().get_pixel(2, 2).0;
        assert_eq!(green, [0, 250, 0, 128]);
        assert_eq!(psd["layers"][0]["layers"][0]["id"], 3);
    }
}

#[test]
fn what_ends_early_or_lies_is_corrupt() {
    let way = Way { big: false, depth: 8, mode: 3, runs: true };
    let file = psd(way, &[200, 100, 50], &layers());
    for length in 30..file.len() {
        assert_eq!(failure(&file[..length], &wish(&["original"], None)), "corrupt", "{length}");
    }
    for at in 14..file.len() {
        let mut broken = file.clone();
        broken[at] ^= 0x41;
        let found = failure(&broken, &wish(&["original"], None));
        let known = ["none", "corrupt", "unsupported", "too_many_pixels", "renderer_memory"];
        assert!(known.contains(&found), "{at}: {found}");
    }
    let tight = Limits { pixels: 10, ..Limits::default() };
    let (_, result) = try_draw(&file, &wish(&["original"], None), &tight);
    assert_eq!(result.expect_err("too large").code().name(), "too_many_pixels");
}
