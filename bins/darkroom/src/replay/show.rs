//! Events read, held against their chains and written: each while the others are under way.

use std::{
    io::{self, IsTerminal as _, Write as _, stderr, stdout},
    time::{Duration, Instant},
};

use eventlog::{Line, Log, Unavailable};
use futures::{Stream, StreamExt as _};
use indicatif::{HumanCount, ProgressBar, ProgressStyle};
use service::Failure;

use super::{Format, Plan, chains::Chains, line, position::Bookmark, told::Told};
use crate::exit::Exit;

/// Messages that are made ready and written together, at most.
const TOGETHER: usize = 1_000;
/// Such heaps under way at once.
const AHEAD: usize = 4;
/// After how long a replay is a long one.
const LONG: Duration = Duration::from_secs(2);
/// How often a long one says how far it is where nothing can move on a terminal.
const SPEAK_EVERY: Duration = Duration::from_secs(10);

pub(super) async fn run(log: &Log, plan: Plan) -> Result<Exit, Failure> {
    let Plan { selection, mut bookmark, format, places } = plan;
    let mut chains = Chains::new(selection.reach);
    let told = tellings(log.replay_merged(selection.sources), format);
    match show(Box::pin(told), &mut chains, &mut bookmark, format).await? {
        Seen::Enough => return Ok(exit(&chains)),
        Seen::All => {}
    }
    bookmark.note()?;
    let verdict = chains.verdict();
    // Standard output belongs to the events where those are for programs.
    let said = if format == Format::Human {
        writeln!(stdout(), "{verdict}").and_then(|()| stdout().flush())
    } else {
        writeln!(stderr(), "{verdict}")
    };
    if places && !bookmark.reached().is_empty() {
        writeln!(stderr(), "position: {}", bookmark.reached())?;
    }
    enough(said)?;
    Ok(exit(&chains))
}

const fn exit(chains: &Chains) -> Exit {
    if chains.broken() { Exit::ChainBroken } else { Exit::Well }
}

/// Whether somebody still looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Seen {
    All,
    Enough,
}

/// `| head` has seen enough.
fn enough(written: io::Result<()>) -> io::Result<Seen> {
    match written {
        Ok(()) => Ok(Seen::All),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(Seen::Enough),
        Err(error) => Err(error),
    }
}

/// Heaps of messages in their order, several of them made ready at once.
fn tellings(
    raws: impl Stream<Item = Result<eventlog::Raw, Unavailable>> + Send,
    format: Format,
) -> impl Stream<Item = Result<Told, Failure>> {
    let heaps = raws.ready_chunks(TOGETHER).map(move |raws| async move {
        let raws = raws.into_iter().collect::<Result<Vec<_>, _>>()?;
        Ok(tokio::task::spawn_blocking(move || Told::of(raws, format)).await?)
    });
    heaps.buffered(AHEAD)
}

async fn show(
    mut told: impl Stream<Item = Result<Told, Failure>> + Unpin,
    chains: &mut Chains,
    bookmark: &mut Bookmark,
    format: Format,
) -> Result<Seen, Failure> {
    if format == Format::Csv
        && bookmark.reached().is_empty()
        && enough(stdout().write_all(Line::CSV_HEAD.as_bytes()))? == Seen::Enough
    {
        return Ok(Seen::Enough);
    }
    let mut progress = Progress::start();
    while let Some(Told { raws, mut text }) = told.next().await.transpose()? {
        for (raw, hash) in &raws {
            let holds = chains.take(raw, *hash);
            if format == Format::Human {
                text.extend_from_slice(line::human(raw, holds).as_bytes());
                text.push(b'\n');
            }
        }
        if enough(stdout().write_all(&text))? == Seen::Enough {
            return Ok(Seen::Enough);
        }
        for (raw, _) in &raws {
            bookmark.reach(&raw.stream, raw.seq);
        }
        if bookmark.is_due() {
            stdout().flush()?;
            bookmark.note()?;
        }
        progress.pass(raws.len(), bookmark);
    }
    Ok(match enough(stdout().flush())? {
        Seen::All => Seen::All,
        Seen::Enough => Seen::Enough,
    })
}

/// What is said on standard error while a long replay runs.
struct Progress {
    begun: Instant,
    spoke: Instant,
    count: u64,
    /// Where events do not go to the same terminal.
    bar: Option<ProgressBar>,
    quiet: bool,
}

impl Progress {
    fn start() -> Self {
        let now = Instant::now();
        // Events on a terminal show by themselves how far it is.
        let quiet = stdout().is_terminal();
        let bar = (!quiet && stderr().is_terminal()).then(|| {
            let bar = ProgressBar::new_spinner();
            let style = "{spinner} {human_pos} events, {per_sec}, up to {msg}";
            if let Ok(style) = ProgressStyle::with_template(style) {
                bar.set_style(style);
            }
            bar
        });
        Self { begun: now, spoke: now, count: 0, bar, quiet }
    }

    fn pass(&mut self, events: usize, bookmark: &Bookmark) {
        self.count += events as u64;
        if self.begun.elapsed() < LONG {
            return;
        }
        if let Some(bar) = &self.bar {
            bar.set_position(self.count);
            bar.set_message(bookmark.reached().to_string());
        } else if !self.quiet && self.spoke.elapsed() >= SPEAK_EVERY {
            self.spoke = Instant::now();
            let (count, reached) = (HumanCount(self.count), bookmark.reached());
            // Nobody is left to tell if standard error is closed.
            let _told = writeln!(stderr(), "{count} events, up to {reached}").is_ok();
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
