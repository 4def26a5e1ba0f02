//! `darkroom usage`: what an account has used, for people, for spreadsheets and for meters.

mod meter;
mod table;

use std::io::{Write as _, stdout};

use clap::{Args, Subcommand, ValueEnum};
use http::Method;
use jiff::civil::Date;
use serde_json::Value;
use service::{Clock, Failure, OrTry};

use crate::{client::Client, connection::Where, exit::Exit};

/// Show what the account has used, by day
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "\
Examples:
  darkroom usage                                      this month, as a table
  darkroom usage --from 2026-10-01 --to 2026-10-31 --format csv > october.csv
  darkroom usage export --meter --customer cus_123 --from 2026-10-01 --to 2026-10-31 > events.ndjson

Days are those of UTC. Counts go back as far as the event log keeps histories of jobs."
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    verb: Option<Verb>,
    #[command(flatten)]
    days: Days,
    /// How it is printed
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    format: Format,
    #[command(flatten)]
    place: Where,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Write usage as events for a payment provider's meters; nothing is sent anywhere
    Export {
        /// One JSON object a line, in the shape of Stripe's meter events
        #[arg(long, required = true)]
        meter: bool,
        /// Whom the provider knows as the account's payer
        #[arg(long, value_name = "ID")]
        customer: String,
        /// Put before the name of each count
        #[arg(long, value_name = "PREFIX", default_value = "darkroom_")]
        prefix: String,
        #[command(flatten)]
        days: Days,
        #[command(flatten)]
        place: Where,
    },
}

/// Which days.
#[derive(Debug, Args)]
struct Days {
    /// The first day [default: the first of this month]
    #[arg(long, value_name = "YYYY-MM-DD")]
    from: Option<Date>,
    /// The last day [default: today]
    #[arg(long, value_name = "YYYY-MM-DD")]
    to: Option<Date>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Columns for people
    Table,
    /// The API's answer
    Json,
    /// RFC 4180
    Csv,
}

/// Runs the command.
pub(crate) async fn run(arguments: Arguments, clock: &dyn Clock) -> Result<Exit, Failure> {
    let text = match arguments.verb {
        None => {
            let used = ask(&arguments.place, &arguments.days).await?;
            match arguments.format {
                Format::Table => table::table(&used),
                Format::Json => format!("{used}\n"),
                Format::Csv => table::csv(&used),
            }
        }
        Some(Verb::Export { customer, prefix, days, place, meter: _ }) => {
            let used = ask(&place, &days).await?;
            let client = client(&place)?;
            let account = client.json(Method::GET, "/v1/account", None).await?;
            let account = account.get("id").and_then(Value::as_str).unwrap_or_default();
            let today = clock.now().to_zoned(jiff::tz::TimeZone::UTC).date();
            meter::lines(
                &used,
                &meter::Names { account, customer: &customer, prefix: &prefix },
                today,
            )
        }
    };
    stdout().write_all(text.as_bytes())?;
    Ok(Exit::Well)
}

fn client(place: &Where) -> Result<Client, Failure> {
    Client::new(&place.connection()?)
}

async fn ask(place: &Where, days: &Days) -> Result<Value, Failure> {
    let given = [("from", days.from), ("to", days.to)];
    let query: Vec<String> =
        given.into_iter().filter_map(|(name, day)| Some(format!("{name}={}", day?))).collect();
    let path = format!("/v1/usage?{}", query.join("&"));
    let used = client(place)?.json(Method::GET, &path, None).await;
    used.or_try("days such as 2026-11-01, at most 400 of them; the key needs account:read")
}
