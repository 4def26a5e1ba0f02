//! The renderer as a worker meets it: a process of its own, behind walls, one job each.
#![allow(clippy::indexing_slicing, reason = "a test that slips fails, as it should")]

mod drawing;
mod pictures;
mod walls;

use std::io::Write;
use std::path::PathBuf;

use domain::limits::Limits;
use domain::size::Size;
use domain::wish::{Format, PreviewWish};
use enclave::{
    Artifact, Config, HandedOver, Pool, RenderError, RenderEvent, RenderJob, Rendered, Renderer,
    Sniffed,
};
use tokio::sync::mpsc;

const EVENTS: usize = 8;

fn config() -> Config {
    Config { running: 4, ..Config::of(PathBuf::from(env!("CARGO_BIN_EXE_darkroom-renderer"))) }
}

/// What came of one job.
#[derive(Debug)]
struct Outcome {
    result: Result<enclave::Outcome, RenderError>,
    sniffed: Option<Sniffed>,
    total: Option<u32>,
    artifacts: Vec<Artifact>,
}

impl Outcome {
    fn rendered(&self) -> &Rendered {
        match self.result.as_ref().expect("drawn") {
            enclave::Outcome::Rendered(rendered) => rendered,
            enclave::Outcome::HandedOver(to) => panic!("handed over: {to:?}"),
        }
    }

    fn handed_over(&self) -> &HandedOver {
        match self.result.as_ref().expect("handed over") {
            enclave::Outcome::HandedOver(to) => to,
            enclave::Outcome::Rendered(rendered) => panic!("drawn: {rendered:?}"),
        }
    }

    fn failure(&self) -> &'static str {
        match &self.result {
            Ok(_) => "none",
            Err(RenderError::Failed { code, .. }) => code.name(),
            Err(error) => panic!("not the file's fault: {error:?}"),
        }
    }

    fn bytes(&self, index: usize) -> Vec<u8> {
        bytes(&self.artifacts[index])
    }
}

fn bytes(artifact: &Artifact) -> Vec<u8> {
    use std::io::{Read, Seek};
    let mut file = &artifact.file;
    file.rewind().expect("rewound");
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).expect("read");
    bytes
}

fn spool(bytes: &[u8]) -> std::fs::File {
    let mut file = tempfile::tempfile().expect("a file");
    file.write_all(bytes).expect("written");
    file
}

fn wish(sizes: &[&str], format: Option<Format>) -> PreviewWish {
    let size = |text: &&str| Size::parse(&serde_json::Value::from(*text)).expect("a size");
    PreviewWish { sizes: sizes.iter().map(size).collect(), format, ..PreviewWish::default() }
}

async fn draw_with(pool: &Pool, source: &[u8], wish: PreviewWish, limits: Limits) -> Outcome {
    let job = RenderJob { wish, source_bytes: source.len() as u64, limits };
    let (events, mut heard) = mpsc::channel(EVENTS);
    let listen = async {
        let (mut sniffed, mut total, mut artifacts) = (None, None, Vec::new());
        while let Some(event) = heard.recv().await {
            match event {
                RenderEvent::Sniffed(it) => sniffed = Some(it),
                RenderEvent::Pages { total: it } => total = Some(it),
                RenderEvent::Artifact(it) => artifacts.push(it),
                RenderEvent::PageToRead(it) => panic!("a page to read: {it:?}"),
            }
        }
        (sniffed, total, artifacts)
    };
    let render = pool.render(Renderer::Light, job, Box::new(spool(source)), events);
    let (result, (sniffed, total, artifacts)) = tokio::join!(render, listen);
    Outcome { result, sniffed, total, artifacts }
}

async fn draw(pool: &Pool, source: &[u8], wish: PreviewWish) -> Outcome {
    draw_with(pool, source, wish, Limits::default()).await
}
