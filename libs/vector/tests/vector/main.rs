//! Drawings without pixels of their own, from bytes to renditions, without walls around them.
#![allow(clippy::indexing_slicing, reason = "a test that slips fails, as it should")]

mod crypt;
mod paper;
mod pdf;
mod pdf_hostile;
mod sketch;
mod svg;
mod svg_hostile;

use std::io;

use domain::limits::Limits;
use domain::size::Size;
use domain::wish::{Format, MetadataKind, Pages, PreviewWish};
use filetype::{Filetype, Kind};
use image::RgbaImage;
use serde_json::{Value, json};
use stills::{Drawn, Easel, Error, Sink, Source};

struct Bytes<'a>(&'a [u8]);

impl Source for Bytes<'_> {
    fn length(&self) -> u64 {
        self.0.len() as u64
    }

    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let rest = self.0.get(offset as usize..).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }
}

/// A rendition, decoded again.
#[derive(Debug, PartialEq)]
struct Made {
    page: u32,
    dimensions: (u32, u32),
    original: (u32, u32),
    format: Format,
    bytes: Vec<u8>,
}

impl Made {
    fn image(&self) -> RgbaImage {
        let image = image::load_from_memory(&self.bytes).expect("a picture").to_rgba8();
        assert_eq!(image.dimensions(), self.dimensions);
        image
    }

    fn at(&self, x: u32, y: u32) -> [u8; 4] {
        self.image().get_pixel(x, y).0
    }
}

#[derive(Debug, Default, PartialEq)]
struct Basket {
    total: Option<u32>,
    made: Vec<Made>,
    /// Pages whose text is to be read off their picture.
    to_read: Vec<u32>,
}

impl Sink for Basket {
    fn pages(&mut self, total: u32) -> io::Result<()> {
        self.total = Some(total);
        Ok(())
    }

    fn artifact(&mut self, it: &stills::Made<'_>) -> io::Result<()> {
        self.made.push(Made {
            page: it.page,
            dimensions: it.dimensions,
            original: it.original,
            format: it.format,
            bytes: it.bytes.to_vec(),
        });
        Ok(())
    }

    fn ocr_page(&mut self, page: u32, _dimensions: (u32, u32), _png: &[u8]) -> io::Result<()> {
        self.to_read.push(page);
        Ok(())
    }
}

/// A job, with what it is to be done with.
struct Job {
    kind: Kind,
    wish: PreviewWish,
    limits: Limits,
    fonts: Vec<&'static [u8]>,
}

impl Job {
    fn of(kind: Kind) -> Self {
        let wish = PreviewWish { format: Some(Format::Png), ..PreviewWish::default() };
        Self { kind, wish, limits: Limits::default(), fonts: Vec::new() }
    }

    fn pdf() -> Self {
        Self::of(Kind::Pdf)
    }

    fn svg() -> Self {
        Self::of(Kind::Svg)
    }

    fn pages(mut self, pages: &str) -> Self {
        self.wish.pages = Pages::parse(pages).expect("pages");
        self
    }

    fn sizes(mut self, sizes: &[Value]) -> Self {
        self.wish.sizes = sizes.iter().map(|size| Size::parse(size).expect("a size")).collect();
        self
    }

    fn metadata(mut self, kinds: &[MetadataKind]) -> Self {
        self.wish.metadata = kinds.iter().copied().collect();
        self
    }

    fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    fn font(mut self, path: &str) -> Self {
        let bytes = std::fs::read(path).unwrap_or_else(|error| panic!("{path}: {error}"));
        self.fonts.push(Vec::leak(bytes));
        self
    }

    fn draw(&self, bytes: &[u8]) -> Result<(Basket, Drawn), Error> {
        let filetype = Filetype { kind: self.kind, ..filetype::sniff(bytes) };
        let mut basket = Basket::default();
        let easel = Easel::new(&self.wish, &self.limits, &mut basket);
        let drawn = vector::draw(&filetype, &mut Bytes(bytes), easel, &self.fonts)?;
        Ok((basket, drawn))
    }

    /// The first rendition.
    fn picture(&self, bytes: &[u8]) -> Made {
        let (basket, _) = self.draw(bytes).expect("a drawing");
        basket.made.into_iter().next().expect("a rendition")
    }

    fn told(&self, bytes: &[u8], kind: MetadataKind) -> Value {
        let (_, drawn) = self.draw(bytes).expect("a drawing");
        drawn.metadata[kind.name()].clone()
    }

    /// The code that it fails with.
    fn failure(&self, bytes: &[u8]) -> String {
        match self.draw(bytes) {
            Ok(_) => "none".to_owned(),
            Err(error) => error.code().to_string(),
        }
    }
}

fn wide(width: u32) -> Value {
    json!(width.to_string())
}

#[test]
fn only_drawings_are_taken() {
    assert!(vector::draws(Kind::Pdf) && vector::draws(Kind::Svg) && vector::draws(Kind::Sketch));
    assert!(!vector::draws(Kind::Jpeg) && !vector::draws(Kind::Office));
    assert_eq!(Job::of(Kind::Jpeg).failure(b"\xff\xd8\xff"), "unsupported");
}
