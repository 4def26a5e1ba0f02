//! `darkroom demo`: the whole story in one screen.

mod receiver;
mod signature;

use std::{
    io::{Write as _, stdout},
    path::PathBuf,
    time::Duration,
};

use bytes::Bytes;
use clap::Args;
use service::{Clock, Failure, OrTry};
use tokio_util::sync::CancellationToken;

use self::receiver::{Receiver, Webhook};
use crate::{
    connection::{Connection, Where},
    exit::Exit,
    preview::{Handed, Wish, fulfil},
    progress::Progress,
    replay,
};

/// The picture that is handed in unless another is named.
const SAMPLE: &[u8] = include_bytes!("../../../docs/sample.jpg");
/// Where it listens if nothing says so.
const PORT: &str = "7782";
/// How long the webhook may take after the job.
const WEBHOOK_WITHIN: Duration = Duration::from_secs(30);

/// Hand in a sample picture and show all that comes of it: files, webhook, history
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  darkroom demo
  darkroom demo photograph.jpg --out /tmp/demo

Needs a running `darkroom up`. Exit status 1 says that a part of the story failed.")]
pub(crate) struct Arguments {
    /// Another picture than the sample
    #[arg(value_name = "FILE|URL")]
    source: Option<String>,
    /// Put the result into this folder
    #[arg(long, value_name = "DIR", default_value = ".darkroom/demo-previews")]
    out: PathBuf,
    #[command(flatten)]
    place: Where,
}

#[derive(Debug, thiserror::Error)]
enum DemoError {
    #[error("no webhook came within {} s", WEBHOOK_WITHIN.as_secs())]
    NoWebhook,
    #[error("the webhook's body is not what a GET answers")]
    OtherBody,
}

/// Runs the command.
pub(crate) async fn run(
    arguments: Arguments,
    clock: &dyn Clock,
    shutdown: CancellationToken,
) -> Result<Exit, Failure> {
    let connection = arguments.place.connection()?;
    let port = connection.find("DARKROOM_DEMO_WEBHOOK_PORT").unwrap_or(PORT).parse()?;
    let mut receiver = Receiver::start(port)
        .await
        .or_try("stop what listens there, or restart with --set up.demo_webhook_port=PORT")?;
    let now = clock.now();
    let handed = match &arguments.source {
        Some(source) => Handed::over(source, &connection, now).await?,
        None => {
            let sample = Bytes::from_static(SAMPLE).into();
            Handed::bytes("sample.jpg", sample, &connection, now).await?
        }
    };
    let wish = Wish {
        sizes: vec!["640x480".to_owned(), "128x128".to_owned()],
        metadata: vec!["exif".to_owned(), "checksum".to_owned()],
        callback: Some(receiver.url()),
        ..Wish::default()
    };
    let progress = Progress::start(false);
    progress.say("1. the job, as it happens");
    let done = fulfil(&connection, handed.url(), &wish, &arguments.out, &progress, shutdown).await;
    handed.remove().await;
    drop(progress);
    let done = done?;

    let mut out = stdout();
    writeln!(out, "\n2. the result")?;
    for file in &done.files {
        writeln!(out, "  {}", file.display())?;
    }
    writeln!(out, "\n3. the webhook")?;
    let webhook = tokio::time::timeout(WEBHOOK_WITHIN, receiver.next()).await;
    let webhook = webhook.ok().flatten().ok_or(DemoError::NoWebhook);
    let webhook = webhook.or_try(format!("darkroom replay {}", done.id).as_str())?;
    tell(&webhook, &connection, &done.raw, clock)?;

    writeln!(out, "\n4. the history")?;
    out.flush()?;
    let job = done.id.parse()?;
    // The delivery is recorded once the receiver has answered.
    replay::wait_for_delivery(&connection, job).await?;
    replay::of_job(&connection, job).await
}

/// Shows a webhook, and that it is genuine.
fn tell(
    webhook: &Webhook,
    connection: &Connection,
    get: &[u8],
    clock: &dyn Clock,
) -> Result<(), Failure> {
    let mut out = stdout();
    for (name, value) in &webhook.headers {
        let text = value.to_str().unwrap_or("?");
        writeln!(out, "  {name}: {text}")?;
    }
    signature::verify(webhook, connection.get("DARKROOM_WEBHOOK_SECRET")?, clock.now())?;
    writeln!(out, "  signature: holds")?;
    let parse = |bytes| serde_json::from_slice::<serde_json::Value>(bytes);
    if parse(&webhook.body)? != parse(get)? {
        return Err(DemoError::OtherBody.into());
    }
    writeln!(out, "  body: the same as a GET, {} bytes", webhook.body.len())?;
    Ok(())
}
