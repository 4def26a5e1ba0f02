//! The programs of this machine, and jobs done with them.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use domain::FailureCode;
use domain::limits::Limits;
use serde_json::{Map, Value};
use tokio::sync::Semaphore;

use super::page::{Fetch, Page, Shot};
use super::prove::{self, Proven};
use super::requests::Requests;
use super::session::{Products, Session};
use super::shelf::Shelf;
use super::text::Recognised;
use super::wire::{Product, Task};
use super::{Capability, HostedError, Name, Settings, State};
use crate::pool::StartError;
use crate::words;

/// How many languages one picture may be read in.
const LANGUAGES: usize = 8;
/// Of a page's time, the part that it may spend on loading; the rest is for picturing it.
const SETTLE_PART: u64 = 3;
/// Of a page's time, what is not spent on waiting for its provider, so that the job can end.
const EMBED_ROOM_MS: u64 = 2_000;
/// Where a page lies that was handed in as a file. Nobody can answer for `invalid`.
const NOWHERE: &str = "https://page.invalid/";
/// Width of all pictures of pages, and height of the first.
const VIEWPORT: (u32, u32) = (1_280, 1_024);

/// The programs of this machine, and jobs done with them. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Workshop {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    settings: Settings,
    capabilities: Vec<Capability>,
    languages: BTreeSet<String>,
    shelf: Arc<Shelf>,
    running: Arc<Semaphore>,
}

impl Workshop {
    /// Looks which programs are there, and starts those that shall wait for their job. That one is
    /// missing is no error. Asks programs for their versions, which takes a moment.
    ///
    /// # Errors
    /// When the thread that starts them cannot be made.
    pub fn find(settings: Settings) -> Result<Self, StartError> {
        let languages = languages(&settings.ocr_data);
        let look = |name| look(&settings, name, &languages);
        let capabilities: Vec<_> = Name::ALL.into_iter().map(look).collect();
        let there = capabilities.iter().filter(|found| matches!(found.state, State::Ready { .. }));
        let shelf = Shelf::start(settings.clone(), there.map(|found| found.name).collect())?;
        let running = Arc::new(Semaphore::new(settings.running.max(1)));
        let shelf = Arc::new(shelf);
        Ok(Self { shared: Arc::new(Shared { settings, capabilities, languages, shelf, running }) })
    }

    /// What can be used and what cannot, in the order of [`Name::ALL`].
    #[must_use]
    pub fn capabilities(&self) -> &[Capability] {
        &self.shared.capabilities
    }

    /// Whether a program can be used.
    #[must_use]
    pub fn has(&self, name: Name) -> bool {
        self.capabilities()
            .iter()
            .any(|found| found.name == name && matches!(found.state, State::Ready { .. }))
    }

    /// The name and version of a program, as they go on record, if it can be used.
    #[must_use]
    pub fn engine(&self, name: Name) -> Option<(String, String)> {
        self.capabilities().iter().find(|found| found.name == name).and_then(|found| {
            match &found.state {
                State::Ready { version } => {
                    Some((name.program().to_owned(), number(version).to_owned()))
                }
                State::Missing { .. } => None,
            }
        })
    }

    /// The languages that text can be read in, by Tesseract's names.
    #[must_use]
    pub fn ocr_languages(&self) -> Vec<String> {
        self.shared.languages.iter().cloned().collect()
    }

    /// Tries to get out of the walls of every program that is there, in every way. A worker that
    /// gets an error here must not use them.
    ///
    /// # Errors
    /// When an attempt succeeds, or a host cannot be started or build its walls.
    pub async fn prove(&self) -> Result<Proven, crate::ProveError> {
        let there = Name::ALL.into_iter().filter(|name| self.has(*name)).collect();
        prove::prove(self.shared.settings.clone(), there).await
    }

    /// A document as PDF, in a sealed memory file. `extension` says what kind of document it is;
    /// pages after `last_page` are left out where the kind allows it.
    ///
    /// # Errors
    /// [`HostedError::Missing`] without LibreOffice; [`HostedError::Failed`] when the document
    /// cannot be read, or brought the program down.
    pub async fn office_to_pdf(
        &self,
        source: File,
        extension: &str,
        last_page: Option<u32>,
        limits: &Limits,
    ) -> Result<File, HostedError> {
        let extension = if words::is_extension(extension) { extension } else { "" };
        let task = Task::Office { extension: extension.to_owned(), last_page };
        let source = Some(read_only(&source)?);
        let mut products =
            self.run(Name::Office, task, source, &[Product::Pdf], None, limits).await?;
        let pdf = products.take(Product::Pdf)?;
        let mut start = [0; 5];
        let read = (&pdf).read_exact(&mut start);
        if read.is_err() || &start != b"%PDF-" {
            return Err(HostedError::failed(FailureCode::RendererCrashed, "no PDF was made"));
        }
        rewound(pdf)
    }

    /// The text of a picture: PNG, JPEG, TIFF or PNM. In English if no language is named.
    ///
    /// # Errors
    /// [`HostedError::Missing`] without Tesseract; [`HostedError::Failed`] when a language is not
    /// installed, the picture cannot be read, or it brought the program down.
    pub async fn ocr(
        &self,
        picture: File,
        languages: &[String],
        limits: &Limits,
    ) -> Result<Recognised, HostedError> {
        self.require(Name::Ocr)?;
        let mut languages = languages.to_vec();
        if languages.is_empty() {
            languages.push("eng".to_owned());
        }
        languages.truncate(LANGUAGES);
        if let Some(absent) = languages.iter().find(|name| !self.shared.languages.contains(*name)) {
            return Err(HostedError::Language { language: words::detail(absent) });
        }
        let data = self.shared.settings.ocr_data.to_string_lossy().into_owned();
        let task = Task::Ocr { languages, data };
        let made = [Product::Text, Product::Words].as_slice();
        let source = Some(read_only(&picture)?);
        let products = self.run(Name::Ocr, task, source, made, None, limits).await?;
        let read = |product| {
            let mut bytes = Vec::new();
            products.files.get(&product).map_or(Ok(0), |mut file| file.read_to_end(&mut bytes))?;
            Ok(bytes)
        };
        let read = |product| read(product).map_err(file("read recognised text"));
        Ok(Recognised::read(&read(Product::Text)?, &read(Product::Words)?))
    }

    /// Pictures of a web page, and what it says about itself; with `embed` also what its provider
    /// says of it, if it says so in time.
    ///
    /// # Errors
    /// [`HostedError::Missing`] without Chromium; [`HostedError::Document`] when the page itself
    /// could not be had; [`HostedError::Failed`] when it cannot be pictured, or brought the
    /// program down.
    pub async fn screenshot(
        &self,
        page: Page,
        embed: bool,
        fetch: Arc<dyn Fetch>,
        limits: &Limits,
    ) -> Result<Shot, HostedError> {
        let (url, source) = match page {
            Page::Url(url) => (url, None),
            Page::Html(file) => (NOWHERE.to_owned(), Some(read_only(&file)?)),
        };
        let task = Task::Browser {
            url,
            requests: limits.page_requests,
            height: limits.page_height,
            settle_ms: limits.hosted_wall_ms / SETTLE_PART,
            embed_until_ms: embed.then(|| limits.hosted_wall_ms.saturating_sub(EMBED_ROOM_MS)),
        };
        let made = [Product::Viewport, Product::Full].as_slice();
        let mut products = self.run(Name::Browser, task, source, made, Some(fetch), limits).await?;
        let (viewport, full) = (products.take(Product::Viewport)?, products.take(Product::Full)?);
        let wrong = || HostedError::failed(FailureCode::RendererCrashed, "no picture was made");
        let said = products.page.ok_or_else(wrong)?;
        let dimensions = |file| png_dimensions(file).ok_or_else(wrong);
        let (width, full_height) = dimensions(&full)?;
        if dimensions(&viewport)? != VIEWPORT
            || width != VIEWPORT.0
            || full_height > limits.page_height.max(VIEWPORT.1)
        {
            return Err(wrong());
        }
        let url = said.url.strip_prefix(NOWHERE).map_or(said.url.as_str(), |_nowhere| "");
        Ok(Shot {
            viewport: rewound(viewport)?,
            full: rewound(full)?,
            full_height,
            url: url.chars().filter(|letter| !letter.is_control()).collect(),
            metadata: said_within(said.metadata, limits.metadata_bytes),
        })
    }

    fn require(&self, name: Name) -> Result<(), HostedError> {
        if self.has(name) { Ok(()) } else { Err(HostedError::Missing { capability: name }) }
    }

    async fn run(
        &self,
        name: Name,
        task: Task,
        source: Option<OwnedFd>,
        products: &'static [Product],
        fetch: Option<Arc<dyn Fetch>>,
        limits: &Limits,
    ) -> Result<Products, HostedError> {
        self.require(name)?;
        let running = Arc::clone(&self.shared.running).acquire_owned().await;
        let running = running.map_err(|_closed| StartError::Closed)?;
        let process = self.shared.shelf.take(name).await?;
        let _killer = process.killer();
        let requests = fetch
            .map(|fetch| {
                let socket = process.socket.0.try_clone().map_err(file("double the socket"))?;
                let most = (limits.page_requests, limits.page_bytes);
                Ok::<_, HostedError>(Requests::new(fetch, socket, process.killer(), most))
            })
            .transpose()?;
        let session = Session { process, limits: *limits, products, requests };
        // The thread that started the host must outlive it.
        let shelf = Arc::clone(&self.shared.shelf);
        let done = tokio::task::spawn_blocking(move || {
            let result = session.run(task, source.as_ref());
            drop((running, shelf));
            result
        });
        done.await.map_err(HostedError::Thread)?
    }
}

/// What is known about one program.
fn look(settings: &Settings, name: Name, languages: &BTreeSet<String>) -> Capability {
    let program = settings.program(name);
    let missing = |remedy: &str| State::Missing { remedy: remedy.to_owned() };
    let state = match name {
        _ if !settings.host.is_file() => {
            State::Missing { remedy: format!("build {}", settings.host.display()) }
        }
        Name::Office if !program.is_file() => missing(
            "install LibreOffice without its windows: libreoffice-writer-nogui, -calc-nogui, \
             -impress-nogui and -draw-nogui",
        ),
        Name::Ocr if !program.is_file() => missing("install tesseract-ocr"),
        Name::Ocr if languages.is_empty() => {
            missing("install a language of Tesseract: tesseract-ocr-eng")
        }
        Name::Browser if !program.is_file() => missing("install chromium-headless-shell"),
        Name::Office => office_version(program),
        Name::Ocr | Name::Browser => version(program),
    };
    Capability { name, program: program.to_owned(), state }
}

/// Read from a file beside the program, which would take long to say it.
fn office_version(program: &Path) -> State {
    let rc = fs::read_to_string(program.with_file_name("bootstraprc")).unwrap_or_default();
    let version = rc.lines().find_map(|line| line.strip_prefix("ProductKey="));
    State::Ready { version: words::detail(version.unwrap_or("LibreOffice")) }
}

fn version(program: &Path) -> State {
    let mut command = Command::new(program);
    let said = command.arg("--version").env_clear().stdin(Stdio::null()).output();
    match said {
        Ok(said) => {
            let all = [said.stdout, said.stderr].concat();
            let first = String::from_utf8_lossy(&all).lines().next().unwrap_or_default().to_owned();
            State::Ready { version: words::detail(first.trim()) }
        }
        Err(error) => {
            State::Missing { remedy: format!("{} cannot be run: {error}", program.display()) }
        }
    }
}

/// The number in what a program says of its version.
fn number(said: &str) -> &str {
    let words = said.split_whitespace();
    let number = |word: &&str| word.starts_with(|first: char| first.is_ascii_digit());
    words.into_iter().find(number).unwrap_or(said)
}

fn languages(data: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(data).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| {
        let name = entry.file_name().into_string().ok()?;
        let name = name.strip_suffix(".traineddata")?;
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        (!name.is_empty() && name.bytes().all(plain)).then(|| name.to_owned())
    });
    names.collect()
}

/// Another way to the same file, by which it cannot be changed, with a position of its own.
fn read_only(source: &File) -> Result<OwnedFd, HostedError> {
    let path = format!("/proc/self/fd/{}", source.as_raw_fd());
    File::open(path).map(OwnedFd::from).map_err(file("open the source to be read"))
}

/// From the header alone; nothing is decoded here.
fn png_dimensions(file: &File) -> Option<(u32, u32)> {
    let mut head = [0; 24];
    file.read_exact_at(&mut head, 0).ok()?;
    let [
        b'\x89',
        b'P',
        b'N',
        b'G',
        b'\r',
        b'\n',
        0x1a,
        b'\n',
        _,
        _,
        _,
        _,
        b'I',
        b'H',
        b'D',
        b'R',
        a,
        b,
        c,
        d,
        e,
        f,
        g,
        h,
    ] = head
    else {
        return None;
    };
    Some((u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes([e, f, g, h])))
}

fn rewound(mut made: File) -> Result<File, HostedError> {
    io::Seek::rewind(&mut made).map_err(file("rewind what was made"))?;
    Ok(made)
}

fn file(step: &'static str) -> impl Fn(io::Error) -> HostedError {
    move |source| HostedError::File { step, source }
}

/// Without control characters and empty fields; the longest lists go first if it is too much.
pub(super) fn said_within(mut said: Map<String, Value>, max_bytes: u32) -> Map<String, Value> {
    said.values_mut().for_each(clean);
    said.retain(|key, value| {
        let empty = match value {
            Value::Null => true,
            Value::Array(values) => values.is_empty(),
            Value::Object(map) => map.is_empty(),
            _ => false,
        };
        !empty && key.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
    });
    for heavy in ["images", "feeds", "icons", "twitter", "open_graph", "oembed"] {
        let bytes = serde_json::to_vec(&said).map_or(usize::MAX, |json| json.len());
        if bytes <= max_bytes as usize {
            return said;
        }
        said.remove(heavy);
    }
    let bytes = serde_json::to_vec(&said).map_or(usize::MAX, |json| json.len());
    if bytes <= max_bytes as usize { said } else { Map::new() }
}

fn clean(value: &mut Value) {
    match value {
        Value::String(text) => text.retain(|letter| !letter.is_control()),
        Value::Array(values) => values.iter_mut().for_each(clean),
        Value::Object(map) => {
            map.retain(|key, _| !key.contains(char::is_control));
            map.values_mut().for_each(clean);
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
