//! `darkroom audit export`: events, tiles and checkpoints as lines of JSON that anything can read.

use std::{
    fs::OpenOptions,
    io::{self, BufWriter, Stdout, Write, stdout},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use clap::Args;
use eventlog::Log;
use service::{Clock, Failure};

use super::{
    Place,
    packed::{Packed, Packing},
    source,
};
use crate::{backup::failed, exit::Exit};

/// Write all events as they are stored, with their tiles and checkpoints, as lines of JSON
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  darkroom audit export /archive              into /archive/audit-<time>.ndjson
  darkroom audit export log.ndjson
  darkroom audit export log.ndjson.gz         packed with gzip
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
    let mut out = create(&path)?;
    let written = source::lines(&log, now, |line| {
        serde_json::to_writer(&mut out, &line)?;
        Ok(out.write_all(b"\n").map_err(failed("write", &path))?)
    })
    .await?;
    match out {
        Out::Pipe(mut out) => out.flush().map_err(failed("write", &path))?,
        Out::File(out) => {
            out.finish().map_err(failed("write", &path))?;
            writeln!(stdout(), "{}: {} events", path.display(), written.events)?;
        }
    }
    Ok(Exit::Well)
}

/// Where it goes.
enum Out {
    Pipe(BufWriter<Stdout>),
    File(Packed),
}

impl Write for Out {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Pipe(out) => out.write(bytes),
            Self::File(out) => out.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Pipe(out) => out.flush(),
            Self::File(out) => out.flush(),
        }
    }
}

fn create(path: &Path) -> Result<Out, Failure> {
    if path == Path::new("-") {
        return Ok(Out::Pipe(BufWriter::new(stdout())));
    }
    let packing = Packing::of(path)?;
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    Ok(Out::File(packing.pack(file.map_err(failed("make", path))?)))
}
