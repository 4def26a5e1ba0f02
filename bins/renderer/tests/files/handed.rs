//! Malformed documents and web pages, handed on to LibreOffice and Chromium as a worker would.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{Read, Seek, Write};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use domain::FailureCode;
use domain::limits::Limits;
use enclave::hosted::{
    Fetch, FetchError, FetchRequest, Fetched, HostedError, Name, Page, Settings, Workshop,
};
use futures::StreamExt;

use crate::corpus::{self, Expected};
use crate::hostile::{self, Case, Dice};
use crate::jobs::{self, Drawn, End, Renderers};
use crate::survives;
use crate::watch::{Lures, MARKER, processes};

/// Programs at once.
const AT_ONCE: usize = 2;
/// Malformed files of each kind of document.
const BROKEN_PER_KIND: usize = 8;
/// Files with lures of each kind that can name something outside.
const LURED_PER_KIND: usize = 4;
/// Fewest cases, and fewest kinds of document.
const LEAST: usize = 100;
const LEAST_KINDS: usize = 12;
/// How often an element comes that is to come often.
const REPEATS: usize = 300;
/// A larger document is not taken as a seed, in bytes.
const SEED_BYTES: u64 = 256 << 10;
/// Rows of the corpus whose files are handed on.
const ROWS: [&str; 2] = ["office", "html"];
/// Kinds of lured documents, by the first word of their names.
const LURED: [&str; 6] = ["docx", "xlsx", "pptx", "odt", "rtf", "html"];
/// What a loaded machine may add to the time that a job may take: starting a program, for one.
const SLACK: Duration = Duration::from_secs(20);
/// How long the last processes may take to be gone.
const GONE: Duration = Duration::from_secs(10);

fn limits() -> Limits {
    Limits {
        hosted_memory_bytes: 700 << 20,
        hosted_cpu_ms: 4_000,
        hosted_wall_ms: 6_000,
        page_height: 2_048,
        ..survives::limits()
    }
}

/// A web without a single page, and who asked for what.
#[derive(Default)]
struct Nothing(Mutex<BTreeSet<String>>);

#[async_trait]
impl Fetch for Nothing {
    async fn get(&self, request: FetchRequest) -> Result<Fetched, FetchError> {
        self.0.lock().expect("asked").insert(request.url);
        Err(FetchError::Unreachable)
    }
}

/// The smallest whole file of every media type that is handed on.
fn seeds() -> BTreeMap<String, (String, Vec<u8>)> {
    let mut smallest: BTreeMap<String, (u64, corpus::Entry)> = BTreeMap::new();
    for entry in corpus::read() {
        let bytes = entry.file().metadata().expect("known").len();
        let whole = matches!(entry.expected, Expected::Drawn { .. }) && bytes <= SEED_BYTES;
        if whole && ROWS.contains(&entry.row.as_str()) {
            let found = smallest.entry(entry.media_type.clone()).or_insert((bytes, entry.clone()));
            if bytes < found.0 {
                *found = (bytes, entry);
            }
        }
    }
    smallest
        .into_iter()
        .map(|(kind, (_, entry))| (kind, (entry.path.clone(), entry.bytes())))
        .collect()
}

/// One part of a document that is a zip archive, broken inside, and the archive whole around it;
/// nothing where the document is no such archive.
fn broken_inside(document: &[u8], dice: &mut Dice) -> Option<Vec<u8>> {
    let mut archive = zip::ZipArchive::new(std::io::Cursor::new(document)).ok()?;
    let names: Vec<String> = archive.file_names().map(str::to_owned).collect();
    let parts: Vec<&String> = names.iter().filter(|name| name.ends_with(".xml")).collect();
    let chosen = (*parts.get(dice.below(parts.len()))?).clone();
    let mut out = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let stored =
        zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    for index in 0..archive.len() {
        let mut part = archive.by_index(index).ok()?;
        let (name, mut bytes) = (part.name().to_owned(), Vec::new());
        part.read_to_end(&mut bytes).ok()?;
        if name == chosen && !bytes.is_empty() {
            distort(&mut bytes, dice);
        }
        out.start_file(name, stored).ok()?;
        out.write_all(&bytes).ok()?;
    }
    Some(out.finish().ok()?.into_inner())
}

/// Numbers become others or long, or an element comes often: what is still read as XML gets further
/// than what is not.
fn distort(bytes: &mut Vec<u8>, dice: &mut Dice) {
    let digits: Vec<usize> = (0..bytes.len()).filter(|at| bytes[*at].is_ascii_digit()).collect();
    match dice.below(4) {
        0 => digits.iter().for_each(|at| bytes[*at] = b'0' + dice.below(10) as u8),
        1 => {
            let at = digits.get(dice.below(digits.len())).copied().unwrap_or_default();
            bytes.splice(at..at, b"99999999999".iter().copied());
        }
        2 => {
            let text = String::from_utf8_lossy(bytes).into_owned();
            let from = dice.below(text.len() / 2);
            let alone = text.match_indices("/>").find(|(end, _)| *end > from);
            let begun = alone.and_then(|(end, _)| Some((text[..end].rfind('<')?, end + 2)));
            if let Some((begin, end)) = begun {
                let element = text[begin..end].repeat(REPEATS);
                *bytes = [&text[..begin], &element, &text[begin..]].concat().into_bytes();
            }
        }
        _ => gnaw(bytes, dice),
    }
}

/// Digits become others, a piece is doubled or dropped, or the end is missing.
fn gnaw(bytes: &mut Vec<u8>, dice: &mut Dice) {
    let (at, length) = (dice.below(bytes.len()), dice.below(bytes.len() / 4));
    let end = (at + length).min(bytes.len());
    match dice.below(4) {
        0 => {
            for byte in bytes.iter_mut().filter(|byte| byte.is_ascii_digit()) {
                *byte = b'0' + dice.below(10) as u8;
            }
        }
        1 => {
            let piece = bytes[at..end].to_vec();
            bytes.splice(at..at, piece);
        }
        2 => {
            bytes.drain(at..end);
        }
        _ => {
            for _ in 0..=bytes.len() / 100 {
                let place = dice.below(bytes.len());
                bytes[place] ^= 1 << dice.below(7);
            }
        }
    }
}

/// What is handed on, under names that begin with its kind.
fn cases(lures: &Lures) -> Vec<Case> {
    let mut chosen = Vec::new();
    for (index, (kind, (path, bytes))) in seeds().into_iter().enumerate() {
        let mut dice = Dice::new(index as u64);
        let (mut left, mut round) = (BROKEN_PER_KIND, 0);
        // Half of them inside their archive, where there is one.
        while left > BROKEN_PER_KIND / 2 {
            let Some(broken) = broken_inside(&bytes, &mut dice) else { break };
            let name = format!("{kind}: {path} inside, round {round}");
            chosen.push(Case { name, body: broken.into() });
            (left, round) = (left - 1, round + 1);
        }
        while left > 0 {
            let mut broken = bytes.clone();
            gnaw(&mut broken, &mut dice);
            let name = format!("{kind}: {path} outside, round {round}");
            chosen.push(Case { name, body: broken.into() });
            (left, round) = (left - 1, round + 1);
        }
    }
    let mut all = hostile::all(&lures.named(), &[]);
    let (folder, address) = (lures.named().folder, lures.named().address);
    for kind in LURED {
        let is_lured = |case: &Case| {
            case.name.starts_with(&format!("{kind}: "))
                && (case.name.contains(&folder) || case.name.contains(&address))
        };
        let (lured, others): (Vec<_>, Vec<_>) = all.into_iter().partition(is_lured);
        all = others;
        // From all over the list: what they reach for differs.
        let step = lured.len().div_ceil(LURED_PER_KIND).max(1);
        chosen.extend(lured.into_iter().step_by(step));
    }
    chosen
}

/// What became of a case.
struct Answer {
    name: String,
    code: &'static str,
    waited: Duration,
    faults: Vec<String>,
}

/// Hands it on as a worker does: the light renderer says to whom, and draws what they made.
async fn hand_on(
    case: Case,
    renderers: &Renderers,
    workshop: &Workshop,
    web: &Arc<Nothing>,
) -> Answer {
    let limits = limits();
    let (name, bytes, length) = (case.name, case.body.head.clone(), case.body.len());
    let source = Arc::new(case.body);
    let first = jobs::draw(&renderers.pool, source, length, jobs::wish("64", "1"), limits).await;
    let began = Instant::now();
    let answer =
        |code, faults| Answer { name: name.clone(), code, waited: began.elapsed(), faults };
    let made = match first.end {
        End::HandedOver(enclave::Stage::Office) => {
            let extension = first.sniffed.as_ref().map_or("", |found| &*found.extension).to_owned();
            workshop.office_to_pdf(nameless(&bytes), &extension, Some(1), &limits).await
        }
        End::HandedOver(enclave::Stage::Browser) => {
            let fetch: Arc<dyn Fetch> = web.clone();
            let page = Page::Html(nameless(&bytes));
            workshop.screenshot(page, false, fetch, &limits).await.map(|shot| shot.viewport)
        }
        // Broken so well that it is something else, or nothing.
        _ => {
            let code = if first.code() == "none" { "drawn at once" } else { first.code() };
            return answer(code, survives::faults(&first, &limits));
        }
    };
    let most = Duration::from_millis(limits.hosted_wall_ms) + SLACK;
    let mut faults = Vec::new();
    if began.elapsed() > most {
        faults.push(format!("took {:?}", began.elapsed()));
    }
    match made {
        Ok(file) => {
            let drawn = look_at(file, renderers, &limits).await;
            faults.extend(survives::faults(&drawn, &limits));
            if drawn.code() != "none" {
                faults.push(format!("what was made of it is not drawn: {:?}", drawn.end));
            }
            answer("none", faults)
        }
        Err(error) => {
            faults.extend(faults_of(&error));
            answer(error.code().name(), faults)
        }
    }
}

/// A failure has a code, is the file's, and tells nothing of what lies outside.
fn faults_of(error: &HostedError) -> Vec<String> {
    let HostedError::Failed { code, detail } = error else {
        return vec![format!("not the file's fault: {error:?}")];
    };
    let mut faults = Vec::new();
    if *code == FailureCode::Internal {
        faults.push(format!("internal: {detail}"));
    }
    if detail.contains(MARKER) {
        faults.push("the lure is in the detail".to_owned());
    }
    faults
}

async fn look_at(mut file: File, renderers: &Renderers, limits: &Limits) -> Drawn {
    file.rewind().expect("rewound");
    let length = file.metadata().expect("known").len();
    let wish = jobs::wish("64", "1");
    jobs::draw(&renderers.pool, Arc::new(file), length, wish, *limits).await
}

fn nameless(bytes: &[u8]) -> File {
    let mut file = tempfile::tempfile().expect("a file");
    file.write_all(bytes).expect("written");
    file
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn malformed_documents_and_pages_bring_no_hosted_program_further_than_its_limits() {
    const HOST: &str = "handed-host";
    let lures = Lures::lay();
    lures.assert_watched();
    let only = std::env::var("DARKROOM_HOSTILE").unwrap_or_default();
    let cases: Vec<Case> =
        cases(&lures).into_iter().filter(|case| case.name.contains(&only)).collect();
    let kinds: BTreeSet<&str> =
        cases.iter().filter_map(|case| case.name.split(": ").next()).collect();
    assert!(cases.len() >= LEAST || !only.is_empty(), "{} cases", cases.len());
    assert!(kinds.len() >= LEAST_KINDS || !only.is_empty(), "{kinds:?}");
    // A name of its own, so that its processes can be told from others'.
    let links = tempfile::tempdir().expect("a folder");
    let host = links.path().join(HOST);
    let real = PathBuf::from(env!("CARGO_BIN_EXE_darkroom-renderer"));
    let real = real.with_file_name(Settings::EXECUTABLE);
    std::os::unix::fs::symlink(real, &host).expect("a link");
    let settings = Settings { running: AT_ONCE, ..Settings::with_host(host) };
    let workshop = &Workshop::find(settings).expect("a workshop");
    assert!(workshop.has(Name::Office) && workshop.has(Name::Browser), "./justw --need full");
    let renderers = &Renderers::start("handed", AT_ONCE);
    let web = &Arc::new(Nothing::default());
    let (began, total) = (Instant::now(), cases.len());
    let answers: Vec<Answer> = futures::stream::iter(cases)
        .map(|case| hand_on(case, renderers, workshop, web))
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;
    let (mut codes, mut wrong) = (BTreeMap::<_, usize>::new(), Vec::new());
    for answer in &answers {
        *codes.entry(answer.code).or_default() += 1;
        if !answer.faults.is_empty() {
            wrong.push(format!("{}: {}", answer.name, answer.faults.join("; ")));
        }
        if answer.code.starts_with("renderer_") || !only.is_empty() {
            println!("{} in {:?}: {}", answer.code, answer.waited, answer.name);
        }
    }
    println!("{total} files in {:?}: {codes:?}", began.elapsed());
    assert!(wrong.is_empty(), "{} of {total}:\n{}", wrong.len(), wrong.join("\n"));
    lures.assert_untouched();
    let asked = web.0.lock().expect("asked").clone();
    let local = asked.iter().find(|url| !url.starts_with("http"));
    assert!(local.is_none(), "a page asked for {local:?}");
    assert_alive(workshop, renderers).await;
    let until = Instant::now() + GONE;
    while !processes(&[HOST.to_owned()]).is_empty() {
        assert!(Instant::now() < until, "a host outlives its job");
        tokio::task::yield_now().await;
    }
}

/// Both programs still do what they are asked.
async fn assert_alive(workshop: &Workshop, renderers: &Renderers) {
    let limits = Limits::default();
    let letter = nameless(b"{\\rtf1\\ansi Fine\\par}");
    let made = workshop.office_to_pdf(letter, "rtf", Some(1), &limits).await.expect("a PDF");
    let drawn = look_at(made, renderers, &limits).await;
    assert_eq!((drawn.code(), drawn.pictures.len()), ("none", 1), "{:?}", drawn.end);
    let fetch: Arc<dyn Fetch> = Arc::new(Nothing::default());
    let page = Page::Html(nameless(b"<!doctype html><title>Fine</title>"));
    let shot = workshop.screenshot(page, false, fetch, &limits).await.expect("a picture");
    assert_eq!(shot.metadata["title"], "Fine");
}
