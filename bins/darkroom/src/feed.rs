//! `darkroom feed`: whether what happens to jobs is told on NATS with personal fields opened.

use std::io::{Write as _, stdout};

use clap::Args;
use http::Method;
use serde_json::{Value, json};
use service::Failure;

use crate::{client::Client, connection::Where, exit::Exit};

/// Where the API has it.
const PATH: &str = "/v1/account/feed";

/// Tell on NATS what happens to jobs with personal fields opened, or do not
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  darkroom feed          whether it is on
  darkroom feed on
  nats sub --user $DARKROOM_KEY --password $DARKROOM_SECRET \"darkroom.feed.$DARKROOM_ACCOUNT.>\"

What is told there is stored nowhere: whoever is not listening misses it.")]
pub(crate) struct Arguments {
    #[command(flatten)]
    place: Where,
    /// Switch it; without, show it
    #[arg(value_name = "on|off", value_parser = ["on", "off"])]
    wanted: Option<String>,
}

/// Runs the command.
pub(crate) async fn run(arguments: Arguments) -> Result<Exit, Failure> {
    let client = Client::new(&arguments.place.connection()?)?;
    let answer = match arguments.wanted {
        Some(wanted) => {
            let body = json!({ "on": wanted == "on" });
            client.json(Method::PUT, PATH, Some(&body)).await?
        }
        None => client.json(Method::GET, PATH, None).await?,
    };
    let on = answer.get("on") == Some(&Value::Bool(true));
    writeln!(stdout(), "the feed is {}", if on { "on" } else { "off" })?;
    Ok(Exit::Well)
}
