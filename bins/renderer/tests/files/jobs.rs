//! One file through the renderers, as a worker would have it drawn.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use domain::FailureCode;
use domain::limits::Limits;
use domain::size::Size;
use domain::wish::{Format, MetadataKind, Pages, PreviewWish};
use enclave::{
    Artifact, Config, Outcome, Pool, RangeSource, RenderError, RenderEvent, RenderJob, Rendered,
    Renderer, Sniffed, Stage,
};
use tokio::sync::mpsc;

const EVENTS: usize = 8;
const FONTS: [&str; 2] = [
    "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf",
    "/usr/share/fonts/truetype/liberation/LiberationSans-Regular.ttf",
];

/// Renderers under a name of their own, so that their processes can be told from others'.
pub(crate) struct Renderers {
    pub(crate) pool: Pool,
    /// Names of their processes.
    pub(crate) names: Vec<String>,
    _links: tempfile::TempDir,
}

impl Renderers {
    /// Starts those that there are; `name` has at most eight letters.
    pub(crate) fn start(name: &str, running: usize) -> Self {
        let light = PathBuf::from(env!("CARGO_BIN_EXE_darkroom-renderer"));
        let av = light.with_file_name(Config::AV_EXECUTABLE);
        assert!(
            av.is_file() || !crate::corpus::root().join("bins/renderer-av").is_dir(),
            "build it first: cargo build -p renderer-av"
        );
        let links = tempfile::tempdir().expect("a folder");
        let link = |executable: &Path, ending: &str| {
            let linked = links.path().join(format!("{name}{ending}"));
            std::os::unix::fs::symlink(executable, &linked).expect("a link");
            linked
        };
        let config = Config {
            executable: link(&light, "-light"),
            av_executable: av.is_file().then(|| link(&av, "-av")),
            ready: running,
            running,
            fonts: FONTS.map(PathBuf::from).to_vec(),
        };
        let pool = Pool::start(&config).expect("renderers");
        Self { pool, names: vec![format!("{name}-light"), format!("{name}-av")], _links: links }
    }
}

/// How a job ended.
#[derive(Debug)]
pub(crate) enum End {
    Rendered(Box<Rendered>),
    /// Somebody who is not tested here has to go on.
    HandedOver(Stage),
    Failed(FailureCode, String),
    /// Not the file's fault.
    Trouble(RenderError),
}

/// A rendition.
#[derive(Debug)]
pub(crate) struct Picture {
    pub(crate) dimensions: (u32, u32),
    pub(crate) original: (u32, u32),
    pub(crate) format: Format,
    pub(crate) bytes: Vec<u8>,
}

/// What came of one job.
#[derive(Debug)]
pub(crate) struct Drawn {
    pub(crate) end: End,
    pub(crate) sniffed: Option<Sniffed>,
    pub(crate) pages: Option<u32>,
    pub(crate) pictures: Vec<Picture>,
    /// From asking to knowing, the longer of its two visits.
    pub(crate) waited: Duration,
}

impl Drawn {
    /// The failure's code, or that there was none.
    pub(crate) fn code(&self) -> &'static str {
        match &self.end {
            End::Rendered(_) => "none",
            End::HandedOver(_) => "handed over",
            End::Failed(code, _) => code.name(),
            End::Trouble(_) => "trouble",
        }
    }
}

/// First pages as PNG in one size, with all metadata.
pub(crate) fn wish(size: &str, pages: &str) -> PreviewWish {
    let size = Size::parse(&serde_json::Value::from(size)).expect("a size");
    PreviewWish {
        sizes: vec![size],
        format: Some(Format::Png),
        pages: Pages::try_from(pages.to_owned()).expect("pages"),
        metadata: MetadataKind::ALL.into_iter().collect(),
        ..PreviewWish::default()
    }
}

/// Has one file drawn, by whichever renderer it takes.
pub(crate) async fn draw<S: RangeSource + Sync + 'static>(
    pool: &Pool,
    source: Arc<S>,
    source_bytes: u64,
    wish: PreviewWish,
    limits: Limits,
) -> Drawn {
    let job = RenderJob { wish, source_bytes, limits };
    let first = visit(pool, Renderer::Light, job.clone(), Arc::clone(&source)).await;
    match first.end {
        End::HandedOver(Stage::Av) => {
            let second = visit(pool, Renderer::Av, job, source).await;
            Drawn { waited: second.waited.max(first.waited), ..second }
        }
        _ => first,
    }
}

async fn visit<S: RangeSource + Sync + 'static>(
    pool: &Pool,
    renderer: Renderer,
    job: RenderJob,
    source: Arc<S>,
) -> Drawn {
    let (events, mut heard) = mpsc::channel(EVENTS);
    let listen = async {
        let (mut sniffed, mut pages, mut pictures) = (None, None, Vec::new());
        while let Some(event) = heard.recv().await {
            match event {
                RenderEvent::Sniffed(it) => sniffed = Some(it),
                RenderEvent::Pages { total } => pages = Some(total),
                RenderEvent::Artifact(artifact) => pictures.push(picture(&artifact)),
                RenderEvent::PageToRead(_) => {}
            }
        }
        (sniffed, pages, pictures)
    };
    let began = Instant::now();
    let render = async {
        let outcome = pool.render(renderer, job, Box::new(source), events).await;
        (outcome, began.elapsed())
    };
    let ((outcome, waited), (sniffed, pages, pictures)) = tokio::join!(render, listen);
    let end = match outcome {
        Ok(Outcome::Rendered(rendered)) => End::Rendered(Box::new(rendered)),
        Ok(Outcome::HandedOver(handed)) => End::HandedOver(handed.to),
        Err(RenderError::Failed { code, detail }) => End::Failed(code, detail),
        Err(error @ RenderError::Missing { .. }) => End::Failed(error.code(), error.to_string()),
        Err(error) => End::Trouble(error),
    };
    Drawn { end, sniffed, pages, pictures, waited }
}

fn picture(artifact: &Artifact) -> Picture {
    let mut bytes = Vec::new();
    (&artifact.file).read_to_end(&mut bytes).expect("read");
    Picture {
        dimensions: (artifact.width, artifact.height),
        original: (artifact.original_width, artifact.original_height),
        format: artifact.format,
        bytes,
    }
}
