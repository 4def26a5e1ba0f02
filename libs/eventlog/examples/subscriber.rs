//! A customer's own client, as docs/SUBSCRIBERS.md has it.

#![allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "it is a customer's program: it prints what it hears, and reads its own environment"
)]

use std::{env, error::Error};

use async_nats::{ConnectOptions, jetstream};
use futures::StreamExt as _;
use jetstream::consumer::pull::Config;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let account = env::var("DARKROOM_ACCOUNT")?;
    let client = ConnectOptions::new()
        .user_and_password(env::var("DARKROOM_KEY")?, env::var("DARKROOM_SECRET")?)
        .custom_inbox_prefix(format!("_INBOX.{account}"))
        .connect(env::var("DARKROOM_NATS_URL")?)
        .await?;
    let log = jetstream::with_domain(client, &account);
    let wish = Config { durable_name: Some("1".to_owned()), ..Config::default() };
    let consumer = log.create_consumer_on_stream(wish, "JOBS").await?;
    let mut messages = consumer.messages().await?;
    while let Some(message) = messages.next().await {
        let message = message?;
        println!("{} {}", message.info()?.stream_sequence, message.subject);
        message.ack().await?;
    }
    Ok(())
}
