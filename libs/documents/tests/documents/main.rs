//! Documents, from bytes to pages and metadata, without walls around them.
#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test that slips fails, as it should"
)]

mod archives;
mod hostile;
mod mails;
mod office;
mod texts;

use std::io;
use std::sync::OnceLock;

use domain::limits::Limits;
use domain::size::Size;
use domain::wish::{Format, MetadataKind, Pages, PreviewWish};
use filetype::Filetype;
use image::RgbImage;
use serde_json::Value;
use stills::{Drawn, Easel, Error, Sink, Source};

/// Where Debian puts the fonts that this project names in `.config/debian.txt`.
const FONTS: &[&str] = &[
    "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf",
    "/usr/share/fonts/truetype/dejavu/DejaVuSans-Bold.ttf",
    "/usr/share/fonts/truetype/dejavu/DejaVuSansMono.ttf",
    "/usr/share/fonts/truetype/dejavu/DejaVuSansMono-Bold.ttf",
    "/usr/share/fonts/truetype/liberation/LiberationSans-Regular.ttf",
    "/usr/share/fonts/truetype/liberation/LiberationSans-Bold.ttf",
    "/usr/share/fonts/truetype/liberation/LiberationSerif-Regular.ttf",
    "/usr/share/fonts-droid-fallback/truetype/DroidSansFallback.ttf",
];

fn fonts() -> &'static [&'static [u8]] {
    static READ: OnceLock<Vec<&'static [u8]>> = OnceLock::new();
    READ.get_or_init(|| {
        FONTS.iter().map(|path| &*std::fs::read(path).expect(path).leak()).collect()
    })
}

struct Bytes<'a>(&'a [u8]);

impl Source for Bytes<'_> {
    fn length(&self) -> u64 {
        self.0.len() as u64
    }

    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let from = usize::try_from(offset).unwrap_or(usize::MAX);
        let rest = self.0.get(from..).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }
}

#[derive(Debug, Default, PartialEq)]
struct Shown {
    total: u32,
    pages: Vec<(u32, Vec<u8>)>,
    /// Pages whose text is to be read off them.
    to_read: Vec<u32>,
}

impl Sink for Shown {
    fn pages(&mut self, total: u32) -> io::Result<()> {
        self.total = total;
        Ok(())
    }

    fn artifact(&mut self, made: &stills::Made<'_>) -> io::Result<()> {
        self.pages.push((made.page, made.bytes.to_vec()));
        Ok(())
    }

    fn ocr_page(&mut self, page: u32, _dimensions: (u32, u32), _png: &[u8]) -> io::Result<()> {
        self.to_read.push(page);
        Ok(())
    }
}

impl Shown {
    fn page(&self, number: u32) -> RgbImage {
        let (_, bytes) = self.pages.iter().find(|(page, _)| *page == number).expect("the page");
        image::load_from_memory(bytes).expect("a picture").to_rgb8()
    }
}

/// What the bytes are, with all of them at hand.
fn sniff(bytes: &[u8]) -> Filetype {
    let mut source = Bytes(bytes);
    filetype::identify(bytes.len() as u64, |at, buffer| source.read_at(at, buffer)).unwrap()
}

struct Job {
    wish: PreviewWish,
    limits: Limits,
    fonts: &'static [&'static [u8]],
}

impl Job {
    fn new() -> Self {
        let wish = PreviewWish {
            format: Some(Format::Png),
            metadata: MetadataKind::ALL.into_iter().collect(),
            ..PreviewWish::default()
        };
        Self { wish, limits: Limits::default(), fonts: fonts() }
    }

    fn pages(mut self, pages: &str) -> Self {
        self.wish.pages = Pages::parse(pages).unwrap();
        self
    }

    fn size(mut self, size: &str) -> Self {
        self.wish.sizes = vec![Size::parse(&Value::from(size)).unwrap()];
        self
    }

    fn run(&self, bytes: &[u8]) -> Result<(Shown, Drawn), Error> {
        self.run_as(&sniff(bytes), bytes)
    }

    fn run_as(&self, filetype: &Filetype, bytes: &[u8]) -> Result<(Shown, Drawn), Error> {
        let mut shown = Shown::default();
        let easel = Easel::new(&self.wish, &self.limits, &mut shown);
        let drawn = documents::draw(filetype, &mut Bytes(bytes), easel, self.fonts)?;
        Ok((shown, drawn))
    }
}

/// Draws the first page; what is told under one name.
fn first(bytes: &[u8], told: &str) -> (RgbImage, Value) {
    let (shown, drawn) = Job::new().run(bytes).expect("a document that can be drawn");
    (shown.page(1), drawn.metadata.get(told).cloned().expect(told))
}

/// How many pixels are dark, within a part of the page: left, top, right, bottom in hundredths.
fn ink(page: &RgbImage, (left, top, right, bottom): (u32, u32, u32, u32)) -> usize {
    let (width, height) = page.dimensions();
    let inside = |x: u32, y: u32| {
        (width * left / 100..width * right / 100).contains(&x)
            && (height * top / 100..height * bottom / 100).contains(&y)
    };
    page.enumerate_pixels()
        .filter(|(x, y, pixel)| inside(*x, *y) && pixel.0.iter().any(|channel| *channel < 150))
        .count()
}

const ALL: (u32, u32, u32, u32) = (0, 0, 100, 100);
