//! What is found, line by line.

use std::io::{ErrorKind, Write as _, stdout};

use serde_json::{Value, json};
use service::Failure;

use super::{Hit, again::Outcome};

/// How it is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Table,
    Json,
    Csv,
}

/// A job, and what becomes of it.
pub(super) struct Row<'a> {
    pub(super) hit: &'a Hit,
    pub(super) source: &'a str,
    /// What became of its making again, and whether that was really tried.
    pub(super) rerun: Option<(&'a Outcome, bool)>,
}

/// Standard output.
pub(super) struct Rows(Format);

const COLUMNS: &str = "completed_at,account,job,engine,version,unclear,source,rerun,new_job";

impl Rows {
    pub(super) fn begin(format: Format) -> Result<Self, Failure> {
        if format == Format::Csv {
            print(&format!("{COLUMNS}\r"))?;
        }
        Ok(Self(format))
    }

    /// False once nobody reads any more.
    pub(super) fn show(&mut self, row: &Row<'_>) -> Result<bool, Failure> {
        print(&match self.0 {
            Format::Table => row.table(),
            Format::Json => row.json().to_string(),
            Format::Csv => row.csv(),
        })
    }
}

impl Row<'_> {
    fn rerun(&self) -> (&'static str, Option<String>) {
        match self.rerun {
            None => ("", None),
            Some((Outcome::Made(new), true)) => ("made", Some(new.to_string())),
            Some((Outcome::Made(new), false)) => ("would be made", Some(new.to_string())),
            Some((Outcome::Already(new), _)) => ("made before", Some(new.to_string())),
            Some((Outcome::Result, _)) => ("stands for its original", None),
            Some((Outcome::Gone, _)) => ("cannot be made", None),
        }
    }

    fn table(&self) -> String {
        let Hit { id, completed_at, engine, version, unclear } = self.hit;
        let source = self.source;
        // What was stored is not trusted with the terminal.
        let version: String =
            version.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let unclear = if *unclear { "  unclear" } else { "" };
        let (rerun, new) = self.rerun();
        let rerun = match (rerun, new) {
            ("", _) => String::new(),
            (rerun, None) => format!("  {rerun}"),
            (rerun, Some(new)) => format!("  {rerun}: {new}"),
        };
        format!(
            "{completed_at:.3}  {id}  {engine} {version}{unclear}  {source}{rerun}",
            id = id.job
        )
    }

    fn json(&self) -> Value {
        let Hit { id, completed_at, engine, version, unclear } = self.hit;
        let (rerun, new) = self.rerun();
        let rerun = Some(rerun).filter(|rerun| !rerun.is_empty());
        json!({
            "completed_at": completed_at, "account": id.account, "job": id.job, "engine": engine,
            "version": version, "unclear": unclear, "source": self.source, "rerun": rerun, "new_job": new,
        })
    }

    fn csv(&self) -> String {
        let Hit { id, completed_at, engine, version, unclear } = self.hit;
        let (rerun, new) = self.rerun();
        let fields = [
            completed_at.to_string(),
            id.account.to_string(),
            id.job.to_string(),
            quoted(engine),
            quoted(version),
            unclear.to_string(),
            quoted(self.source),
            rerun.to_owned(),
            new.unwrap_or_default(),
        ];
        format!("{}\r", fields.join(","))
    }
}

/// As RFC 4180 wants it; and a spreadsheet takes nothing of it for a formula.
fn quoted(text: &str) -> String {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let guard = if formula { "'" } else { "" };
    format!("\"{guard}{}\"", text.replace('"', "\"\""))
}

/// False once nobody reads any more.
fn print(line: &str) -> Result<bool, Failure> {
    match writeln!(stdout(), "{line}") {
        // `| head` has seen enough.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(error.into()),
        Ok(()) => Ok(true),
    }
}

#[cfg(test)]
mod tests {
    use domain::{
        id::{AccountId, JobId},
        job,
    };
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_job_reads_the_same_in_each_format() {
        let id = job::Id {
            account: AccountId::from_uuid(Uuid::from_u128(1)),
            job: JobId::from_uuid(Uuid::from_u128(2)),
        };
        let hit = Hit {
            id,
            completed_at: "2026-07-01T12:00:00.5Z".parse().unwrap(),
            engine: "libwebp".to_owned(),
            version: "=1.3\"\u{1b}".to_owned(),
            unclear: true,
        };
        let new = JobId::from_uuid(Uuid::from_u128(3));
        let row = Row { hit: &hit, source: "url", rerun: Some((&Outcome::Made(new), false)) };
        let table = row.table();
        assert!(table.starts_with("2026-07-01T12:00:00.500Z  "), "{table}");
        assert!(table.contains("unclear  url  would be made: 0000") && !table.contains('\u{1b}'));
        assert!(row.csv().contains(",\"'=1.3\"\"\u{1b}\",true,\"url\",would be made,0000"));
        assert_eq!(row.csv().split(',').count(), COLUMNS.split(',').count());
        let json = row.json();
        assert_eq!((&json["unclear"], &json["rerun"]), (&json!(true), &json!("would be made")));
        let plain = Row { hit: &hit, source: "gone: the job was erased", rerun: None };
        assert!(plain.json()["rerun"].is_null() && plain.json()["new_job"].is_null());
    }
}
