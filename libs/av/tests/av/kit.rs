//! Sources that count, sinks that keep, wishes in one line.

use std::collections::BTreeMap;
use std::io;

use domain::job::Role;
use domain::limits::Limits;
use domain::size::Size;
use domain::wish::{Extra, Format, MetadataKind, Moment, Pages, PreviewWish};
use serde_json::Value;
use stills::{Drawn, Easel, Error, Made, Sink, Source};

/// Bytes that count how many of them are read.
pub(crate) struct Counted<'a> {
    bytes: &'a [u8],
    pub(crate) read: u64,
}

impl Source for Counted<'_> {
    fn length(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let from = usize::try_from(offset).unwrap_or(usize::MAX).min(self.bytes.len());
        let rest = &self.bytes[from..];
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        self.read += count as u64;
        Ok(count)
    }
}

/// One artifact, kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Kept {
    pub(crate) role: Role,
    pub(crate) page: u32,
    pub(crate) dimensions: (u32, u32),
    pub(crate) original: (u32, u32),
    pub(crate) format: Format,
    pub(crate) bytes: Vec<u8>,
}

#[derive(Default)]
struct Keep {
    pages: u32,
    kept: Vec<Kept>,
}

impl Sink for Keep {
    fn pages(&mut self, total: u32) -> io::Result<()> {
        self.pages = total;
        Ok(())
    }

    fn artifact(&mut self, made: &Made<'_>) -> io::Result<()> {
        self.kept.push(Kept {
            role: made.role,
            page: made.page,
            dimensions: made.dimensions,
            original: made.original,
            format: made.format,
            bytes: made.bytes.to_vec(),
        });
        Ok(())
    }
}

/// What came of a job.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) pages: u32,
    pub(crate) kept: Vec<Kept>,
    pub(crate) metadata: serde_json::Map<String, Value>,
    pub(crate) engines: BTreeMap<String, String>,
    pub(crate) read: u64,
}

impl Outcome {
    pub(crate) fn of(&self, role: Role) -> &Kept {
        self.kept.iter().find(|kept| kept.role == role).expect("an artifact of that role")
    }

    /// The first rendition's pixels; it must be a PNG.
    pub(crate) fn pixels(&self, index: usize) -> Pixels {
        Pixels::of(&self.kept[index].bytes)
    }

    pub(crate) fn multimedia(&self) -> &Value {
        &self.metadata["multimedia"]
    }
}

/// RGB pixels.
#[derive(Debug, Clone)]
pub(crate) struct Pixels {
    pub(crate) width: usize,
    pub(crate) height: usize,
    pub(crate) rgb: Vec<u8>,
}

impl Pixels {
    /// Of any picture, by the `ffmpeg` program: an independent eye.
    pub(crate) fn of(picture: &[u8]) -> Self {
        crate::made::pixels(picture, None)
    }

    /// The mean colour of the part between these shares of width and height.
    pub(crate) fn mean(&self, x: (f64, f64), y: (f64, f64)) -> [f64; 3] {
        let span = |share: (f64, f64), edge: usize| {
            let at = |share: f64| (share * edge as f64) as usize;
            at(share.0)..at(share.1).max(at(share.0) + 1).min(edge)
        };
        let mut sum = [0.0; 3];
        let mut count = 0.0;
        for y in span(y, self.height) {
            for x in span(x, self.width) {
                for (sum, channel) in sum.iter_mut().zip(&self.rgb[(y * self.width + x) * 3..]) {
                    *sum += f64::from(*channel);
                }
                count += 1.0;
            }
        }
        sum.map(|sum| sum / count)
    }

    /// The mean difference of channels.
    pub(crate) fn difference(&self, other: &Self) -> f64 {
        assert_eq!((self.width, self.height), (other.width, other.height));
        let sum: u64 =
            self.rgb.iter().zip(&other.rgb).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
        sum as f64 / self.rgb.len() as f64
    }
}

/// A wish for one PNG of that size.
pub(crate) fn wish(size: &str) -> PreviewWish {
    PreviewWish {
        sizes: vec![Size::parse(&Value::from(size)).expect("a size")],
        format: Some(Format::Png),
        ..PreviewWish::default()
    }
}

/// A wish for the frames at these moments, original size.
pub(crate) fn at(moments: &[&str]) -> PreviewWish {
    let mut wish = wish("original");
    wish.pages = Pages::parse("all").expect("pages");
    wish.options.at =
        moments.iter().map(|moment| Moment::parse(moment).expect("a moment")).collect();
    wish
}

/// A wish for metadata beside a small picture.
pub(crate) fn told() -> PreviewWish {
    let mut wish = wish("64");
    wish.metadata = [MetadataKind::Multimedia].into();
    wish
}

/// What is told of a file but for what depends on how much of it was read.
pub(crate) fn core(multimedia: &Value) -> Value {
    const GUESSED: [&str; 2] = ["bit_rate", "has_b_frames"];
    let mut core = multimedia.clone();
    for stream in core["streams"].as_array_mut().expect("streams") {
        let stream = stream.as_object_mut().expect("a stream");
        stream.retain(|name, _| !GUESSED.contains(&name.as_str()));
    }
    core
}

/// A wish for metadata and no picture at all.
pub(crate) fn told_alone() -> PreviewWish {
    PreviewWish { sizes: Vec::new(), ..told() }
}

/// A wish for an extra beside a small picture.
pub(crate) fn extra(extra: Extra) -> PreviewWish {
    let mut wish = wish("64");
    wish.options.extras = [extra].into();
    wish
}

/// Draws it as what it is sniffed to be.
pub(crate) fn draw(bytes: &[u8], wish: &PreviewWish) -> Result<Outcome, Error> {
    draw_within(bytes, wish, &Limits::default())
}

pub(crate) fn draw_within(
    bytes: &[u8],
    wish: &PreviewWish,
    limits: &Limits,
) -> Result<Outcome, Error> {
    let filetype = filetype::sniff(&bytes[..bytes.len().min(filetype::HEAD_BYTES)]);
    draw_as(&filetype, bytes, wish, limits)
}

pub(crate) fn draw_as(
    filetype: &filetype::Filetype,
    bytes: &[u8],
    wish: &PreviewWish,
    limits: &Limits,
) -> Result<Outcome, Error> {
    av::prepare();
    let mut source = Counted { bytes, read: 0 };
    let mut keep = Keep::default();
    let easel = Easel::new(wish, limits, &mut keep).with_avif(av::encode_avif);
    let Drawn { metadata, engines } = av::draw(filetype, &mut source, easel)?;
    let read = source.read;
    Ok(Outcome { pages: keep.pages, kept: keep.kept, metadata, engines, read })
}
