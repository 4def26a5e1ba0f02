//! `darkroom events`: what happens to an account, as its own key sees it.

use std::io::{self, Write as _, stdout};

use bytes::Bytes;
use clap::Args;
use domain::Timestamp;
use http::{Method, header};
use http_body_util::BodyExt as _;
use serde_json::Value;
use service::{Failure, OrTry};
use tokio::time::{Duration, sleep, timeout};
use tokio_util::sync::CancellationToken;
use url::form_urlencoded::Serializer;

use crate::{
    client::{Client, ClientError},
    connection::Where,
    replay::line,
    sse,
};

/// How often in a row a stream that broke off is taken up again before giving up.
const RESUMES_MAX: u32 = 30;
/// How long to wait before that.
const RESUME_PAUSE: Duration = Duration::from_millis(500);
/// A stream says at least this often that it lives.
const SILENCE_MAX: Duration = Duration::from_secs(45);
/// How long a list may be silent: what is not wanted is passed over without a word.
const STALL_MAX: Duration = Duration::from_secs(300);
/// The longest line that is taken.
const LINE_BYTES: usize = 1 << 20;

/// Show what happens to the account: jobs, uploads, deliveries, endpoints, the account itself
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  darkroom events
  darkroom events --follow --filter 'job.*'
  darkroom events --from 2026-11-20T08:00:00Z --filter job.failed,delivery.exhausted --json
  darkroom events --follow --json --from \"$CURSOR\"

With --json each line is an event as CloudEvents 1.0 has it, personal fields opened; its `cursor` is
what --from takes to go on after it. What an event says is in docs/EVENTS.md.")]
pub(crate) struct Arguments {
    /// Go on with what happens from now on, until interrupted
    #[arg(long, short)]
    follow: bool,
    /// Only these, with commas between: job.*, delivery.exhausted, upload.rejected
    #[arg(long, value_name = "TYPES")]
    filter: Option<String>,
    /// From where on: start, now, a time, or the cursor of an event [default: start, with --follow now]
    #[arg(long, value_name = "WHERE")]
    from: Option<String>,
    /// Only what happens to this job
    #[arg(long, value_name = "JOB")]
    job: Option<String>,
    /// Only what happens to jobs that this key pair asked for
    #[arg(long, value_name = "ID")]
    application: Option<String>,
    /// Print each event whole, as one JSON object a line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Where,
}

/// Events cannot be shown, or no more of them.
#[derive(Debug, thiserror::Error)]
enum EventsError {
    /// The API says no, or nothing.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The list broke off.
    #[error("the list of events broke off; {0}")]
    Broken(String),
    /// The stream did, again and again.
    #[error("the event stream broke off {RESUMES_MAX} times in a row")]
    Lost,
    /// Not what the API says.
    #[error("an event cannot be read; is DARKROOM_URL right?")]
    Event(#[source] serde_json::Error),
    /// Nobody reads what is shown.
    #[error("show an event")]
    Output(#[from] io::Error),
}

/// Runs the command.
pub(crate) async fn run(arguments: Arguments, shutdown: CancellationToken) -> Result<(), Failure> {
    let client = Client::new(&arguments.place.connection()?)?;
    let mut show = Show { json: arguments.json, cursor: None };
    let shown = async {
        if arguments.follow {
            follow(&client, &arguments, &mut show).await
        } else {
            list(&client, &arguments, &mut show).await
        }
    };
    match shutdown.run_until_cancelled(shown).await {
        Some(Err(EventsError::Client(error @ ClientError::Http(_)))) => {
            Err(error).or_try("darkroom doctor")
        }
        Some(shown) => Ok(shown?),
        None => Ok(()),
    }
}

/// What was asked for, after the last event that was shown.
fn path(arguments: &Arguments, cursor: Option<&str>) -> String {
    let mut query = Serializer::new(String::new());
    let named = [
        ("types", &arguments.filter),
        ("job", &arguments.job),
        ("application", &arguments.application),
    ];
    for (name, value) in named {
        query.extend_pairs(value.as_ref().map(|value| (name, value)));
    }
    match (cursor, arguments.from.as_deref()) {
        (Some(cursor), _) => query.append_pair("after", cursor),
        (None, Some(time)) if is_time(time) => query.append_pair("since", time),
        (None, Some(place)) => query.append_pair("after", place),
        (None, None) => &mut query,
    };
    format!("/v1/events?{}", query.finish())
}

/// Cursors begin with the name of a stream, times with a year.
fn is_time(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_digit())
}

/// Everything up to now.
async fn list(client: &Client, arguments: &Arguments, show: &mut Show) -> Result<(), EventsError> {
    let accept = [(header::ACCEPT, "application/x-ndjson".to_owned())];
    let answer = client.ask(Method::GET, &path(arguments, None), &accept, Bytes::new()).await?;
    let (mut body, mut pending) = (answer.into_body(), Vec::new());
    while let Ok(frame) = timeout(STALL_MAX, body.frame()).await {
        let Some(frame) = frame else { return Ok(()) };
        let Ok(frame) = frame else { break };
        pending.extend_from_slice(&frame.into_data().unwrap_or_default());
        while let Some(end) = pending.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = pending.drain(..=end).collect();
            show.event(&line)?;
        }
        if pending.len() > LINE_BYTES {
            break;
        }
    }
    let cursor = show.cursor.as_deref();
    let remedy =
        cursor.map_or("ask again".to_owned(), |cursor| format!("go on with --from {cursor}"));
    Err(EventsError::Broken(remedy))
}

/// What happens, as it happens; a stream that breaks off is taken up where it did.
async fn follow(
    client: &Client,
    arguments: &Arguments,
    show: &mut Show,
) -> Result<(), EventsError> {
    let mut breaks = 0;
    while breaks < RESUMES_MAX {
        let before = show.cursor.clone();
        match listen(client, arguments, show).await {
            Err(EventsError::Client(ClientError::Refused { status, message }))
                if status.is_client_error() =>
            {
                return Err(ClientError::Refused { status, message }.into());
            }
            Err(error @ (EventsError::Event(_) | EventsError::Output(_))) => return Err(error),
            Err(error) => tracing::debug!(error = %service::Chain(&error), "listening again"),
            Ok(()) => {}
        }
        breaks = if show.cursor == before { breaks + 1 } else { 0 };
        sleep(RESUME_PAUSE).await;
    }
    Err(EventsError::Lost)
}

async fn listen(
    client: &Client,
    arguments: &Arguments,
    show: &mut Show,
) -> Result<(), EventsError> {
    let accept = [(header::ACCEPT, "text/event-stream".to_owned())];
    let path = path(arguments, show.cursor.as_deref());
    let answer = client.ask(Method::GET, &path, &accept, Bytes::new()).await?;
    let (mut body, mut reader) = (answer.into_body(), sse::Reader::default());
    while let Ok(Some(Ok(frame))) = timeout(SILENCE_MAX, body.frame()).await {
        for event in reader.read(&frame.into_data().unwrap_or_default()) {
            show.event(event.data.as_bytes())?;
        }
    }
    Ok(())
}

/// Shows events, and remembers where it is.
struct Show {
    json: bool,
    cursor: Option<String>,
}

impl Show {
    fn event(&mut self, text: &[u8]) -> Result<(), EventsError> {
        let event: Value = serde_json::from_slice(text).map_err(EventsError::Event)?;
        let field = |name: &str| event.get(name).and_then(Value::as_str).unwrap_or_default();
        let mut out = stdout().lock();
        if self.json {
            writeln!(out, "{event}")?;
        } else {
            let kind = field("type").trim_start_matches("darkroom.").trim_end_matches(".v1");
            let subject = field("subject");
            let said = line::opened(event.get("data").unwrap_or(&Value::Null));
            let time = field("time").parse::<Timestamp>();
            let time = time.map_or_else(|_| "?".to_owned(), |time| format!("{time:.3}"));
            writeln!(out, "{time:<24}  {kind:<24}  {subject}  {said}")?;
        }
        out.flush()?;
        self.cursor = Some(field("cursor").to_owned()).filter(|cursor| !cursor.is_empty());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        arguments: Arguments,
    }

    fn asked(words: &[&str], cursor: Option<&str>) -> String {
        let line = Line::try_parse_from([&["events"], words].concat()).unwrap();
        path(&line.arguments, cursor)
    }

    #[test]
    fn what_is_asked_for_is_spelled_as_the_api_wants_it() {
        assert_eq!(asked(&[], None), "/v1/events?");
        let some = asked(&["--filter", "job.*,upload.*", "--from", "2026-11-20T08:00:00Z"], None);
        assert_eq!(some, "/v1/events?types=job.*%2Cupload.*&since=2026-11-20T08%3A00%3A00Z");
        let later = asked(&["--from", "start", "--job", "j"], Some("JOBS:7"));
        assert_eq!(later, "/v1/events?job=j&after=JOBS%3A7");
    }
}
