//! `GET /v1/usage`: what the account has used, by day, as JSON or CSV.

use std::{fmt::Write as _, sync::Arc};

use domain::{Timestamp, scope::Scope};
use http::{HeaderValue, StatusCode, header};
use jiff::{ToSpan as _, civil::Date, tz::TimeZone};
use readmodel::{MAX_USAGE_DAYS, Stream, Usage};
use serde::Serialize;
use warp::reply::{Reply as _, Response};

use crate::{
    app::App,
    auth::Access,
    call::{self, Call, quote},
    document::{Doc, Parameter, Place},
    past::{self, AS_OF, AsOf},
    problem::Problem,
    reads::Age,
    routes::{Endpoint, Verb},
};

pub(crate) const GET: Endpoint = Endpoint {
    verb: Verb::Get,
    path: "/v1/usage",
    access: Access::Caller(Scope::AccountRead),
    handler: |app, call| Box::pin(get(app, call)),
    doc: Doc {
        summary: "What the account has used, by day in UTC; with `Accept: text/csv` or `format=csv` as CSV. Days on which nothing was used are left out.",
        parameters: &[
            Parameter {
                place: Place::Query,
                name: "from",
                description: "The first day, as in 2026-11-01; the first of this month if absent.",
            },
            Parameter {
                place: Place::Query,
                name: "to",
                description: "The last day; today if absent.",
            },
            Parameter { place: Place::Query, name: "format", description: "json or csv." },
            past::PARAMETER,
        ],
        request: None,
        status: 200,
        answer: "Usage",
        streams: false,
    },
};

/// How the answer is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Json,
    Csv,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    from: Date,
    to: Date,
    format: Format,
    as_of: Option<AsOf>,
}

#[derive(Serialize)]
struct Told {
    from: Date,
    to: Date,
    days: Vec<Day>,
    total: Usage,
}

#[derive(Serialize)]
struct Day {
    date: Date,
    #[serde(flatten)]
    used: Usage,
}

async fn get(app: Arc<App>, call: Call) -> Result<Response, Problem> {
    let account = call.caller()?.account;
    let wanted = Wanted::read(&call, app.clock.now())?;
    let (days, jobs, uploads) = match wanted.as_of {
        None => {
            let ages = (app.catch_up(Stream::Jobs), app.catch_up(Stream::Uploads));
            let (jobs, uploads) = tokio::join!(ages.0, ages.1);
            (app.store.usage(account, wanted.from, wanted.to)?, jobs, uploads)
        }
        Some(as_of) => {
            let past = app.past(account, &[Stream::Jobs, Stream::Uploads], as_of).await?;
            let days = past.store.usage(account, wanted.from, wanted.to)?;
            (days, Age::Current, Age::Current)
        }
    };
    let mut response = match wanted.format {
        Format::Json => call::json(StatusCode::OK, &Told::of(&wanted, days))?,
        Format::Csv => csv(&days),
    };
    app.date(&mut response, jobs);
    app.date(&mut response, uploads);
    Ok(response)
}

impl Wanted {
    pub(crate) fn read(call: &Call, now: Timestamp) -> Result<Self, Problem> {
        let today = now.to_zoned(TimeZone::UTC).date();
        let (mut from, mut to, mut format, mut as_of) = (None, today, None, None);
        for (name, value) in call.query(&["from", "to", "format", AS_OF])? {
            match name {
                "from" => from = Some(date(name, &value)?),
                "to" => to = date(name, &value)?,
                AS_OF => as_of = Some(AsOf::read(&value, now)?),
                _ => format = Some(Format::read(&value)?),
            }
        }
        let accepted = call.header("accept").unwrap_or_default();
        let by_header = if accepted.contains("text/csv") { Format::Csv } else { Format::Json };
        let wanted = Self {
            from: from.unwrap_or_else(|| to.first_of_month()),
            to,
            format: format.unwrap_or(by_header),
            as_of,
        };
        let days = i64::try_from(MAX_USAGE_DAYS).unwrap_or(i64::MAX);
        let last = wanted.from.saturating_add((days - 1).days());
        if wanted.to < wanted.from || wanted.to > last {
            let message =
                format!("This is a day from {} on, and within {days} days of it.", wanted.from);
            return Err(Problem::FieldInvalid { field: "to", message });
        }
        Ok(wanted)
    }
}

impl Format {
    fn read(value: &str) -> Result<Self, Problem> {
        match value {
            "json" => Ok(Self::Json),
            "csv" => Ok(Self::Csv),
            _ => {
                let message = format!("\"{}\" is no format: use json or csv.", quote(value));
                Err(Problem::FieldInvalid { field: "format", message })
            }
        }
    }
}

fn date(field: &'static str, value: &str) -> Result<Date, Problem> {
    value.parse().map_err(|_odd| {
        let message = format!("\"{}\" is no day: write 2026-11-22.", quote(value));
        Problem::FieldInvalid { field, message }
    })
}

impl Told {
    fn of(wanted: &Wanted, days: Vec<(Date, Usage)>) -> Self {
        let total = days.iter().fold(Usage::default(), |sum, (_, used)| sum.and(used));
        let days = days.into_iter().map(|(date, used)| Day { date, used }).collect();
        Self { from: wanted.from, to: wanted.to, days, total }
    }
}

fn csv(days: &[(Date, Usage)]) -> Response {
    let mut text = format!("date,{}\r\n", Usage::NAMES.join(","));
    for (date, used) in days {
        let numbers: Vec<String> = used.values().iter().map(ToString::to_string).collect();
        // Writing to a text does not fail.
        let _ = write!(text, "{date},{}\r\n", numbers.join(","));
    }
    let mut response = http::Response::new(text).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/csv; charset=utf-8"));
    let name = HeaderValue::from_static("attachment; filename=\"usage.csv\"");
    headers.insert(header::CONTENT_DISPOSITION, name);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &str, accept: &'static str) -> Result<Wanted, Problem> {
        let mut call = Call::asking(query);
        call.headers.insert(header::ACCEPT, HeaderValue::from_static(accept));
        Wanted::read(&call, "2026-11-22T23:00:00Z".parse().unwrap())
    }

    #[test]
    fn days_and_format_are_read_strictly() {
        let (from, to) = ("2026-11-01".parse().unwrap(), "2026-11-22".parse().unwrap());
        assert_eq!(read("", "*/*"), Ok(Wanted { from, to, format: Format::Json, as_of: None }));
        assert_eq!(read("", "text/csv").unwrap().format, Format::Csv);
        assert_eq!(read("format=json", "text/csv").unwrap().format, Format::Json);
        assert_eq!(read("to=2026-03-07", "*/*").unwrap().from, "2026-03-01".parse().unwrap());
        for wrong in [
            "from=yesterday",
            "from=2026-11-23",
            "to=2026-10-31&from=2026-11-01",
            "from=2020-01-01",
            "format=xml",
            "as_of=tomorrow",
            "day=2026-11-22",
        ] {
            let problem = read(wrong, "*/*").unwrap_err();
            assert_eq!(problem.status(), StatusCode::BAD_REQUEST, "{wrong}");
        }
    }
}
