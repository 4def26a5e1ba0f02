//! `darkroom endpoint replay`: which past events are told again.

use clap::{Args, ValueEnum};
use serde_json::{Value, json};

/// Which events, and to whom.
#[derive(Debug, Args)]
#[command(after_help = "\
Without --since and --from-seq it begins with the first event. Bounds are included. A sequence is
what `darkroom events --json` shows as one of an event of that stream; with --only exhausted, of
DELIVERIES. Times are those of the events; with --only exhausted, of giving up.

Examples:
  darkroom endpoint replay ENDPOINT --only exhausted --since 2026-11-20T00:00:00Z
  darkroom endpoint replay ENDPOINT --since 2026-11-20T00:00:00Z --until 2026-11-21T00:00:00Z
  darkroom endpoint replay ENDPOINT --stream uploads --from-seq 17 --to-seq 42

It runs by itself, one at a time for an endpoint, and tells what the endpoint wants of it under the
webhook-id of the first time. See how it does:
  darkroom endpoint show ENDPOINT
  darkroom endpoint deliveries --endpoint ENDPOINT --status waiting")]
pub(super) struct Replay {
    /// Its id
    pub(super) endpoint: String,
    /// From this time on, as in 2026-11-20T00:00:00Z
    #[arg(long, value_name = "TIME", conflicts_with = "from_seq")]
    since: Option<String>,
    /// From this sequence of the stream on
    #[arg(long, value_name = "SEQ")]
    from_seq: Option<u64>,
    /// Up to this time [default: now]
    #[arg(long, value_name = "TIME", conflicts_with = "to_seq")]
    until: Option<String>,
    /// Up to this sequence of the stream
    #[arg(long, value_name = "SEQ")]
    to_seq: Option<u64>,
    /// Which of them
    #[arg(long, value_enum, default_value_t = Only::All)]
    only: Only,
    /// What they tell of; not with --only exhausted, which is about everything [default: jobs]
    #[arg(long, value_enum)]
    stream: Option<Stream>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Only {
    /// All that the endpoint wants
    All,
    /// Those whose delivery was given up
    Exhausted,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Stream {
    /// Jobs
    Jobs,
    /// The account and its destination
    Accounts,
    /// Uploads
    Uploads,
}

impl Replay {
    /// What the API is asked for.
    pub(super) fn wish(&self) -> Value {
        let only = match self.only {
            Only::All => "all",
            Only::Exhausted => "exhausted",
        };
        let stream = self.stream.map(|stream| match stream {
            Stream::Jobs => "jobs",
            Stream::Accounts => "accounts",
            Stream::Uploads => "uploads",
        });
        let from_seq = self.from_seq.or(self.since.is_none().then_some(1));
        json!({
            "since": self.since, "from_seq": from_seq, "until": self.until, "to_seq": self.to_seq,
            "only": only, "stream": stream,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, clap::Parser)]
    struct Line {
        #[command(flatten)]
        replay: Replay,
    }

    fn wish(arguments: &[&str]) -> Option<Value> {
        let line = ["replay", "ENDPOINT"].iter().chain(arguments);
        <Line as clap::Parser>::try_parse_from(line).ok().map(|line| line.replay.wish())
    }

    #[test]
    fn what_is_not_said_is_left_to_the_api_but_where_it_begins() {
        let all = json!({
            "since": null, "from_seq": 1, "until": null, "to_seq": null,
            "only": "all", "stream": null,
        });
        assert_eq!(wish(&[]), Some(all));
        let time = "2026-11-20T00:00:00Z";
        let given_up = wish(&["--since", time, "--until", time, "--only", "exhausted"]);
        let asked = json!({
            "since": time, "from_seq": null, "until": time, "to_seq": null,
            "only": "exhausted", "stream": null,
        });
        assert_eq!(given_up, Some(asked));
        let some = wish(&["--from-seq", "17", "--to-seq", "42", "--stream", "uploads"]).unwrap();
        assert_eq!((&some["from_seq"], &some["to_seq"]), (&json!(17), &json!(42)));
        assert_eq!(some["stream"], "uploads");
        for wrong in [
            &["--since", time, "--from-seq", "1"][..],
            &["--until", time, "--to-seq", "1"],
            &["--stream", "deliveries"],
            &["--only", "failed"],
        ] {
            assert_eq!(wish(wrong), None, "{wrong:?}");
        }
    }
}
