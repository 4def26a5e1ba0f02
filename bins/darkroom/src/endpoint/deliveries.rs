//! `darkroom endpoint deliveries`: a page for people, or everything as a table.

use std::{
    io::{Write, stderr},
    time::Duration,
};

use bytes::Bytes;
use clap::Args;
use http::Method;
use http_body_util::BodyExt as _;
use serde_json::Value;
use service::Failure;
use tokio::time::timeout;
use url::form_urlencoded::Serializer;

use crate::client::{Client, ClientError};

/// How long a table may be silent.
const STALL_MAX: Duration = Duration::from_secs(60);

/// Which deliveries, and in which form.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  darkroom endpoint deliveries --endpoint ENDPOINT --status exhausted
  darkroom endpoint deliveries --job JOB
  darkroom endpoint deliveries --topic 'job.*' --since 2026-11-20T00:00:00Z
  darkroom endpoint deliveries --status exhausted --csv > given-up.csv

A line says when a delivery became due, what it tells, how it stands, and how its last attempt went;
`darkroom endpoint delivery DELIVERY` shows every attempt. What is waiting is tried again by itself;
what is exhausted was given up: `darkroom endpoint redeliver DELIVERY` makes it again, and
`darkroom endpoint replay ENDPOINT --only exhausted` all that are.")]
pub(super) struct Wanted {
    /// To this endpoint alone
    #[arg(long, value_name = "ENDPOINT")]
    endpoint: Option<String>,
    /// Those that stand so
    #[arg(long, value_parser = ["waiting", "delivered", "exhausted"])]
    status: Option<String>,
    /// What they tell of, as in job.completed or job.*
    #[arg(long, value_name = "TOPIC")]
    topic: Option<String>,
    /// Those that tell of this job
    #[arg(long, value_name = "JOB")]
    job: Option<String>,
    /// Due at this time or later, as in 2026-11-20T00:00:00Z
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Due before this time
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// How many
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=200), conflicts_with = "csv")]
    limit: u32,
    /// Go on behind a page, with what it ended with
    #[arg(long, value_name = "CURSOR", conflicts_with = "csv")]
    cursor: Option<String>,
    /// All of them as a table (RFC 4180)
    #[arg(long)]
    pub(super) csv: bool,
}

impl Wanted {
    /// Where the API has them.
    pub(super) fn path(&self) -> String {
        let mut query = Serializer::new(String::new());
        let said = [
            ("endpoint", &self.endpoint),
            ("status", &self.status),
            ("topic", &self.topic),
            ("job", &self.job),
            ("since", &self.since),
            ("until", &self.until),
            ("cursor", &self.cursor),
        ];
        for (name, value) in said {
            if let Some(value) = value {
                query.append_pair(name, value);
            }
        }
        if self.csv {
            query.append_pair("format", "csv");
        } else {
            query.append_pair("limit", &self.limit.to_string());
        }
        format!("/v1/deliveries?{}", query.finish())
    }

    /// Says how to go on behind a page, or what to do where nothing is on it.
    pub(super) fn say_more(&self, page: &Value) -> Result<(), Failure> {
        let list = page.get("deliveries").and_then(Value::as_array);
        let none = list.is_some_and(Vec::is_empty);
        match page.get("next").and_then(Value::as_str) {
            Some(cursor) => writeln!(stderr(), "There are more: --cursor {cursor}")?,
            None if none && self.cursor.is_some() => writeln!(stderr(), "There are no more.")?,
            None if none && self.is_narrowed() => {
                writeln!(stderr(), "No delivery is so. Leave out an option to see others.")?;
            }
            None if none => {
                writeln!(stderr(), "None yet. Send a sample: darkroom endpoint test ENDPOINT")?;
            }
            None => {}
        }
        Ok(())
    }

    /// Whether some are left out.
    fn is_narrowed(&self) -> bool {
        let Self { endpoint, status, topic, job, since, until, .. } = self;
        [endpoint, status, topic, job, since, until].into_iter().any(Option::is_some)
    }
}

/// Copies a table as it comes. One that breaks off is an error: it looks whole.
pub(super) async fn table(client: &Client, path: &str, to: &mut impl Write) -> Result<(), Failure> {
    let answer = client.ask(Method::GET, path, &[], Bytes::new()).await?;
    let mut body = answer.into_body();
    while let Some(frame) =
        timeout(STALL_MAX, body.frame()).await.map_err(|_elapsed| ClientError::Download)?
    {
        let Ok(frame) = frame else { return Err(ClientError::Download.into()) };
        if let Ok(data) = frame.into_data() {
            to.write_all(&data)?;
        }
    }
    to.flush()?;
    Ok(())
}
