//! What the notary and proofs take in a log of this size, beside what anybody must take.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use eventlog::{Log, Statement, topology};
use evidence::{
    Hash,
    bundle::{Bundle, Proven},
    checkpoint::Checkpoint,
    note::Note,
    proof,
    shelf::Shelf,
    tree,
};
use service::SystemClock;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::{
    EVENTS, IN_FLIGHT, Stage, history_id,
    support::{
        Trouble,
        figures::{Figures, Latencies, rate, say},
    },
};

/// How long the notary may take for all of it.
const PATIENCE: Duration = Duration::from_secs(300);
/// How long between two looks at how far it has come.
const LOOK: Duration = Duration::from_millis(10);
/// How often a proof is made.
const PROOFS: u32 = 5;
/// How often the notary looks at a stream, in milliseconds.
const ITS_LOOK_MS: f64 = 500.0;

/// A notary with the settings that it comes with.
struct Notary {
    stop: CancellationToken,
    task: JoinHandle<Result<(), notary::Error>>,
}

impl Notary {
    fn start(stage: &Stage) -> Result<Self, Trouble> {
        let mut settings: notary::Settings = toml::from_str(notary::settings::DEFAULTS)?;
        settings.notary.data = stage.data.path().join("notary");
        settings.notary.name = Some("bench.example".to_owned());
        settings.nats = stage.server.settings("notary");
        let stop = CancellationToken::new();
        let run = notary::run(settings, Arc::new(SystemClock), stop.clone());
        Ok(Self { stop, task: tokio::spawn(run) })
    }

    async fn stop(self) -> Result<(), Trouble> {
        self.stop.cancel();
        Ok(self.task.await??)
    }
}

/// How many events are under a checkpoint.
async fn signed(shelf: &Shelf) -> Result<u64, Trouble> {
    let Some(raw) = shelf.last(topology::JOBS, Statement::Signed).await? else { return Ok(0) };
    let checkpoint: Checkpoint = Note::parse(std::str::from_utf8(&raw.body)?)?.text.parse()?;
    Ok(checkpoint.size)
}

/// Has all of it signed, and one job in the middle proven.
pub(super) async fn measure(
    stage: &Stage,
    jobs: usize,
    figures: &mut Figures,
) -> Result<(), Trouble> {
    let events = jobs * EVENTS;
    say(&format!("proofs in a log of {events} events"));
    let bare = rate(events, stage.ordered(events).await?);
    let begun = Instant::now();
    let notary = Notary::start(stage)?;
    let shelf = Shelf::new(&Log::connect(&stage.server.settings("auditor"), "auditor").await?);
    while signed(&shelf).await? < events as u64 {
        if begun.elapsed() > PATIENCE {
            return Err("the notary does not get to the end".into());
        }
        tokio::time::sleep(LOOK).await;
    }
    figures.add("notary", rate(events, begun.elapsed()), bare);
    notary.stop().await?;
    let job = history_id((jobs / 2) as u64).to_string();
    for number in 0..PROOFS {
        let file = stage.data.path().join(format!("{number}.json"));
        let name = path(&file);
        let proven = stage.run(&["audit", "prove", &job, "--out", &name], "auditor").await?;
        let naive = from_leaves(events as u64)?;
        figures.add("proof-time-ms-1m", ms(proven.took), ms(naive));
        let checked = stage.run(&["audit", "check", &name], "auditor").await?;
        let started = stage.run(&["--version"], "auditor").await?;
        figures.add("proof-check-ms-1m", ms(checked.took), ms(started.took));
    }
    sizes(&stage.data.path().join("0.json"), events, figures)
}

/// The proof of one event, by who has kept leaves and no tiles.
fn from_leaves(events: u64) -> Result<Duration, Trouble> {
    let event = |seq: u64| tree::event_leaf(topology::JOBS, seq, &[7; Hash::BYTES]);
    let leaves: Vec<Hash> = (1..=events).map(event).collect();
    let begun = Instant::now();
    let path = proof::inclusion(events / 2, events)?.make(leaves.as_slice())?;
    let took = begun.elapsed();
    if path.is_empty() {
        return Err("a tree of one leaf has no proofs".into());
    }
    Ok(took)
}

/// What a proof and a bundle have, beside hashes, events and checkpoints with nothing around them.
fn sizes(file: &Path, events: usize, figures: &mut Figures) -> Result<(), Trouble> {
    let text = std::fs::read(file)?;
    let bundle: Bundle = serde_json::from_slice(&text)?;
    let levels = usize::try_from(events.next_power_of_two().trailing_zeros())?;
    let hashes = levels * Hash::BYTES;
    let first = bundle.events.first().ok_or("the bundle is empty")?;
    let path = serde_json::to_vec(&first.path)?;
    figures.add("proof-size-bytes-1m", count(path.len()), count(hashes));
    let bare = |Proven { event, .. }: &Proven| {
        let raw = event.raw();
        let headers = raw.headers.iter().map(|(name, value)| name.len() + value.len());
        raw.subject.len() + raw.body.len() + headers.sum::<usize>() + hashes
    };
    let least = bundle.events.iter().map(bare).sum::<usize>()
        + bundle.checkpoints.iter().map(|signed| signed.note.len()).sum::<usize>();
    figures.add("bundle-size-bytes-1m", count(text.len()), count(least));
    Ok(())
}

/// Has events written as fast as they can be, and looks at how far behind the notary's checkpoints are.
pub(super) async fn lag(
    stage: &Stage,
    jobs: usize,
    alone: f64,
    lasting: Duration,
    figures: &mut Figures,
) -> Result<(), Trouble> {
    say(&format!("the notary's lag, for {} s of writing", lasting.as_secs()));
    let notary = Notary::start(stage)?;
    let log = Log::connect(&stage.server.settings("auditor"), "auditor").await?;
    let shelf = Shelf::new(&log);
    let begun = Instant::now();
    let writing = async {
        let mut written = 0;
        while begun.elapsed() < lasting {
            let first = jobs + written;
            stage.fill(first..first + IN_FLIGHT).await?;
            written += IN_FLIGHT;
        }
        Ok::<_, Trouble>(rate(written * EVENTS, begun.elapsed()))
    };
    let looking = async {
        let (mut stored, mut behind, mut late) = (Vec::new(), Vec::new(), Vec::new());
        while begun.elapsed() < lasting {
            let signed = signed(&shelf).await?;
            let (last, now) = (log.last_sequence(topology::JOBS).await?, begun.elapsed());
            stored.push((last, now));
            // Since when the oldest event is there that no checkpoint covers.
            let oldest = stored.partition_point(|(last, _)| *last <= signed);
            let since = stored.get(oldest).map_or(now, |(_, at)| *at);
            behind.push(last.saturating_sub(signed));
            late.push(now - since);
            tokio::time::sleep(LOOK).await;
        }
        behind.sort_unstable();
        Ok::<_, Trouble>((behind, late.into_iter().collect::<Latencies>()))
    };
    let (written, (behind, late)) = tokio::try_join!(writing, looking)?;
    notary.stop().await?;
    figures.add("writing-beside-notary", written, alone);
    // Half of what its looks are apart, and what is written meanwhile.
    let median = behind.get(behind.len() / 2).copied().unwrap_or_default();
    let meanwhile = written * ITS_LOOK_MS / 2.0 / 1e3;
    figures.add("notary-lag-events", count(usize::try_from(median)?), meanwhile);
    figures.add("notary-lag-ms", late.ms(0.5), ITS_LOOK_MS / 2.0);
    figures.add("notary-lag-p99-ms", late.ms(0.99), ITS_LOOK_MS);
    Ok(())
}

fn path(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

fn ms(took: Duration) -> f64 {
    took.as_secs_f64() * 1e3
}

#[allow(clippy::cast_precision_loss, reason = "counts of a benchmark are small")]
fn count(count: usize) -> f64 {
    count as f64
}
