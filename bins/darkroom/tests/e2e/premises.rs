//! A Darkroom with the servers around it, and what its commands say.

use std::process::Output;

use testkit::{SourceServer, WebhookReceiver, free_port};

use crate::up::Up;

/// A Darkroom, where its sources come from and its webhooks go.
pub(crate) async fn open() -> (Up, SourceServer, WebhookReceiver) {
    let (sources, hooks) = (SourceServer::start().await, WebhookReceiver::start().await);
    let up = Up::start(&[sources.port(), hooks.port()], free_port()).await;
    (up, sources, hooks)
}

/// What a command said, and whether it ended well.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) well: bool,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl From<Output> for Said {
    fn from(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Self { well: output.status.success(), out: text(output.stdout), err: text(output.stderr) }
    }
}
