//! Draws the pages of files into PNGs and prints what is told of them.
use std::io::Write;
use std::os::unix::fs::FileExt;

use domain::limits::Limits;
use domain::wish::{Format, MetadataKind, Pages, PreviewWish};
use stills::{Easel, Made, Sink, Source};

struct File(std::fs::File, u64);

impl Source for File {
    fn length(&self) -> u64 {
        self.1
    }

    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> std::io::Result<usize> {
        let mut done = 0;
        while done < buffer.len() {
            match self.0.read_at(&mut buffer[done..], offset + done as u64)? {
                0 => break,
                n => done += n,
            }
        }
        Ok(done)
    }
}

struct Out(String);

impl Sink for Out {
    fn pages(&mut self, total: u32) -> std::io::Result<()> {
        writeln!(std::io::stdout(), "{} pages", total)
    }

    fn artifact(&mut self, made: &Made<'_>) -> std::io::Result<()> {
        let path = format!("{}-{}.{}", self.0, made.page, made.format.extension());
        std::fs::write(path, made.bytes)
    }
}

fn main() {
    let mut args = std::env::args().skip(1);
    let fonts: Vec<&'static [u8]> = [
        "/usr/share/fonts/truetype/dejavu",
        "/usr/share/fonts/truetype/liberation",
        "/usr/share/fonts-droid-fallback/truetype",
    ]
    .iter()
    .flat_map(|folder| std::fs::read_dir(folder).into_iter().flatten())
    .map(|entry| entry.unwrap().path())
    .filter(|path| {
        !path.to_string_lossy().contains("Condensed") && !path.to_string_lossy().contains("MathTeX")
    })
    .map(|path| &*std::fs::read(path).unwrap().leak())
    .collect();
    let folder = args.next().unwrap();
    let pages = args.next().unwrap();
    for path in args {
        let file = std::fs::File::open(&path).unwrap();
        let length = file.metadata().unwrap().len();
        let found = filetype::identify(length, |at, buffer| file.read_at(buffer, at)).unwrap();
        let wish = PreviewWish {
            format: Some(Format::Png),
            pages: Pages::parse(&pages).unwrap(),
            metadata: MetadataKind::ALL.into_iter().collect(),
            ..PreviewWish::default()
        };
        let limits = Limits::default();
        let name = path.rsplit('/').next().unwrap();
        let mut out = Out(format!("{folder}/{name}"));
        let easel = Easel::new(&wish, &limits, &mut out);
        let start = std::time::Instant::now();
        let mut source = File(file, length);
        let told = if found.kind == filetype::Kind::Office {
            let told = documents::office(&found, &mut source, &limits);
            let thumb = documents::office_thumbnail(&found, &mut source, &limits)
                .map(|thumb| thumb.map(|t| t.len()));
            format!("{told:?} {thumb:?}")
        } else {
            match documents::draw(&found, &mut source, easel, &fonts) {
                Ok(drawn) => serde_json::to_string(&drawn.metadata).unwrap(),
                Err(error) => format!("error: {error}"),
            }
        };
        let told: String = told.chars().take(700).collect();
        writeln!(std::io::stdout(), "{path} {} {:?}\n  {told}", found.media_type, start.elapsed())
            .unwrap();
    }
}
