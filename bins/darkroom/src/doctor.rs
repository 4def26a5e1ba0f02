//! `darkroom doctor`: what is there, and what is not.

use std::{
    future::Future,
    io::{Write as _, stdout},
    net::TcpListener,
    pin::Pin,
    time::Duration,
};

use clap::Args;
use eventlog::{Log, server::Binary, topology};
use service::Failure;
use storage::{Network, Patience, Reader};

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
    Amiss(String),
}

type Look<'a> = (&'static str, Pin<Box<dyn Future<Output = Result<String, Failure>> + Send + 'a>>);

/// Runs the command.
pub(crate) async fn run(arguments: Arguments) -> Result<Exit, Failure> {
    let settings = arguments.operator.settings()?;
    let given = arguments.place.connection()?;
    let running = Where::of(&arguments.operator.data);
    let connection = if given.find("DARKROOM_URL").is_some() { Some(given) } else { running };
    let mut looks: Vec<Look<'_>> = vec![
        ("version", Box::pin(async { Ok(format!("darkroom {}", env!("CARGO_PKG_VERSION"))) })),
        ("nats-server", Box::pin(nats_server(&settings))),
        ("renderer", Box::pin(renderer(&settings))),
    ];
    match &connection {
        Some(connection) => {
            looks.push(("api", Box::pin(api(connection))));
            looks.push(("log", Box::pin(log(connection))));
            looks.push(("durability", Box::pin(durability(&arguments.operator, &settings))));
            looks.push(("topology", Box::pin(drift(&arguments.operator, &settings))));
            looks.push(("bucket", Box::pin(bucket(connection))));
        }
        None => looks.push(("ports", Box::pin(ports(&settings)))),
    }
    let mut exit = Exit::Well;
    for (name, look) in looks {
        let finding = match tokio::time::timeout(LOOK_MAX, look).await {
            Ok(Ok(text)) => Finding::Well(text),
            Ok(Err(failure)) => Finding::Amiss(failure.to_string()),
            Err(_elapsed) => Finding::Amiss(format!("no answer within {} s", LOOK_MAX.as_secs())),
        };
        let (mark, text) = match &finding {
            Finding::Well(text) => ("ok", text),
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

async fn ports(settings: &Settings) -> Result<String, Failure> {
    let own = [settings.up.nats_port, settings.up.s3_port, settings.up.demo_webhook_port];
    let own = own.map(|port| std::net::SocketAddr::from(([127, 0, 0, 1], port)));
    for address in own.into_iter().chain([settings.api.listen]) {
        TcpListener::bind(address).map_err(|source| Taken { address, source })?;
    }
    Ok("all free".to_owned())
}

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
