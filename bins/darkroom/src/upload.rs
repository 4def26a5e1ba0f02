//! `darkroom upload`: a file straight into the platform bucket, in parts, taken up where it stopped.

mod journal;
mod parts;

use std::{
    fs::File,
    io::{self, Write as _, stdout},
    path::{Path, PathBuf},
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use clap::Args;
use domain::upload::Plan;
use http::Method;
use serde_json::{Value, json};
use service::{Failure, OrTry};
use tokio::{sync::Mutex, time::sleep};
use tokio_util::sync::CancellationToken;

use self::{
    journal::{Head, Journal, JournalError, changed},
    parts::{Parts, links_of, patiently},
};
use crate::{
    client::{Client, ClientError},
    connection::{Connection, Where},
    preview::{Wish, fulfil},
    progress::{Progress, bytes},
};

/// How often the line that shows the progress moves.
const TICK: Duration = Duration::from_millis(250);
/// How often the API is asked whether the file is there.
const LOOK: Duration = Duration::from_millis(300);
const LONGEST_LOOK: Duration = Duration::from_secs(5);
/// The most parts on their way at once.
const MAX_AT_ONCE: u64 = 32;

/// Upload a file, for any number of previews; go on where it stopped
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  darkroom upload film.mov
  darkroom upload film.mov --resume            after it was cut off, however that happened
  darkroom upload film.mov --preview --sizes 640 --extras storyboard
  darkroom preview $(darkroom upload film.mov) --sizes 640

The file goes in parts straight into the platform bucket, encrypted there, and is held against its
CRC-32C. What is printed on standard output, upload:ID, is what a job's url can be. The file is
removed once the jobs that name it have ended, or after a day without any, unless the account keeps
its media. What has been sent is noted in the user's cache folder.")]
pub(crate) struct Arguments {
    /// The file
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Send only what is missing of an upload of this file that was cut off
    #[arg(long)]
    resume: bool,
    /// Parts on their way at once
    #[arg(long, value_name = "COUNT", default_value_t = 4, value_parser = clap::value_parser!(u64).range(1..=MAX_AT_ONCE))]
    parallel: u64,
    /// Size of a part, in MiB [default: 16, or as much as keeps their number below 10,000]
    #[arg(long, value_name = "MIB")]
    part_mib: Option<u64>,
    /// Make previews once the file is there
    #[arg(long)]
    preview: bool,
    #[command(flatten)]
    wish: Wish,
    /// Put previews into this folder [default: ./<name>-previews]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    #[command(flatten)]
    place: Where,
}

/// The file is not there, as far as can be told.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UploadError {
    /// The file cannot be read.
    #[error("read {}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// There is nothing in it, or too much.
    #[error("cut {} into parts", path.display())]
    Plan {
        /// Which.
        path: PathBuf,
        #[source]
        source: domain::upload::InvalidPlan,
    },
    /// It is not what it was.
    #[error("{} changed while it was uploaded", path.display())]
    Changed {
        /// Which.
        path: PathBuf,
    },
    /// The API says no.
    #[error(transparent)]
    Api(#[from] ClientError),
    /// The progress cannot be noted.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// A part does not arrive.
    #[error("part {number} did not arrive in {tries} tries")]
    Part {
        /// Which.
        number: u64,
        /// How often it was sent.
        tries: u32,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// What arrived is something else.
    #[error("upload {id} was {state}: {because}")]
    Over {
        /// Which.
        id: String,
        /// What became of it.
        state: String,
        /// Why.
        because: String,
    },
    /// Told to stop.
    #[error("interrupted")]
    Interrupted,
}

/// Runs the command.
pub(crate) async fn run(arguments: Arguments, shutdown: CancellationToken) -> Result<(), Failure> {
    let connection = arguments.place.connection()?;
    let progress = Progress::start(false);
    let uploaded = tokio::select! {
        uploaded = upload(&arguments, &connection, &progress) => uploaded?,
        () = shutdown.cancelled() => {
            return Err(UploadError::Interrupted).or_try("again with --resume")?;
        }
    };
    let mut lines = vec![uploaded.clone()];
    if arguments.preview {
        let name = arguments.file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let out = arguments.out.unwrap_or_else(|| PathBuf::from(format!("{name}-previews")));
        let done =
            fulfil(&connection, &uploaded, &arguments.wish, &out, &progress, shutdown).await?;
        lines.extend(done.files.iter().map(|file| file.display().to_string()));
    }
    drop(progress);
    let mut out = stdout().lock();
    for line in lines {
        writeln!(out, "{line}")?;
    }
    Ok(())
}

/// Uploads the file and gives what a job names it by.
async fn upload(
    arguments: &Arguments,
    connection: &Connection,
    progress: &Progress,
) -> Result<String, Failure> {
    let client = Client::new(connection)?;
    let path = &arguments.file;
    let unreadable = |source| UploadError::File { path: path.clone(), source };
    let file = File::open(path).map_err(unreadable).or_try("the path of a file")?;
    let metadata = file.metadata().map_err(unreadable)?;
    let full = path.canonicalize().map_err(unreadable)?;
    let (api, key) = (connection.get("DARKROOM_URL")?, connection.get("DARKROOM_KEY")?);
    let noted = Journal::path(&cache(), api, key, &full);
    let known = if arguments.resume { Journal::take_up(noted.clone())? } else { None };
    let known = match known {
        Some(journal)
            if journal.head.size_bytes != metadata.len()
                || journal.head.changed != changed(&metadata) =>
        {
            return Err(UploadError::Changed { path: path.clone() })
                .or_try("again without --resume")?;
        }
        Some(journal) => Some(journal),
        None if arguments.resume => {
            progress.say("nothing was sent of this file before");
            None
        }
        None => None,
    };
    let (journal, links) = match known {
        Some(journal) => {
            (reconciled(&client, journal).await.or_try("again without --resume")?, vec![])
        }
        None => {
            let part_bytes = arguments.part_mib.map(|mib| mib.saturating_mul(1 << 20));
            let plan = Plan::new(metadata.len(), part_bytes)
                .map_err(|source| UploadError::Plan { path: path.clone(), source })?;
            begin(&client, path, plan, changed(&metadata), &noted).await?
        }
    };
    let id = journal.head.id.clone();
    progress.say(&format!("upload {id}, {}", readable(journal.head.size_bytes)));
    let journal = match journal.sent.len() as u64 {
        count if count < plan_of(&journal).count() || journal.head.id.is_empty() => {
            send(arguments, &client, file, journal, links, progress)
                .await
                .or_try("again with --resume")?
        }
        _ => journal,
    };
    let now = std::fs::metadata(path).map_err(unreadable)?;
    if (now.len(), changed(&now)) != (journal.head.size_bytes, journal.head.changed) {
        return Err(UploadError::Changed { path: path.clone() })
            .or_try("again without --resume")?;
    }
    complete(&client, &journal).await.or_try("again with --resume")?;
    progress.now("verifying");
    let source = await_file(&client, &id).await.or_try("again without --resume")?;
    journal.remove();
    Ok(source)
}

fn plan_of(journal: &Journal) -> Plan {
    Plan { size_bytes: journal.head.size_bytes, part_bytes: journal.head.part_bytes }
}

/// Where journals lie: the user's cache folder.
fn cache() -> PathBuf {
    let folder = |name: &str| std::env::var_os(name).filter(|path| !path.is_empty());
    let cache = folder("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.or_else(|| folder("HOME").map(|home| Path::new(&home).join(".cache")));
    cache.unwrap_or_else(|| PathBuf::from(crate::up::DATA)).join("darkroom/uploads")
}

/// Begins an upload.
async fn begin(
    client: &Client,
    path: &Path,
    plan: Plan,
    changed: (i64, i64),
    noted: &Path,
) -> Result<(Journal, Vec<parts::Link>), UploadError> {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
    let wish = json!({
        "file_name": name, "size_bytes": plan.size_bytes, "part_bytes": plan.part_bytes,
    });
    let answer = patiently(|| client.json(Method::POST, "/v1/uploads", Some(&wish))).await?;
    let id = text(&answer, "id")?;
    let head = Head { id, size_bytes: plan.size_bytes, part_bytes: plan.part_bytes, changed };
    Ok((Journal::begin(noted, head)?, links_of(&answer)?))
}

/// What was noted, but for parts that the bucket does not have.
async fn reconciled(client: &Client, mut journal: Journal) -> Result<Journal, UploadError> {
    let path = format!("/v1/uploads/{}", journal.head.id);
    let answer = patiently(|| client.json(Method::GET, &path, None)).await?;
    match text(&answer, "state")?.as_str() {
        "open" => {
            let received = answer.pointer("/received/parts").and_then(Value::as_array);
            let numbers: Vec<u64> = received
                .into_iter()
                .flatten()
                .filter_map(|part| part.get("number").and_then(Value::as_u64))
                .collect();
            journal.sent.retain(|number, _| numbers.contains(number));
            Ok(journal)
        }
        "verifying" | "uploaded" => Ok(journal),
        state => Err(over(&answer, state)?),
    }
}

/// Sends what is missing.
async fn send(
    arguments: &Arguments,
    client: &Client,
    file: File,
    journal: Journal,
    links: Vec<parts::Link>,
    progress: &Progress,
) -> Result<Journal, UploadError> {
    let (plan, id) = (plan_of(&journal), journal.head.id.clone());
    let pending: Vec<u64> =
        (1..=plan.count()).filter(|number| !journal.sent.contains_key(number)).collect();
    let length = |number: &u64| plan.part(*number).map_or(0, |(_, bytes)| bytes);
    let before: u64 = journal.sent.keys().map(length).sum();
    if before > 0 {
        progress.say(&format!("{} were sent before", readable(before)));
    }
    let journal = Mutex::new(journal);
    let parts = Parts::new(client, &id, Arc::new(file), plan, &journal, &pending, links);
    let gone = Arc::clone(&parts.gone);
    let shown = async {
        loop {
            let sent = before + gone.load(Ordering::Relaxed);
            let percent = sent.saturating_mul(100) / plan.size_bytes.max(1);
            let (sent, all) = (readable(sent), readable(plan.size_bytes));
            progress.now(&format!("sending, {sent} of {all}, {percent} %"));
            sleep(TICK).await;
        }
    };
    let at_once = usize::try_from(arguments.parallel).unwrap_or(1);
    tokio::select! {
        sent = parts.send(pending, at_once) => sent?,
        () = shown => {}
    }
    drop(parts);
    Ok(journal.into_inner())
}

/// Says that all parts have been sent, and what they make.
async fn complete(client: &Client, journal: &Journal) -> Result<(), UploadError> {
    let plan = plan_of(journal);
    let length = |number: u64| plan.part(number).map_or(0, |(_, bytes)| bytes);
    let crc = journal.sent.values().fold(0, |crc, part| {
        let length = usize::try_from(length(part.number)).unwrap_or(usize::MAX);
        crc32c::crc32c_combine(crc, part.crc32c, length)
    });
    let parts: Vec<Value> = journal
        .sent
        .values()
        .map(|part| json!({ "number": part.number, "etag": part.etag }))
        .collect();
    let wish = json!({ "parts": parts, "checksum": { "crc32c": format!("{crc:08x}") } });
    let path = format!("/v1/uploads/{}/complete", journal.head.id);
    patiently(|| client.json(Method::POST, &path, Some(&wish))).await?;
    Ok(())
}

/// Waits until the file is there and has been looked at.
async fn await_file(client: &Client, id: &str) -> Result<String, UploadError> {
    let path = format!("/v1/uploads/{id}");
    let mut pause = LOOK;
    loop {
        let answer = patiently(|| client.json(Method::GET, &path, None)).await?;
        match text(&answer, "state")?.as_str() {
            "uploaded" => return text(&answer, "source"),
            "open" | "verifying" => {}
            state => return Err(over(&answer, state)?),
        }
        sleep(pause).await;
        pause = (pause * 2).min(LONGEST_LOOK);
    }
}

fn over(answer: &Value, state: &str) -> Result<UploadError, UploadError> {
    let because = answer.get("because").and_then(Value::as_str).unwrap_or("its time was over");
    let because = match because {
        "checksum" => "its checksum is another one",
        "size" => "its size is another one",
        "parts" => "parts of it are missing",
        other => other,
    };
    Ok(UploadError::Over {
        id: text(answer, "id")?,
        state: state.to_owned(),
        because: because.to_owned(),
    })
}

fn text(answer: &Value, field: &'static str) -> Result<String, UploadError> {
    let found = answer.get(field).and_then(Value::as_str).map(ToOwned::to_owned);
    let missing = || ClientError::Answer(serde::de::Error::missing_field(field));
    found.ok_or_else(|| missing().into())
}

fn readable(count: u64) -> String {
    bytes(Some(&json!(count)))
}
