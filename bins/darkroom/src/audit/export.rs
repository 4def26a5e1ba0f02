//! `darkroom audit export`: events, tiles and checkpoints as lines of JSON that anything can read.

use std::{
    fs::OpenOptions,
    io::{BufWriter, Write, stdout},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use clap::Args;
use eventlog::Log;
use service::{Clock, Failure};

use super::{Place, source};
use crate::{backup::failed, exit::Exit};

/// Write all events as they are stored, with their tiles and checkpoints, as lines of JSON
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  darkroom audit export /archive              into /archive/audit-<time>.ndjson
  darkroom audit export log.ndjson
  darkroom audit export - | zstd > log.ndjson.zst
  darkroom audit export - | jq -r 'select(.event) | .event.body | @base64d'

`darkroom audit verify --export` needs nothing but this file and a key. It takes in every account's events;
what is personal in them stays sealed. The last line is {\"end\":...}.")]
pub(super) struct Arguments {
    /// A folder, a file that must not be there, or - for standard output
    #[arg(value_name = "DIR|FILE")]
    to: PathBuf,
    #[command(flatten)]
    place: Place,
}

/// Runs the command.
pub(super) async fn run(arguments: Arguments, clock: &dyn Clock) -> Result<Exit, Failure> {
    let connection = arguments.place.connection()?;
    let log = Log::connect(&connection.nats()?, "auditor").await?;
    let now = clock.now();
    let path = if arguments.to.is_dir() {
        let name = now.strftime("audit-%Y-%m-%dT%H-%M-%SZ.ndjson").to_string();
        arguments.to.join(name)
    } else {
        arguments.to
    };
    let (mut out, file) = create(&path)?;
    let written = source::lines(&log, now, |line| {
        serde_json::to_writer(&mut out, &line)?;
        Ok(out.write_all(b"\n").map_err(failed("write", &path))?)
    })
    .await?;
    out.flush().map_err(failed("write", &path))?;
    drop(out);
    if let Some(file) = file {
        file.sync_all().map_err(failed("write", &path))?;
        writeln!(stdout(), "{}: {} events", path.display(), written.events)?;
    }
    Ok(Exit::Well)
}

/// Where it goes, and the file if it is one.
fn create(path: &Path) -> Result<(Box<dyn Write + Send>, Option<std::fs::File>), Failure> {
    if path == Path::new("-") {
        return Ok((Box::new(BufWriter::new(stdout())), None));
    }
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let file = file.map_err(failed("make", path))?;
    let handle = file.try_clone().map_err(failed("make", path))?;
    Ok((Box::new(BufWriter::with_capacity(1 << 20, file)), Some(handle)))
}
