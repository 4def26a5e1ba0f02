//! Still pictures, from bytes to renditions, without walls around them.
#![allow(clippy::indexing_slicing, reason = "a test that slips fails, as it should")]

mod cameras;
mod colours;
mod formats;
mod hostile;
mod layered;
mod moving;
mod output;
mod pages;
mod shapes;
mod tags;
mod tiffs;

use std::io::{self, Cursor};

use domain::job::Role;
use domain::limits::Limits;
use domain::size::Size;
use domain::wish::{Format, PreviewWish};
use filetype::Filetype;
use image::{DynamicImage, ImageFormat, Rgb, RgbImage};
use stills::{Drawn, Easel, Error, Sink, Source, draw, draws};

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

#[derive(Debug, PartialEq)]
struct Made {
    role: Role,
    page: u32,
    size_index: u32,
    dimensions: (u32, u32),
    original: (u32, u32),
    format: Format,
    bytes: Vec<u8>,
}

impl Made {
    fn image(&self) -> DynamicImage {
        let image = image::load_from_memory(&self.bytes).expect("a picture");
        assert_eq!((image.width(), image.height()), self.dimensions);
        image
    }

    fn rgb(&self, x: u32, y: u32) -> [u8; 3] {
        self.image().to_rgb8().get_pixel(x, y).0
    }
}

#[derive(Debug, Default, PartialEq)]
struct Basket {
    total: Option<u32>,
    made: Vec<Made>,
}

impl Sink for Basket {
    fn pages(&mut self, total: u32) -> io::Result<()> {
        self.total = Some(total);
        Ok(())
    }

    fn artifact(&mut self, it: &stills::Made<'_>) -> io::Result<()> {
        self.made.push(Made {
            role: it.role,
            page: it.page,
            size_index: it.size_index,
            dimensions: it.dimensions,
            original: it.original,
            format: it.format,
            bytes: it.bytes.to_vec(),
        });
        Ok(())
    }
}

fn wish(sizes: &[&str], format: Option<Format>) -> PreviewWish {
    let size = |text: &&str| Size::parse(&serde_json::Value::from(*text)).expect("a size");
    PreviewWish { sizes: sizes.iter().map(size).collect(), format, ..PreviewWish::default() }
}

/// Sniffs and draws, as a renderer does.
fn try_draw(bytes: &[u8], wish: &PreviewWish, limits: &Limits) -> (Basket, Result<Drawn, Error>) {
    draw_as(&filetype::sniff(bytes), bytes, wish, limits)
}

fn draw_as(
    filetype: &Filetype,
    bytes: &[u8],
    wish: &PreviewWish,
    limits: &Limits,
) -> (Basket, Result<Drawn, Error>) {
    let mut basket = Basket::default();
    if bytes.is_empty() {
        return (basket, Err(Error::Empty));
    }
    if !draws(filetype.kind) {
        return (basket, Err(Error::Unsupported { what: filetype.media_type.to_owned() }));
    }
    let result = draw(filetype, &mut Bytes(bytes), Easel::new(wish, limits, &mut basket));
    (basket, result)
}

fn drawn(bytes: &[u8], wish: &PreviewWish) -> Basket {
    let (basket, result) = try_draw(bytes, wish, &Limits::default());
    result.expect("drawn");
    basket
}

fn failure(bytes: &[u8], wish: &PreviewWish) -> &'static str {
    let (_, result) = try_draw(bytes, wish, &Limits::default());
    result.map_or_else(|error| error.code().name(), |_| "none")
}

fn photo(width: u32, height: u32) -> DynamicImage {
    DynamicImage::ImageRgb8(RgbImage::from_fn(width, height, |x, y| {
        let wave = ((x / 7) ^ (y / 5)) & 31;
        Rgb([(x * 255 / width) as u8, (y * 255 / height) as u8, (wave * 8) as u8])
    }))
}

fn encoded(image: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image.write_to(&mut bytes, format).expect("encoded");
    bytes.into_inner()
}

const FORMATS: [ImageFormat; 6] = [
    ImageFormat::Jpeg,
    ImageFormat::Png,
    ImageFormat::Gif,
    ImageFormat::WebP,
    ImageFormat::Tiff,
    ImageFormat::Bmp,
];

/// A segment put right behind a JPEG's first two bytes.
fn with_segment(jpeg: &[u8], kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len() + 2).expect("short").to_be_bytes();
    [&jpeg[..2], &[0xff, kind], &length, body, &jpeg[2..]].concat()
}

fn near(found: [u8; 3], expected: [u8; 3], most: u8) -> bool {
    found.iter().zip(expected).all(|(a, b)| a.abs_diff(b) <= most)
}
