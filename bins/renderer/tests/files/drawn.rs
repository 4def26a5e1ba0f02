//! Every real file yields what its line of the list says, and looks as others draw it.

use std::collections::BTreeMap;
use std::fs::File;
use std::sync::Arc;

use domain::limits::Limits;
use domain::wish::{Format, Moment, PreviewWish};
use enclave::Stage;
use futures::StreamExt;
use image::RgbImage;

use crate::corpus::{self, Entry, Expected, ROWS};
use crate::hostile::Body;
use crate::jobs::{self, Drawn, End, Picture, Renderers};
use crate::{peers, told};

/// Rows whose files the renderers hand on, and to whom.
const HANDED_ON: &[(&str, Stage)] = &[("html", Stage::Browser), ("office", Stage::Office)];

const AT_ONCE: usize = 3;
/// Edges of what is drawn for comparison, in pixels.
const SIZE: &str = "160";
/// The mean difference of a channel that is no difference to the eye, of 255.
pub(crate) const NEAR: f64 = 6.0;
/// The same for files that peers see differently, within reason.
const FAR: f64 = 40.0;

/// What a refusal of a damaged file may say.
const REFUSALS: &[&str] =
    &["corrupt", "unsupported", "too_many_pixels", "source_empty", "expands_too_much", "too_long"];

/// How EXIF, XMP and IPTC begin in the formats of pictures.
const METADATA: &[&[u8]] = &[
    b"Exif\0\0",
    b"EXIF",
    b"eXIf",
    b"http://ns.adobe.com/xap/1.0/",
    b"XMP DataXMP",
    b"XML:com.adobe.xmp",
    b"<x:xmpmeta",
    b"Photoshop 3.0\0",
];

fn tells_of_its_source(picture: &[u8]) -> bool {
    METADATA.iter().any(|mark| picture.windows(mark.len()).any(|bytes| bytes == *mark))
}

fn faults(entry: &Entry, drawn: &Drawn) -> Vec<String> {
    let mut faults = Vec::new();
    let mut check = |fine: bool, what: String| {
        if !fine {
            faults.push(what);
        }
    };
    let code = drawn.code();
    let typed = matches!(drawn.end, End::HandedOver(_)) || REFUSALS.contains(&code);
    let handed_on = HANDED_ON.iter().find(|(row, _)| *row == entry.row).map(|(_, to)| *to);
    match &entry.expected {
        Expected::Drawn { .. } if handed_on.is_some() => {
            let fine = matches!(drawn.end, End::HandedOver(to) if Some(to) == handed_on);
            check(fine, format!("{:?}", drawn.end));
        }
        Expected::Damaged => check(code == "none" || typed, format!("{:?}", drawn.end)),
        Expected::Locked => check(code == "encrypted", format!("{:?}", drawn.end)),
        Expected::Refused => check(code == "unsupported", format!("now {code}: mend the line")),
        Expected::Drawn { .. } => check(code == "none", format!("{:?}", drawn.end)),
    }
    let mut pictures = drawn.pictures.iter();
    check(
        !pictures.any(|picture| tells_of_its_source(&picture.bytes)),
        "a picture with its source's metadata".to_owned(),
    );
    if let Some(sniffed) = &drawn.sniffed {
        let media_type = &sniffed.media_type;
        check(*media_type == entry.media_type, format!("sniffed as {media_type}"));
    }
    if let (Expected::Drawn { dimensions, pages }, "none") = (&entry.expected, code) {
        let first = drawn.pictures.first();
        check(first.is_some(), "no picture".to_owned());
        if let (Some(expected), Some(first)) = (dimensions, first) {
            check(first.original == *expected, format!("{:?}, not {expected:?}", first.original));
        }
        if let Some(pages) = pages {
            check(drawn.pages == Some(*pages), format!("{:?} pages, not {pages}", drawn.pages));
        }
    }
    if let (Expected::Drawn { .. }, End::Rendered(rendered)) = (&entry.expected, &drawn.end) {
        faults.extend(told::faults(entry, drawn, rendered));
    }
    faults
}

/// The mean difference of two pictures' channels, both a little blurred.
pub(crate) fn difference(one: &RgbImage, other: &RgbImage) -> f64 {
    let blurred = |picture: &RgbImage| image::imageops::blur(picture, 1.0);
    let (one, other) = (blurred(one), blurred(other));
    let channels = one.as_raw().iter().zip(other.as_raw());
    let sum: u64 = channels.map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
    sum as f64 / one.as_raw().len().max(1) as f64
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_real_file_yields_what_is_expected_of_it() {
    let only = std::env::var("DARKROOM_CORPUS").unwrap_or_default();
    assert!(HANDED_ON.iter().all(|(row, _)| ROWS.contains(row)), "a row that does not exist");
    let entries: Vec<Entry> = corpus::read()
        .into_iter()
        .filter(|entry| entry.path.contains(&only) || entry.row == only)
        .collect();
    let renderers = Renderers::start("corpus", AT_ONCE);
    let pool = &renderers.pool;
    let answers: Vec<(Entry, Drawn)> = futures::stream::iter(entries)
        .map(|entry| async move {
            let file = File::open(entry.file()).expect("opened");
            let length = file.metadata().expect("known").len();
            let mut wish = jobs::wish(SIZE, "1");
            if entry.row == "video" {
                // The frame that everybody finds.
                wish.options.at = vec![Moment::parse("0").expect("a moment")];
            }
            let drawn = jobs::draw(pool, Arc::new(file), length, wish, Limits::default()).await;
            (entry, drawn)
        })
        .buffered(AT_ONCE)
        .collect()
        .await;

    let mut wrong = Vec::new();
    let mut rows: BTreeMap<&str, [usize; 2]> = BTreeMap::new();
    let mut pictures = Vec::new();
    for (entry, drawn) in &answers {
        rows.entry(&entry.row).or_default()[usize::from(drawn.code() == "none")] += 1;
        let faults = faults(entry, drawn);
        if !faults.is_empty() {
            wrong.push(format!("{}: {}", entry.path, faults.join("; ")));
        }
        let comparable = peers::has_one(entry, drawn);
        if let (Some(first), "none", true) = (drawn.pictures.first(), drawn.code(), comparable) {
            let picture = image::load_from_memory(&first.bytes).expect("a picture").to_rgba8();
            pictures.push((entry, peers::on_white(&picture)));
        }
    }
    println!("refused or handed on, drawn: {rows:?}");
    wrong.extend(compare(&pictures));
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

fn compare(pictures: &[(&Entry, RgbImage)]) -> Vec<String> {
    let wanted: Vec<_> =
        pictures.iter().map(|(entry, picture)| (*entry, picture.dimensions())).collect();
    let others = peers::draw(&wanted);
    let mut wrong = Vec::new();
    let mut compared = 0;
    let cannot: BTreeMap<_, _> = peers::CANNOT.iter().copied().collect();
    for (entry, picture) in pictures {
        let Some(other) = others.get(&entry.path) else {
            match cannot.get(&*entry.path) {
                Some(why) => println!("{} is not compared: {why}", entry.path),
                None => wrong.push(format!("{}: its peer does not draw it", entry.path)),
            }
            continue;
        };
        compared += 1;
        let found = difference(picture, other);
        if found > if entry.far { FAR } else { NEAR } {
            wrong.push(format!("{}: differs by {found:.1}", entry.path));
            keep(entry, picture, other);
        }
    }
    println!("{compared} of {} compared with a peer's", pictures.len());
    wrong
}

/// Where a person can look at what differs.
pub(crate) fn keep(entry: &Entry, picture: &RgbImage, other: &RgbImage) {
    let Ok(folder) = std::env::var("DARKROOM_CORPUS_KEEP") else { return };
    let name = entry.path.replace('/', "_");
    for (what, picture) in [("ours", picture), ("theirs", other)] {
        let path = std::path::Path::new(&folder).join(format!("{name}.{what}.png"));
        picture.save(path).expect("kept");
    }
}

/// The smallest drawn file of every row that the renderers draw themselves.
fn one_of_each_row() -> Vec<Entry> {
    let mut smallest: BTreeMap<String, (u64, Entry)> = BTreeMap::new();
    for entry in corpus::read() {
        let handed_on = HANDED_ON.iter().any(|(row, _)| *row == entry.row);
        if handed_on || !matches!(entry.expected, Expected::Drawn { .. }) {
            continue;
        }
        let bytes = entry.file().metadata().expect("known").len();
        let found = smallest.entry(entry.row.clone()).or_insert((bytes, entry.clone()));
        if bytes < found.0 {
            *found = (bytes, entry);
        }
    }
    smallest.into_values().map(|(_, entry)| entry).collect()
}

/// The first page in a format of pictures.
async fn first_page(renderers: &Renderers, entry: &Entry, format: Format) -> Result<Picture, End> {
    let file = File::open(entry.file()).expect("opened");
    let length = file.metadata().expect("known").len();
    let wish = PreviewWish { format: Some(format), ..jobs::wish(SIZE, "1") };
    let drawn = jobs::draw(&renderers.pool, Arc::new(file), length, wish, Limits::default()).await;
    drawn.pictures.into_iter().next().ok_or(drawn.end)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_of_every_row_is_drawn_in_every_format() {
    let renderers = &Renderers::start("formats", AT_ONCE);
    let entries = one_of_each_row();
    assert_eq!(entries.len() + HANDED_ON.len(), ROWS.len(), "a row without a file");
    let cases = entries.iter().flat_map(|entry| Format::PICTURES.map(|format| (entry, format)));
    let wrong: Vec<String> = futures::stream::iter(cases)
        .map(|(entry, format)| async move {
            let wrong = |what: String| Some(format!("{} as {format:?}: {what}", entry.path));
            let picture = match first_page(renderers, entry, format).await {
                Ok(picture) => picture,
                Err(end) => return wrong(format!("{end:?}")),
            };
            let (length, dimensions) = (picture.bytes.len() as u64, picture.dimensions);
            let body = Body::from(picture.bytes);
            let found = filetype::sniff(&body.head).media_type;
            if picture.format != format || found != format.media_type() {
                return wrong(format!("{:?}, {found}", picture.format));
            }
            // Read back by the renderers, which alone read all of them.
            let wish = jobs::wish("original", "1");
            let pool = &renderers.pool;
            let read = jobs::draw(pool, Arc::new(body), length, wish, Limits::default()).await;
            let read_dimensions = read.pictures.first().map(|read| read.dimensions);
            (read_dimensions != Some(dimensions))
                .then(|| wrong(format!("{read_dimensions:?}, not {dimensions:?}")))
                .flatten()
        })
        .buffer_unordered(AT_ONCE)
        .filter_map(|wrong| async { wrong })
        .collect()
        .await;
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}
