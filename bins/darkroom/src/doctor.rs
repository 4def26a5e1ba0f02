//! `darkroom doctor`: what is there, and what is not.

mod checkpoints;

use std::{
    future::Future,
    io::{ErrorKind, Write as _, stdout},
    net::TcpListener,
    pin::Pin,
    time::Duration,
};

use clap::Args;
use enclave::hosted::{Name, State, Workshop};
use eventlog::{Log, server::Binary, topology};
use evidence::receipt_key::{PublicKey, PublicKeys};
use indicatif::BinaryBytes;
use service::Failure;
use storage::{Expiry, Network, Patience, Platform, Reader};
use worker::Room;

use crate::{
    connection::{Connection, Where},
    exit::Exit,
    http,
    operator::{Operator, tools},
    up::settings::Settings,
};

/// How long one look may take.
const LOOK_MAX: Duration = Duration::from_secs(60);

/// Look at everything Darkroom needs on this machine, and say what is missing
#[derive(Debug, Args)]
#[command(after_help = "\
Exit status 1 says that something is amiss. A Darkroom that does not run is not amiss; its
ports must be free then.")]
pub(crate) struct Arguments {
    #[command(flatten)]
    operator: Operator,
    #[command(flatten)]
    place: Where,
}

/// What one look found.
enum Finding {
    Well(String),
    /// Not there, and nothing is wrong with that.
    Absent(String),
    Amiss(String),
}

type Looking<'a> = Pin<Box<dyn Future<Output = Result<Finding, Failure>> + Send + 'a>>;
type Look<'a> = (&'static str, Looking<'a>);

/// A look that finds all well or fails.
fn look<'a>(
    name: &'static str,
    look: impl Future<Output = Result<String, Failure>> + Send + 'a,
) -> Look<'a> {
    (name, Box::pin(async { Ok(Finding::Well(look.await?)) }))
}

/// Runs the command.
pub(crate) async fn run(arguments: Arguments) -> Result<Exit, Failure> {
    let settings = arguments.operator.settings()?;
    let given = arguments.place.connection()?;
    let running = Where::of(&arguments.operator.data);
    let connection = if given.find("DARKROOM_URL").is_some() { Some(given) } else { running };
    let mut looks: Vec<Look<'_>> = vec![
        look("version", async { Ok(format!("darkroom {}", env!("CARGO_PKG_VERSION"))) }),
        look("nats-server", nats_server(&settings)),
        look("renderer", renderer(&settings)),
        ("renderer-av", Box::pin(av(&settings))),
        look("fonts", fonts(&settings)),
        ("receipts", Box::pin(receipts(&settings))),
        ("spool", Box::pin(spool(&settings))),
    ];
    looks.extend(programs(&settings).await?);
    match &connection {
        Some(connection) => {
            looks.push(look("api", api(connection)));
            looks.push(look("log", log(connection)));
            looks.push(look("durability", durability(&arguments.operator, &settings)));
            looks.push(look("topology", drift(&arguments.operator, &settings)));
            looks.push(("checkpoints", Box::pin(checkpoints::look(connection, &settings.notary))));
            looks.push(look("bucket", bucket(connection)));
            looks.push(look("expiry", expiry(connection, &settings)));
        }
        None => looks.push(look("ports", ports(&settings))),
    }
    let mut exit = Exit::Well;
    for (name, look) in looks {
        let finding = match tokio::time::timeout(LOOK_MAX, look).await {
            Ok(Ok(finding)) => finding,
            Ok(Err(failure)) => Finding::Amiss(failure.to_string()),
            Err(_elapsed) => Finding::Amiss(format!("no answer within {} s", LOOK_MAX.as_secs())),
        };
        let (mark, text) = match &finding {
            Finding::Well(text) => ("ok", text),
            Finding::Absent(text) => ("--", text),
            Finding::Amiss(text) => ("!!", text),
        };
        writeln!(stdout(), "{mark}  {name:<12} {}", text.replace('\n', "\n                 "))?;
        if matches!(finding, Finding::Amiss(_)) {
            exit = Exit::Amiss;
        }
    }
    if connection.is_none() {
        writeln!(
            stdout(),
            "--  {:<12} no Darkroom runs here: start one with `darkroom up`",
            "running"
        )?;
    }
    Ok(exit)
}

async fn nats_server(settings: &Settings) -> Result<String, Failure> {
    let set = settings.up.nats_server.clone();
    tokio::task::spawn_blocking(move || Binary::find(set.as_deref(), &tools())).await??;
    Ok("there, and new enough".to_owned())
}

async fn renderer(settings: &Settings) -> Result<String, Failure> {
    let proof = enclave::prove(&settings.worker.renderers()?).await?;
    let walls = proof.walls.join(", ");
    Ok(format!("{} ways out tried, all closed; walls: {walls}", proof.attempts.len()))
}

/// The renderer for film, sound, HEIC and AVIF; whoever needs none of these can do without.
async fn av(settings: &Settings) -> Result<Finding, Failure> {
    let mut config = settings.worker.renderers()?;
    let Some(executable) = config.av_executable.take() else {
        let remedy = "not built: film, sound, HEIC and AVIF fail with capability_missing";
        return Ok(Finding::Absent(remedy.to_owned()));
    };
    config.executable = executable;
    let proof = enclave::prove(&config).await?;
    Ok(Finding::Well(format!("{} ways out tried, all closed", proof.attempts.len())))
}

async fn fonts(settings: &Settings) -> Result<String, Failure> {
    let fonts = settings.worker.renderers()?.fonts;
    if fonts.is_empty() {
        return Err(NoFonts.into());
    }
    Ok(format!("{} files", fonts.len()))
}

/// The keys that receipts are verified with.
async fn receipts(settings: &Settings) -> Result<Finding, Failure> {
    let file = settings.worker.receipt_keys_file.clone();
    let keys = tokio::task::spawn_blocking(move || PublicKeys::read(&file)).await??;
    let ids: Vec<&str> = keys.iter().map(PublicKey::id).collect();
    Ok(match ids.split_last() {
        None => Finding::Absent("no key yet: the first worker makes one".to_owned()),
        Some((newest, [])) => Finding::Well(format!("verified with {newest}")),
        Some((newest, earlier)) => {
            Finding::Well(format!("verified with {newest}, earlier: {}", earlier.join(", ")))
        }
    })
}

/// Whether workers find room for sources here; with too little they take no job.
async fn spool(settings: &Settings) -> Result<Finding, Failure> {
    let (folder, least) = (settings.worker.spool.clone(), settings.worker.spool_free_bytes);
    let place = folder.display().to_string();
    let looked = tokio::task::spawn_blocking(move || Room::look(&folder, least)).await?;
    let room = match looked {
        Ok(room) => room,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Ok(Finding::Absent("no folder yet: the first worker makes one".to_owned()));
        }
        Err(error) => return Err(error.into()),
    };
    let (free, least) = (BinaryBytes(room.free_bytes), BinaryBytes(room.least_bytes));
    Ok(if room.is_enough() {
        Finding::Well(format!("{free} free in {place}; workers need {least} to take a job"))
    } else {
        Finding::Amiss(format!(
            "{free} free in {place}: workers take no job with less than {least}; make room on its disk, name another folder in worker.spool, or lower worker.spool_free_bytes"
        ))
    })
}

/// One look for each program of others.
async fn programs(settings: &Settings) -> Result<Vec<Look<'static>>, Failure> {
    let Some(found) = settings.worker.programs()? else {
        let absent = "not built: office files, ocr and web pages fail with capability_missing";
        let finding = async { Ok(Finding::Absent(absent.to_owned())) };
        return Ok(vec![("host", Box::pin(finding))]);
    };
    let workshop = tokio::task::spawn_blocking(|| Workshop::find(found)).await??;
    let languages = workshop.ocr_languages().join(", ");
    let mut looks: Vec<Look<'static>> = Vec::new();
    for capability in workshop.capabilities() {
        let finding = match (&capability.state, capability.name) {
            (State::Ready { version }, Name::Ocr) => {
                Finding::Well(format!("{version}; languages: {languages}"))
            }
            (State::Ready { version }, Name::Office | Name::Browser) => {
                Finding::Well(version.clone())
            }
            (State::Missing { remedy }, _) => Finding::Absent(remedy.clone()),
        };
        looks.push((capability.name.as_str(), Box::pin(async { Ok(finding) })));
    }
    looks.push(look("host", async move {
        let proven = workshop.prove().await?;
        let tried = proven.iter().map(|(name, proof)| format!("{name} {}", proof.attempts.len()));
        let tried: Vec<String> = tried.collect();
        if tried.is_empty() {
            return Ok("there, with nothing to put walls around".to_owned());
        }
        Ok(format!("ways out tried, all closed: {}", tried.join(", ")))
    }));
    Ok(looks)
}

async fn api(connection: &Connection) -> Result<String, Failure> {
    let url = connection.get("DARKROOM_URL")?;
    if http::is_ok(&format!("{}/readyz", url.trim_end_matches('/'))).await {
        Ok(format!("ready at {url}"))
    } else {
        Err(Unready(url.to_owned()).into())
    }
}

async fn log(connection: &Connection) -> Result<String, Failure> {
    let settings = connection.nats()?;
    let log = Log::connect(&settings, "auditor").await?;
    let last = log.last_sequence(topology::JOBS).await?;
    Ok(format!("reachable at {}, {last} events of jobs", settings.url))
}

async fn durability(operator: &Operator, settings: &Settings) -> Result<String, Failure> {
    let Some(nats) = operator.known(settings)? else {
        return Ok("not looked at: nothing here says how an operator reaches the log".to_owned());
    };
    Log::prove_durability(&nats).await?;
    Ok(match nats.durability {
        eventlog::Durability::Synced => "what is accepted has reached the disk".to_owned(),
        eventlog::Durability::Relaxed => {
            "relaxed: a power cut may lose what was accepted".to_owned()
        }
    })
}

async fn drift(operator: &Operator, settings: &Settings) -> Result<String, Failure> {
    let Some(nats) = operator.known(settings)? else {
        return Ok("not looked at: nothing here says how an operator reaches the log".to_owned());
    };
    let log = Log::connect(&nats, "operator").await?;
    match topology::diff(&log, nats.replicas).await?.first() {
        None => Ok("every stream and consumer is as it should be".to_owned()),
        Some(drift) => Err(Drifted(drift.to_string()).into()),
    }
}

async fn bucket(connection: &Connection) -> Result<String, Failure> {
    let settings = connection.storage()?;
    let network = Network::direct(Patience::default());
    Reader::open(settings.destination()?, &network).await?.list("", 1).await?;
    let endpoint = settings.endpoint.unwrap_or_else(|| "AWS".to_owned());
    Ok(format!("{} at {endpoint}", settings.bucket))
}

/// What removes results after their time, and whether what is removed is gone.
async fn expiry(connection: &Connection, settings: &Settings) -> Result<String, Failure> {
    let network = Network::direct(Patience::default());
    let platform = Platform::open(connection.storage()?.destination()?, &network).await?;
    if platform.keeps_versions().await {
        return Err(KeepsVersions.into());
    }
    let hours = settings.storage.expires()?.as_secs() / 3_600;
    let also = match platform.expiry().await {
        Expiry::AfterDays(days) => format!("and the bucket's own rule after {days} days"),
        Expiry::Never => "the bucket has no rule of its own".to_owned(),
        Expiry::Unknown => "the bucket's server takes no rule of its own".to_owned(),
    };
    Ok(format!("workers remove results after {hours} h; {also}"))
}

async fn ports(settings: &Settings) -> Result<String, Failure> {
    let own = [settings.up.nats_port, settings.up.s3_port, settings.up.demo_webhook_port];
    let own = own.map(|port| std::net::SocketAddr::from(([127, 0, 0, 1], port)));
    for address in own.into_iter().chain([settings.api.listen]) {
        TcpListener::bind(address).map_err(|source| Taken { address, source })?;
    }
    Ok("all free".to_owned())
}

#[derive(Debug, thiserror::Error)]
#[error("none: pages of text would be blank; install fonts-dejavu-core and fonts-liberation")]
struct NoFonts;

#[derive(Debug, thiserror::Error)]
#[error(
    "the platform bucket keeps versions: what is removed or erased is not gone; turn that off, and delete old versions"
)]
struct KeepsVersions;

#[derive(Debug, thiserror::Error)]
#[error("{0} does not say that it is ready")]
struct Unready(String);

#[derive(Debug, thiserror::Error)]
#[error("{0}; `darkroom nats apply` sets it right")]
struct Drifted(String);

#[derive(Debug, thiserror::Error)]
#[error("listen on {address}")]
struct Taken {
    address: std::net::SocketAddr,
    #[source]
    source: std::io::Error,
}
