//! `darkroom audit verify`: whether the log is still the one that was written.

use std::{
    fs::File,
    io::{BufRead as _, BufReader, Read, Write as _, stdin, stdout},
    path::{Path, PathBuf},
};

use clap::Args;
use eventlog::Log;
use evidence::{
    bundle::Bundle,
    verify::{Line, Report, Verifier},
};
use service::{Clock, Failure, OrTry};

use super::{Place, keys, packed::Packing, source};
use crate::{backup::failed, exit::Exit};

/// The longest line of an export: the largest event, as base64, and what stands around it.
const LINE_BYTES: u64 = 1 << 20;
/// The largest file that a checkpoint is looked for in.
const KEPT_BYTES: u64 = 64 << 20;

/// Find out whether the log is still the one that was written, and which event is the first that is not
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  darkroom audit verify                                  the live log
  darkroom audit verify --key notary.pub --checkpoint kept/2026-11-01.txt
  darkroom audit verify --export log.ndjson --key KEY    offline; log.ndjson.gz too
  zstd -dc log.ndjson.zst | darkroom audit verify --export - --key KEY

What is looked at: that every event continues the one before it in its history, that no sequence is
missing, that events are those whose leaves were recorded, that the tree of these leaves is the one that
every checkpoint was signed for, and that no two checkpoints speak of two histories.

Whoever may change everything on a server can set events and checkpoints back together. Only a checkpoint
that was kept elsewhere shows that: name it with --checkpoint (a signed note, or an evidence bundle).

Exit status 2 says that something does not hold.")]
pub(super) struct Arguments {
    /// Verify this file instead of the live log; - reads standard input
    #[arg(long, value_name = "FILE")]
    export: Option<PathBuf>,
    /// Whose signatures count, of the notary and of witnesses; may be given several times
    #[arg(long, value_name = "KEY|FILE")]
    key: Vec<String>,
    /// A checkpoint that was kept elsewhere; may be given several times
    #[arg(long, value_name = "FILE")]
    checkpoint: Vec<PathBuf>,
    /// Say it as one JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, thiserror::Error)]
enum VerifyError {
    #[error("{} holds neither a signed checkpoint nor an evidence bundle", .0.display())]
    NoCheckpoint(PathBuf),
}

/// Runs the command.
pub(super) async fn run(arguments: Arguments, clock: &dyn Clock) -> Result<Exit, Failure> {
    let mut kept = Vec::new();
    for path in &arguments.checkpoint {
        kept.extend(checkpoints(path)?);
    }
    let report = match &arguments.export {
        Some(path) => {
            let trust = keys::given(&arguments.key)?;
            offline(Verifier::new(trust, kept, clock.now()), path)?
        }
        None => live(&arguments, kept, clock).await?,
    };
    tell(&report, arguments.json)?;
    Ok(if report.holds { Exit::Well } else { Exit::ChainBroken })
}

async fn live(
    arguments: &Arguments,
    kept: Vec<(String, String)>,
    clock: &dyn Clock,
) -> Result<Report, Failure> {
    let connection = arguments.place.connection()?;
    let trust = keys::known(&arguments.key, &connection)?;
    let now = clock.now();
    let mut verifier = Verifier::new(trust, kept, now);
    let log = Log::connect(&connection.nats()?, "auditor").await?;
    source::lines(&log, now, |line| {
        verifier.take(&line);
        Ok(())
    })
    .await?;
    Ok(verifier.finish())
}

/// Reads an export line by line: it may be larger than memory.
fn offline(mut verifier: Verifier, path: &Path) -> Result<Report, Failure> {
    let from: Box<dyn Read> = if path == Path::new("-") {
        Box::new(stdin().lock())
    } else {
        Packing::of(path)?.unpack(File::open(path).map_err(failed("open", path))?)
    };
    let mut from = BufReader::with_capacity(1 << 20, from);
    let mut line = Vec::new();
    for number in 1.. {
        line.clear();
        let read = (&mut from).take(LINE_BYTES).read_until(b'\n', &mut line);
        if read.map_err(failed("read", path))? == 0 {
            break;
        }
        match serde_json::from_slice::<Line>(&line) {
            Ok(line) => verifier.take(&line),
            Err(error) => verifier.unreadable(number, &error),
        }
    }
    Ok(verifier.finish())
}

/// What was kept elsewhere: a note, or the notes of a bundle.
fn checkpoints(path: &Path) -> Result<Vec<(String, String)>, Failure> {
    let mut text = String::new();
    let file = File::open(path).map_err(failed("open", path))?;
    file.take(KEPT_BYTES).read_to_string(&mut text).map_err(failed("read", path))?;
    let name = path.display().to_string();
    if let Ok(bundle) = serde_json::from_str::<Bundle>(&text) {
        return Ok(bundle.checkpoints.into_iter().map(|it| (name.clone(), it.note)).collect());
    }
    if evidence::note::Note::parse(&text).is_err() {
        return Err(VerifyError::NoCheckpoint(path.to_owned()))
            .or_try("a file as the notary writes it elsewhere, or one of `darkroom audit prove`");
    }
    Ok(vec![(name, text)])
}

fn tell(report: &Report, json: bool) -> Result<(), Failure> {
    if json {
        writeln!(stdout(), "{}", serde_json::to_string_pretty(report)?)?;
    } else {
        write!(stdout(), "{report}")?;
    }
    Ok(())
}
