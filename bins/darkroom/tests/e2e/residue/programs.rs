//! The same of what LibreOffice, Chromium and Tesseract had in their hands.

use std::{
    fs,
    path::{Path, PathBuf},
};

use rand::Rng as _;
use serde_json::{Value, json};
use testkit::{
    Caller, Part, Source, eventually, files,
    processes::{self, Process},
    until_some,
};

use super::{PATIENCE, Scene};
use crate::{
    documents::{docx, paragraph},
    jobs,
};

/// How the names of hosted programs begin, and of what hosts them.
const HOSTED: [&str; 4] = ["soffice", "chrom", "tesseract", "darkroom-host"];
/// Paragraphs that LibreOffice takes seconds over.
const MANY_PARAGRAPHS: usize = 20_000;
/// So soon are programs ended where a test says so: LibreOffice may not even have started.
const SHORT_MS: &str = "4000";
/// Lines of a scan that Tesseract takes seconds over.
const MANY_LINES: usize = 60;
/// Letters that a scan says, so that nobody has said them before.
const LETTERS: usize = 10;
/// Of these, which no reader takes for one another.
const ALPHABET: &[u8] = b"AEFHKLMNRTXY";

/// Hosted programs while they run, and the mounts that they alone see.
struct Hosted {
    processes: Vec<Process>,
    mounts: Vec<PathBuf>,
}

impl Hosted {
    /// Those of a worker.
    fn of(worker: u32) -> Self {
        let mut processes = processes::descendants(worker);
        processes.retain(|process| HOSTED.iter().any(|name| process.name.starts_with(name)));
        let own = mounts_of("self");
        let theirs = processes.iter().filter_map(|process| mounts_of(&process.pid.to_string()));
        let mounts = theirs.filter(|mounts| Some(mounts) != own.as_ref()).collect();
        Self { processes, mounts }
    }

    /// Of these, what has not ended, and whoever else sees the same mounts.
    fn left(&self) -> Vec<String> {
        let all = fs::read_dir("/proc").unwrap().flatten();
        let pids = all.filter_map(|entry| entry.file_name().into_string().ok());
        let sees = |pid: &String| mounts_of(pid).is_some_and(|seen| self.mounts.contains(&seen));
        let alive = self.processes.iter().filter(|process| processes::is_alive(process.pid));
        alive.map(|process| process.name.clone()).chain(pids.filter(sees)).collect()
    }

    /// The program of that name, and what it sees under a path of its own.
    fn view(&self, program: &str, path: &str) -> Option<PathBuf> {
        let found = self.processes.iter().find(|process| process.name.starts_with(program))?;
        Some(Path::new("/proc").join(found.pid.to_string()).join("root").join(path))
    }
}

/// The mount namespace of a process.
fn mounts_of(pid: &str) -> Option<PathBuf> {
    fs::read_link(format!("/proc/{pid}/ns/mnt")).ok()
}

impl Scene {
    /// A letter that says the marker in its text and beside it.
    fn letter(&self, paragraphs: usize) -> Vec<u8> {
        let marks = self.marker.repeat(10);
        docx(&paragraph(&self.marker).repeat(paragraphs), marks.as_bytes())
    }

    /// A page that says the marker, and also does what its `end` says.
    fn page(&self, end: &str) -> Vec<u8> {
        let marker = &self.marker;
        let store = "try { localStorage.mark = document.title } catch {}";
        format!("<!doctype html><title>{marker}</title><p>{marker}<script>{store}</script>{end}")
            .into_bytes()
    }

    /// A picture that says the words in many lines, and the marker beside it.
    async fn scan(&self, caller: &Caller, words: &str, lines: usize) -> Vec<u8> {
        let height = 100 * (lines + 1);
        let line = |nth| format!(r#"<tspan x="40" y="{}">{words}</tspan>"#, 100 * (nth + 1));
        let text: String = (0..lines).map(line).collect();
        let drawing = format!(
            r#"<svg xmlns="http://www.w3.org/2000/svg" width="900" height="{height}"><rect width="900" height="{height}" fill="white"/><text font-family="Liberation Sans" font-size="80">{text}</text></svg>"#
        );
        let path = format!("/{lines}.svg");
        self.sources.put(&path, Source::bytes(drawing));
        let drawn = self.hand_in(caller, &path).await;
        let drawn = jobs::ended(caller, &drawn).await;
        let drawn = drawn["thumbnails"].as_array().unwrap().last().unwrap()["url"].clone();
        let mut scan = caller.get(drawn.as_str().unwrap()).await.body.to_vec();
        scan.extend(self.marker.repeat(100).as_bytes());
        scan
    }

    async fn ends(&self, caller: &Caller, path: &str, status: &str) -> Value {
        let id = self.hand_in(caller, path).await;
        let body = jobs::ended(caller, &id).await;
        assert_eq!(body["status"], status, "{path}: {}", body["error"]);
        self.nothing_runs(&format!("after {path}")).await;
        self.check(&format!("after {path}")).await;
        body
    }

    async fn nothing_runs(&self, when: &str) {
        let worker = self.stack.pid(Part::Worker);
        let runs = || Hosted::of(worker).processes;
        eventually(&format!("nothing runs {when}"), PATIENCE, || async { runs().is_empty() }).await;
    }

    /// Waits until a program has the source of a job before it, and gives all that run then.
    async fn at_work(&self, what: &str, is_it: impl Fn(&Hosted) -> bool) -> Hosted {
        let worker = self.stack.pid(Part::Worker);
        let at_work = until_some(what, PATIENCE, || async {
            Some(Hosted::of(worker)).filter(|hosted| is_it(hosted))
        })
        .await;
        assert!(!at_work.mounts.is_empty(), "{what}: no file system of its own");
        at_work
    }

    /// Kills the worker over what its programs do, and looks for what is left.
    async fn kill_over(&mut self, hosted: &Hosted, when: &str) {
        self.stack.kill(Part::Worker);
        eventually(&format!("all have ended {when}"), PATIENCE, || async {
            hosted.left().is_empty()
        })
        .await;
        assert_eq!(self.found(), Vec::<PathBuf>::new(), "{when}");
        assert_eq!(self.found_anywhere(), Vec::<PathBuf>::new(), "{when}");
        self.stack.start_part(Part::Worker);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_a_document_is_left_however_its_job_ended() {
    let mut scene = Scene::set().await;
    let caller = scene.stack.caller(0);
    let letter = scene.letter(1);
    assert!(files::stands_in(&letter, scene.marker.as_bytes()), "in a part that is not packed");
    scene.sources.put("/letter.docx", Source::bytes(letter));
    scene.ends(&caller, "/letter.docx", "success").await;

    let unclosed = format!("</w:p><w:tbl>{}", paragraph(&scene.marker));
    let broken = docx(&unclosed, scene.marker.as_bytes());
    scene.sources.put("/broken.docx", Source::bytes(broken));
    let body = scene.ends(&caller, "/broken.docx", "failure").await;
    assert_eq!(body["error"]["code"], "corrupt", "{}", body["error"]);

    scene.sources.put("/long.docx", Source::bytes(scene.letter(MANY_PARAGRAPHS)));
    let long = scene.hand_in(&caller, "/long.docx").await;
    let hosted = scene
        .at_work("LibreOffice is at it", |hosted| {
            let desk = hosted.view("soffice", "tmp/document.docx");
            let document = desk.and_then(|path| fs::read(path).ok()).unwrap_or_default();
            files::stands_in(&document, scene.marker.as_bytes())
        })
        .await;
    scene.kill_over(&hosted, "over LibreOffice").await;
    scene.sources.put("/long.docx", Source::bytes(scene.letter(1)));
    scene.until_fulfilled(&caller, &long).await;
    scene.check("after a letter whose worker was killed").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_a_page_is_left_however_its_job_ended() {
    let mut scene = Scene::set().await;
    let caller = scene.stack.caller(0);
    scene.sources.put("/page.html", Source::bytes(scene.page("")));
    scene.ends(&caller, "/page.html", "success").await;

    // Chromium is at a page that waits for its picture.
    scene.sources.put("/never.png", Source::hanging());
    let picture = format!(r#"<img src="{}/never.png">"#, scene.way.endpoint());
    for (path, told) in [("/cancelled.html", "cancelled"), ("/killed.html", "killed")] {
        scene.sources.put(path, Source::bytes(scene.page(&picture)));
        let asked = scene.sources.hits("/never.png");
        let id = scene.hand_in(&caller, path).await;
        let hosted = scene
            .at_work("Chromium is at it", |hosted| {
                hosted.view("chrom", "tmp").is_some() && scene.sources.hits("/never.png") > asked
            })
            .await;
        if told == "killed" {
            scene.kill_over(&hosted, "over Chromium").await;
            scene.sources.put(path, Source::bytes(scene.page("")));
            scene.until_fulfilled(&caller, &id).await;
        } else {
            assert_eq!(caller.delete(&format!("/v1/jobs/{id}")).await.status, 202);
            assert_eq!(jobs::ended(&caller, &id).await["error"]["code"], told);
            eventually("all have ended", PATIENCE, || async { hosted.left().is_empty() }).await;
        }
        scene.check(&format!("after a page whose job was {told}")).await;
    }

    scene.stack.kill(Part::Worker);
    scene.stack.set("DARKROOM__LIMITS__HOSTED_WALL_MS", SHORT_MS);
    scene.stack.start_part(Part::Worker);
    scene.sources.put("/endless.html", Source::bytes(scene.page("<script>for (;;);</script>")));
    let body = scene.ends(&caller, "/endless.html", "failure").await;
    // A file that ends a program twice is not tried again.
    assert_eq!(body["error"]["code"], "quarantined", "{}", body["error"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_a_scan_is_left_but_its_text_where_results_lie() {
    let mut scene = Scene::set().await;
    let caller = scene.stack.caller(0);
    let letter = |_| char::from(ALPHABET[rand::rng().random_range(0..ALPHABET.len())]);
    let words: String = (0..LETTERS).map(letter).collect();
    let scan = scene.scan(&caller, &words, 1).await;
    scene.sources.put("/scan.jpg", Source::bytes(scan.clone()));

    let endpoint = scene.way.endpoint();
    let wish = |path: &str| json!({"url": format!("{endpoint}{path}"), "sizes": ["40x40"], "metadata": ["ocr"]});
    let read = jobs::wish(&caller, &wish("/scan.jpg")).await;
    let body = jobs::ended(&caller, &read).await;
    let text = body["original_file"]["metadata"]["ocr"][0]["text"].as_str().unwrap();
    assert!(text.len() >= LETTERS / 2, "{words} was read as {text:?}");
    scene.said = vec![words.clone(), text.trim().to_owned()];
    scene.nothing_runs("after a scan").await;
    scene.check("after a scan").await;

    let mut missing = wish("/scan.jpg");
    missing["options"] = json!({"languages": ["xyz"]});
    let failed = jobs::wish(&caller, &missing).await;
    assert_eq!(jobs::ended(&caller, &failed).await["error"]["code"], "language_missing");
    scene.nothing_runs("after a scan that could not be read").await;
    scene.check("after a scan that could not be read").await;

    let long_scan = scene.scan(&caller, &words, MANY_LINES).await;
    for (path, told) in [("/cancelled.jpg", "cancelled"), ("/killed.jpg", "killed")] {
        scene.sources.put(path, Source::bytes(long_scan.clone()));
        let id = jobs::wish(&caller, &wish(path)).await;
        let hosted = scene
            .at_work("Tesseract is at it", |hosted| {
                let desk = hosted.view("tesseract", "tmp/picture");
                desk.and_then(|path| fs::metadata(path).ok()).is_some_and(|file| file.len() > 0)
            })
            .await;
        if told == "killed" {
            scene.kill_over(&hosted, "over Tesseract").await;
            scene.sources.put(path, Source::bytes(scan.clone()));
            scene.until_fulfilled(&caller, &id).await;
        } else {
            assert_eq!(caller.delete(&format!("/v1/jobs/{id}")).await.status, 202);
            assert_eq!(jobs::ended(&caller, &id).await["error"]["code"], told);
            eventually("all have ended", PATIENCE, || async { hosted.left().is_empty() }).await;
        }
        scene.check(&format!("after a scan whose job was {told}")).await;
    }
}
