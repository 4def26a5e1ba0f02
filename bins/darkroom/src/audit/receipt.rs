//! `darkroom audit receipt`: whether a receipt is genuine, and whether objects are those it speaks of.

use std::{
    fs::File,
    io::{self, Read, Write as _, stdout},
    path::{Path, PathBuf},
};

use bytes::Bytes;
use clap::Args;
use domain::id::JobId;
use evidence::{
    dsse,
    receipt::{Statement, Subject, Verified, VerifyError, verify},
    receipt_key::PublicKeys,
};
use http::{Method, Request};
use http_body_util::{BodyExt as _, Full};
use serde_json::{Value, json};
use service::{Failure, OrTry};
use sha2::{Digest as _, Sha256};
use tokio::time::timeout;

use crate::{
    client::Client,
    connection::Where,
    exit::Exit,
    http::{self as transport, HttpError},
    up::DATA,
};

/// The public keys of receipts in a data folder.
const KEYS_NAME: &str = "receipts.pub";
/// How long a download may be silent.
const STALL_MAX: std::time::Duration = std::time::Duration::from_secs(60);
/// The most files of a folder that are looked at.
const FILES_MAX: usize = 100_000;

/// Verify a processing receipt, and objects against it
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  darkroom audit receipt receipt.json --keys receipts.pub --artifact page-1_640x480.jpg
  darkroom audit receipt receipt.json --artifact .       every file beside it
  darkroom audit receipt JOB                             asks the API for all of it

With a file nothing is asked over the network. Keys are those of GET /v1/receipt-keys, in PEM: get them
once, from whom you trust. What counts of an object is its SHA-256, whatever it is called. Exit status 2
says that the receipt is not genuine, or that an object is none that it speaks of.")]
pub(crate) struct Arguments {
    /// A receipt.json, or the job whose receipt is to be fetched
    #[arg(value_name = "FILE|JOB")]
    what: String,
    /// An object to hold against the receipt, or a folder of them; may be given more than once
    #[arg(long, value_name = "FILE")]
    artifact: Vec<PathBuf>,
    /// Public keys in PEM [default: for a file, those in .darkroom/receipts.pub; for a job, the API's]
    #[arg(long, value_name = "FILE")]
    keys: Option<PathBuf>,
    /// One JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Where,
}

#[derive(Debug, thiserror::Error)]
enum ReceiptError {
    #[error("read {}", path.display())]
    File {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("{} is larger than any receipt", .0.display())]
    Large(PathBuf),
    #[error("no keys to verify with")]
    NoKeys,
    #[error("job {0} has no receipt")]
    None(JobId),
    #[error("the receipt of job {0} is gone: it expired with the job's results, or was erased")]
    Away(JobId),
    #[error("download: answered {0}")]
    Download(http::StatusCode),
}

/// The receipt is not what it should be.
#[derive(Debug, thiserror::Error)]
enum NotGenuine {
    #[error(transparent)]
    Receipt(#[from] VerifyError),
    #[error("it is not the receipt that the log speaks of: its SHA-256 is {0}, the log says {1}")]
    Other(String, String),
    #[error("it is the receipt of job {0}")]
    OtherJob(String),
}

/// Something that was held against a receipt.
struct Object {
    /// What it is called here.
    place: String,
    /// Its SHA-256 in hex, or why there is none.
    sha256: Result<String, String>,
}

/// Runs the command.
pub(crate) async fn run(arguments: Arguments) -> Result<Exit, Failure> {
    let found = match arguments.what.parse::<JobId>() {
        Ok(job) => of_job(&arguments, job).await?,
        Err(_a_file) => of_file(&arguments)?,
    };
    let (verified, mut objects) = match found {
        Ok(found) => found,
        Err(error) => {
            writeln!(stdout(), "!!  receipt   {}", service::Chain(&error))?;
            return Ok(Exit::ChainBroken);
        }
    };
    for path in &arguments.artifact {
        objects.extend(files(path, Path::new(&arguments.what))?);
    }
    let report = Report::of(&verified, &objects);
    let text = if arguments.json { format!("{}\n", report.json()) } else { report.text() };
    stdout().write_all(text.as_bytes())?;
    Ok(if report.strangers.is_empty() { Exit::Well } else { Exit::ChainBroken })
}

/// What is to be told of: a receipt that is genuine, and what was fetched with it.
type Found = Result<(Verified, Vec<Object>), NotGenuine>;

fn of_file(arguments: &Arguments) -> Result<Found, Failure> {
    let path = PathBuf::from(&arguments.what);
    let failed = |source| ReceiptError::File { path: path.clone(), source };
    let file = File::open(&path).map_err(failed).or_try("a receipt.json, or the id of a job")?;
    let mut bytes = Vec::new();
    file.take(dsse::MAX_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() > dsse::MAX_BYTES {
        return Err(ReceiptError::Large(path).into());
    }
    let own = Path::new(DATA).join(KEYS_NAME);
    let keys = PublicKeys::read(arguments.keys.as_ref().unwrap_or(&own))?;
    if keys.is_empty() {
        return Err(ReceiptError::NoKeys).or_try(
            "--keys FILE with the PEM of GET /v1/receipt-keys, or the worker's receipts.pub",
        );
    }
    Ok(verify(&bytes, &keys).map(|verified| (verified, Vec::new())).map_err(NotGenuine::from))
}

/// Fetches a job's receipt, and every object of it that can be had.
async fn of_job(arguments: &Arguments, job: JobId) -> Result<Found, Failure> {
    let client = Client::new(&arguments.place.connection()?)?;
    let keys = match &arguments.keys {
        Some(path) => PublicKeys::read(path)?,
        None => {
            let listed = client.json(Method::GET, "/v1/receipt-keys", None).await?;
            let listed = listed.get("keys").and_then(Value::as_array).into_iter().flatten();
            let pems: String =
                listed.filter_map(|key| key.get("pem").and_then(Value::as_str)).collect();
            PublicKeys::parse(&pems, "GET /v1/receipt-keys")?
        }
    };
    let shown = client.json(Method::GET, &format!("/v1/jobs/{job}"), None).await?;
    let receipt = shown.get("receipt").filter(|receipt| !receipt.is_null());
    let receipt = receipt
        .ok_or(ReceiptError::None(job))
        .or_try("a job that has completed; those of before there were receipts have none")?;
    let link = text(receipt, "url");
    let remedy = "fetch receipt.json yourself, and name the file instead of the job";
    if link.is_empty() {
        return Err(ReceiptError::Away(job)).or_try(remedy);
    }
    let bytes = fetch(link).await.or_try(remedy)?;
    let (found, recorded) = (hex::encode(Sha256::digest(&bytes)), text(receipt, "sha256"));
    if found != recorded {
        return Ok(Err(NotGenuine::Other(found, recorded.to_owned())));
    }
    let verified = match verify(&bytes, &keys) {
        Ok(verified) => verified,
        Err(error) => return Ok(Err(error.into())),
    };
    if verified.statement.predicate.job != job.to_string() {
        return Ok(Err(NotGenuine::OtherJob(verified.statement.predicate.job)));
    }
    let mut objects = Vec::new();
    let artifacts = shown.get("artifacts").and_then(Value::as_array).into_iter().flatten();
    for artifact in artifacts.filter(|artifact| artifact.get("url").is_some()) {
        let sha256 = digest_of(text(artifact, "url"))
            .await
            .map_err(|error| service::Chain(&error).to_string());
        objects.push(Object { place: text(artifact, "name").to_owned(), sha256 });
    }
    Ok(Ok((verified, objects)))
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

async fn fetch(link: &str) -> Result<Bytes, Failure> {
    let answer = transport::send(Request::get(link).body(Full::default())?).await?;
    if !answer.status().is_success() {
        return Err(ReceiptError::Download(answer.status()).into());
    }
    Ok(transport::whole(answer.into_body()).await?)
}

#[derive(Debug, thiserror::Error)]
enum DigestError {
    #[error(transparent)]
    Request(#[from] http::Error),
    #[error(transparent)]
    Http(#[from] HttpError),
    #[error("answered {0}")]
    Status(http::StatusCode),
    #[error("the answer broke off")]
    Broken,
}

/// The SHA-256 of what a link leads to.
async fn digest_of(link: &str) -> Result<String, DigestError> {
    let answer = transport::send(Request::get(link).body(Full::<Bytes>::default())?).await?;
    if !answer.status().is_success() {
        return Err(DigestError::Status(answer.status()));
    }
    let (mut body, mut sha256) = (answer.into_body(), Sha256::new());
    while let Some(frame) =
        timeout(STALL_MAX, body.frame()).await.map_err(|_elapsed| DigestError::Broken)?
    {
        let Ok(frame) = frame else { return Err(DigestError::Broken) };
        if let Ok(data) = frame.into_data() {
            sha256.update(&data);
        }
    }
    Ok(hex::encode(sha256.finalize()))
}

/// A file, or those of a folder but the receipt itself.
fn files(path: &Path, receipt: &Path) -> Result<Vec<Object>, Failure> {
    let failed = |source| ReceiptError::File { path: path.to_owned(), source };
    let mut paths = Vec::new();
    if path.is_dir() {
        for entry in path.read_dir().map_err(failed)?.take(FILES_MAX) {
            let entry = entry.map_err(failed)?.path();
            if entry.is_file() && !is_same(&entry, receipt) {
                paths.push(entry);
            }
        }
        paths.sort();
    } else {
        paths.push(path.to_owned());
    }
    let object = |path: PathBuf| {
        let place = path.display().to_string();
        let digest = || {
            let mut sha256 = Sha256::new();
            io::copy(&mut File::open(&path)?, &mut sha256)?;
            Ok(hex::encode(sha256.finalize()))
        };
        let sha256 =
            digest().map_err(|source| ReceiptError::File { path: path.clone(), source })?;
        Ok(Object { place, sha256: Ok(sha256) })
    };
    paths.into_iter().map(object).collect()
}

fn is_same(one: &Path, other: &Path) -> bool {
    matches!((one.canonicalize(), other.canonicalize()), (Ok(one), Ok(other)) if one == other)
}

/// What is told of a receipt.
struct Report<'a> {
    verified: &'a Verified,
    /// Each subject, and what was found to be it.
    subjects: Vec<(&'a Subject, Option<&'a str>)>,
    /// What is no subject, or could not be looked at.
    strangers: Vec<(&'a str, String)>,
}

impl<'a> Report<'a> {
    fn of(verified: &'a Verified, objects: &'a [Object]) -> Self {
        let statement = &verified.statement;
        let found = |subject: &Subject| {
            let same = |object: &&Object| {
                object.sha256.as_deref().ok() == subject.sha256() && subject.sha256().is_some()
            };
            objects.iter().find(same).map(|object| object.place.as_str())
        };
        let subjects = statement.subject.iter().map(|subject| (subject, found(subject))).collect();
        let strangers = objects.iter().filter_map(|object| {
            let why = match &object.sha256 {
                Err(error) => Some(error.clone()),
                Ok(sha256) if statement.names(sha256).is_none() => {
                    Some(stranger(statement, object, sha256))
                }
                Ok(_) => None,
            };
            Some((object.place.as_str(), why?))
        });
        Self { verified, subjects, strangers: strangers.collect() }
    }

    fn text(&self) -> String {
        let Verified { statement, key } = self.verified;
        let processing = &statement.predicate;
        let source = &processing.source;
        let digest = source.digest.iter().map(|(name, value)| format!(", {name} {value}"));
        let engines: Vec<String> =
            processing.engines.iter().map(|(name, version)| format!("{name} {version}")).collect();
        let mut lines = vec![
            format!("ok  receipt   signed with {}", key.id()),
            format!("    job       {} of account {}", processing.job, processing.account),
            format!("    done      {}, attempt {}", processing.finished_at, processing.attempt),
            format!(
                "    source    {}, {} bytes{}",
                source.media_type,
                source.size_bytes,
                digest.collect::<String>()
            ),
            format!("    engines   {}", engines.join(", ")),
        ];
        if let Some(first) = &processing.rerun_of {
            lines.push(format!("    rerun of  {first}"));
        }
        for (subject, found) in &self.subjects {
            let name = &subject.name;
            lines.push(match found {
                Some(place) if *place == name => format!("ok  object    {name}"),
                Some(place) => format!("ok  object    {name} is {place}"),
                None => format!("--  object    {name} was not looked at"),
            });
        }
        for (place, why) in &self.strangers {
            lines.push(format!("!!  object    {place}: {why}"));
        }
        // What was signed is trusted, but a terminal need not be told everything.
        let clean = |c: char| if c.is_control() { ' ' } else { c };
        lines.iter().map(|line| line.chars().map(clean).chain(['\n']).collect::<String>()).collect()
    }

    fn json(&self) -> Value {
        let subject = |(subject, found): &(&Subject, Option<&str>)| json!({"name": subject.name, "sha256": subject.sha256(), "found": found});
        let stranger = |(place, why): &(&str, String)| json!({"place": place, "why": why});
        json!({
            "key_id": self.verified.key.id(),
            "statement": self.verified.statement,
            "objects": self.subjects.iter().map(subject).collect::<Vec<_>>(),
            "strangers": self.strangers.iter().map(stranger).collect::<Vec<_>>(),
        })
    }
}

/// Why an object is none of a receipt's.
fn stranger(statement: &Statement, object: &Object, sha256: &str) -> String {
    let name = Path::new(&object.place).file_name().unwrap_or_default().to_string_lossy();
    let same_name = statement.subject.iter().find(|subject| subject.name == name);
    match same_name.and_then(Subject::sha256) {
        Some(wanted) => format!("CHANGED: its SHA-256 is {sha256}, the receipt says {wanted}"),
        None => format!("the receipt speaks of no object with its SHA-256, {sha256}"),
    }
}
