//! Two thousand and more malformed files: each is answered, none gets out, none brings us down.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use domain::limits::Limits;
use enclave::RangeSource;
use futures::StreamExt;

use crate::corpus::{self, Entry};
use crate::hostile::{self, Case};
use crate::jobs::{self, Drawn, End, Renderers};
use crate::watch::{LURE_COLOUR, Lures, MARKER, Memory};

/// Renderers at once.
const AT_ONCE: usize = 4;
/// Fewest cases that a run must have.
const LEAST: usize = 2_000;
/// A real file is broken if it is no larger than this, in bytes.
const BROKEN_BYTES: u64 = 48 << 10;
/// How many real files of a kind are broken.
const BROKEN_PER_KIND: usize = 4;
/// Of a kind whose files are all larger, the smallest is broken; so many bytes of it at most.
const BROKEN_BEGINNING_BYTES: usize = 384 << 10;
/// Fewest malformed files of each kind that the corpus has.
const LEAST_OF_A_KIND: usize = 8;
/// What a loaded machine may add to the time that a job may take.
const SLACK: Duration = Duration::from_secs(3);
/// What the parent may grow by, in bytes: the cases themselves, and what is on its way.
const PARENT_BYTES: u64 = 1 << 30;

/// Files of this kind say beforehand how much memory they take.
const INDEXED: &str = "mp4";

fn kind_of(name: &str) -> &str {
    name.split(':').next().unwrap_or_default()
}

pub(crate) fn limits() -> Limits {
    Limits {
        pixels: 20_000_000,
        output_bytes: 16 << 20,
        renderer_memory_bytes: 512 << 20,
        renderer_cpu_ms: 3_000,
        renderer_wall_ms: 5_000,
        pages: 10,
        frames: 300,
        expanded_bytes: 64 << 20,
        ..Limits::default()
    }
}

/// What went wrong with a case, if anything did.
pub(crate) fn faults(drawn: &Drawn, limits: &Limits) -> Vec<String> {
    let mut faults = Vec::new();
    let mut check = |fine: bool, what: String| {
        if !fine {
            faults.push(what);
        }
    };
    let most = Duration::from_millis(limits.renderer_wall_ms) + SLACK;
    check(drawn.waited <= most, format!("took {:?}", drawn.waited));
    match &drawn.end {
        End::Rendered(rendered) => {
            let peak = limits.renderer_memory_bytes / 10 * 11;
            check(rendered.peak_bytes <= peak, format!("used {} bytes", rendered.peak_bytes));
            check(rendered.output_bytes <= limits.output_bytes, "too much output".to_owned());
            let metadata = serde_json::to_string(&rendered.metadata).expect("json");
            check(!metadata.contains(MARKER), "the lure is in the metadata".to_owned());
        }
        End::HandedOver(_) => {}
        End::Failed(code, detail) => {
            check(*code != domain::FailureCode::Internal, format!("internal: {detail}"));
            check(!code.text().is_empty(), format!("{code} has no text"));
            check(!detail.contains(MARKER), "the lure is in the detail".to_owned());
            let plain = detail.chars().all(|letter| !letter.is_control());
            check(plain && detail.len() <= 2_000, format!("detail: {detail:?}"));
        }
        End::Trouble(error) => check(false, format!("not the file's fault: {error:?}")),
    }
    for picture in &drawn.pictures {
        if !picture.format.is_picture() {
            continue;
        }
        match image::load_from_memory(&picture.bytes) {
            Ok(decoded) => {
                let decoded = decoded.to_rgb8();
                let dimensions = decoded.dimensions();
                check(dimensions == picture.dimensions, format!("{dimensions:?}"));
                let lured = decoded.pixels().filter(|pixel| pixel.0 == LURE_COLOUR).count();
                check(lured < 64, format!("{lured} pixels of the lure"));
            }
            Err(error) => check(false, format!("no picture: {error}")),
        }
    }
    faults
}

/// A row of the corpus, and a media type of it.
type Kind = (String, String);

/// The real files that are broken, with their paths, by their kind. Some small ones of each, or else
/// the beginning of the smallest.
fn seeds() -> BTreeMap<Kind, Vec<(String, Vec<u8>)>> {
    let mut kinds: BTreeMap<_, Vec<(u64, Entry)>> = BTreeMap::new();
    for entry in corpus::read() {
        let bytes = entry.file().metadata().expect("known").len();
        if bytes > 0 {
            let kind = (entry.row.clone(), entry.media_type.clone());
            kinds.entry(kind).or_default().push((bytes, entry));
        }
    }
    let seed = |entry: &Entry| {
        let mut bytes = entry.bytes();
        bytes.truncate(BROKEN_BEGINNING_BYTES);
        (entry.path.clone(), bytes)
    };
    let chosen = |files: Vec<(u64, Entry)>| {
        let small = files.iter().filter(|(bytes, _)| *bytes <= BROKEN_BYTES);
        let mut seeds: Vec<_> = small.take(BROKEN_PER_KIND).map(|(_, entry)| seed(entry)).collect();
        if seeds.is_empty() {
            let smallest = files.iter().min_by_key(|(bytes, _)| *bytes);
            seeds.extend(smallest.map(|(_, entry)| seed(entry)));
        }
        seeds
    };
    kinds.into_iter().map(|(kind, files)| (kind, chosen(files))).collect()
}

fn cases(lures: &Lures) -> Vec<Case> {
    let real: Vec<_> = seeds().into_values().flatten().collect();
    hostile::all(&lures.named(), &real)
}

#[test]
fn every_kind_of_the_corpus_is_broken() {
    let (seeds, named) = (seeds(), nowhere());
    let real: Vec<_> = seeds.values().flatten().cloned().collect();
    let cases = hostile::all(&named, &real);
    let broken: BTreeSet<&str> = seeds.keys().map(|(_, media_type)| &**media_type).collect();
    for entry in corpus::read() {
        let is_broken = broken.contains(&*entry.media_type);
        assert!(is_broken, "{}: no file of {} is broken", entry.path, entry.media_type);
    }
    for (kind, files) in &seeds {
        let of_kind =
            |case: &&Case| files.iter().any(|(path, _)| case.name.contains(path.as_str()));
        let count = cases.iter().filter(of_kind).count();
        assert!(count >= LEAST_OF_A_KIND, "{kind:?}: {count} malformed files");
    }
    println!("{} kinds, {} real files broken, {} cases", seeds.len(), real.len(), cases.len());
}

/// Lures that nobody laid.
fn nowhere() -> hostile::Lures {
    hostile::Lures { folder: "/lures".to_owned(), address: "127.0.0.1:9".to_owned() }
}

#[test]
fn there_are_thousands_of_malformed_files_and_they_are_the_same_every_time() {
    let named = nowhere();
    let (first, again) = (hostile::all(&named, &[]), hostile::all(&named, &[]));
    assert!(first.len() >= LEAST, "{}", first.len());
    let mut names = BTreeSet::new();
    for (case, same) in first.iter().zip(&again) {
        assert_eq!(case.name, same.name);
        assert!(names.insert(&case.name), "twice: {}", case.name);
        assert!(case.body.head == same.body.head, "{} differs", case.name);
        let mut end = [0; 16];
        let length = case.body.len();
        let read = case.body.read_at(length.saturating_sub(8), &mut end).expect("read");
        assert_eq!(read as u64, length.min(8), "{}", case.name);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_malformed_file_gets_out_or_brings_anything_down() {
    let lures = Lures::lay();
    lures.assert_watched();
    let only = std::env::var("DARKROOM_HOSTILE").unwrap_or_default();
    let cases: Vec<Case> =
        cases(&lures).into_iter().filter(|case| case.name.contains(&only)).collect();
    assert!(cases.len() >= LEAST || !only.is_empty(), "{} cases", cases.len());
    let renderers = Renderers::start("hostile", AT_ONCE);
    let memory = Memory::of(renderers.names.clone());
    let before = own_memory();
    let began = Instant::now();
    let (limits, pool) = (limits(), &renderers.pool);
    let total = cases.len();
    let mut answers = futures::stream::iter(cases)
        .map(|case| async move {
            let (length, source) = (case.body.len(), Arc::new(case.body));
            let drawn = jobs::draw(pool, source, length, jobs::wish("64", "1-2"), limits).await;
            (case.name, drawn)
        })
        .buffer_unordered(AT_ONCE);
    let (mut codes, mut wrong, mut kinds) =
        (BTreeMap::<_, usize>::new(), Vec::new(), BTreeMap::new());
    while let Some((name, drawn)) = answers.next().await {
        *codes.entry(drawn.code()).or_default() += 1;
        let kind = kind_of(&name).to_owned();
        let spent: &mut (usize, Duration) = kinds.entry(kind).or_default();
        *spent = (spent.0 + 1, spent.1 + drawn.waited);
        let mut faults = faults(&drawn, &limits);
        if kind_of(&name) == INDEXED && drawn.code() == "renderer_memory" {
            faults.push("its index was believed".to_owned());
        }
        let brought_down = ["renderer_crashed", "renderer_memory", "renderer_timeout"];
        if brought_down.contains(&drawn.code()) || !only.is_empty() {
            println!("{} in {:?}: {name}: {:?}", drawn.code(), drawn.waited, drawn.end);
        }
        if !faults.is_empty() {
            wrong.push(format!("{name}: {}", faults.join("; ")));
        }
    }
    drop(answers);
    println!("{total} files in {:?}: {codes:?}", began.elapsed());
    println!("kinds: {kinds:?}");
    assert!(wrong.is_empty(), "{} of {total}:\n{}", wrong.len(), wrong.join("\n"));
    lures.assert_untouched();
    let cap = limits.renderer_memory_bytes / 10 * 11;
    assert!(memory.highest() <= cap, "a renderer held {} bytes", memory.highest());
    assert!(memory.highest() > 0 || only == "nothing", "no renderer was ever seen");
    let grown = own_memory().saturating_sub(before);
    assert!(grown <= PARENT_BYTES, "the parent grew by {grown} bytes");
    assert_alive(&renderers).await;
}

/// The pool still draws, and its processes end with it.
async fn assert_alive(renderers: &Renderers) {
    let photo = image::RgbImage::from_fn(90, 60, |x, y| image::Rgb([x as u8, y as u8, 7]));
    let mut bytes = std::io::Cursor::new(Vec::new());
    photo.write_to(&mut bytes, image::ImageFormat::Png).expect("encoded");
    let body = hostile::Body::from(bytes.into_inner());
    let (length, wish) = (body.len(), jobs::wish("30", "1"));
    let drawn = jobs::draw(&renderers.pool, Arc::new(body), length, wish, limits()).await;
    assert_eq!((drawn.code(), drawn.pictures.len()), ("none", 1), "{:?}", drawn.end);
}

/// Resident memory of this process, in bytes.
fn own_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/statm").expect("read");
    let pages: u64 = status.split(' ').nth(1).and_then(|word| word.parse().ok()).expect("a number");
    pages * 4_096
}

/// Scripts for a renderer that babbles: frames in a right order, then broken in every way.
fn scripts() -> Vec<Vec<u8>> {
    const ROUNDS: usize = 150;
    let frame = |kind: u8, body: &str| {
        [&[kind][..], &(body.len() as u32).to_le_bytes(), body.as_bytes()].concat()
    };
    let sniffed = r#"{"media_type":"image/png","extension":"png","encoding":"binary"}"#;
    let made = r#"{"role":"rendition","page":1,"size_index":0,"width":1,"height":1,"original_width":1,"original_height":1,"format":"png"}"#;
    let done = r#"{"metadata":{},"engines":{},"cpu_ms":1,"peak_bytes":1}"#;
    let frames = [
        frame(17, r#"{"offset":0,"len":100}"#),
        frame(18, sniffed),
        frame(19, r#"{"total":1}"#),
        frame(20, made),
        frame(21, done),
        frame(22, r#"{"code":"corrupt","detail":"x"}"#),
        frame(23, &format!(r#"{{"to":"av","so_far":{done}}}"#)),
        frame(24, r#"{"page":1,"width":1,"height":1}"#),
        frame(16, r#"{"protocol":2,"walls":[]}"#),
        frame(1, "{}"),
        vec![0xff; 5],
        vec![21, 0xff, 0xff, 0xff, 0xff],
        vec![18, 0, 0, 0, 0],
    ];
    let mut dice = hostile::Dice::new(7);
    let mut scripts = vec![Vec::new(), frames.concat()];
    for _ in 0..ROUNDS {
        let count = 1 + dice.below(6);
        let mut script: Vec<u8> =
            (0..count).flat_map(|_| frames[dice.below(frames.len())].clone()).collect();
        for _ in 0..dice.below(4) {
            let at = dice.below(script.len());
            script[at] = dice.roll() as u8;
        }
        scripts.push(script);
    }
    scripts
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_renderer_that_babbles_ends_its_own_job_alone() {
    let own = std::env::current_exe().expect("a path");
    let executable = own.ancestors().nth(2).expect("a target folder").join("examples/babble");
    assert!(executable.is_file(), "build it with `cargo build -p renderer --examples`");
    let config =
        enclave::Config { running: AT_ONCE, ready: AT_ONCE, ..enclave::Config::of(executable) };
    let pool = &enclave::Pool::start(&config).expect("renderers");
    let limits = limits();
    let answers: Vec<(String, Drawn)> = futures::stream::iter(scripts())
        .map(|script| async move {
            let name = script.escape_ascii().to_string();
            let body = hostile::Body::from(script);
            let (length, source) = (body.len(), Arc::new(body));
            let wish = jobs::wish("1", "1");
            (name, jobs::draw(pool, source, length, wish, limits).await)
        })
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;
    for (script, drawn) in &answers {
        let faults = faults(drawn, &limits);
        assert!(faults.is_empty(), "{script}: {faults:?}");
        assert!(drawn.pictures.is_empty(), "{script}: a picture out of nothing");
    }
}
