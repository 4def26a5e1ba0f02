//! What a person sees while a job runs: a line that moves on a terminal, plain lines elsewhere.

use std::{
    io::{IsTerminal as _, Write as _, stderr},
    time::Duration,
};

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value;

use crate::client::{Heard, Told};

/// How often the line moves.
const TICK: Duration = Duration::from_millis(80);

/// Shows what is heard of one job, on standard error.
pub(crate) struct Progress {
    bar: Option<ProgressBar>,
    quiet: bool,
}

impl Progress {
    /// Shows nothing when quiet.
    pub(crate) fn start(quiet: bool) -> Self {
        let bar = (!quiet && stderr().is_terminal()).then(|| {
            let bar = ProgressBar::new_spinner();
            if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} {elapsed}") {
                bar.set_style(style);
            }
            bar.enable_steady_tick(TICK);
            bar
        });
        Self { bar, quiet }
    }

    /// Says one thing that stays.
    pub(crate) fn say(&self, line: &str) {
        match &self.bar {
            Some(bar) => bar.println(line),
            // Nobody is left to tell if standard error is closed.
            None if !self.quiet => drop(writeln!(stderr(), "{line}")),
            None => {}
        }
    }

    /// Says what goes on now.
    pub(crate) fn now(&self, text: &str) {
        if let Some(bar) = &self.bar {
            bar.set_message(text.to_owned());
        }
    }

    /// Shows what was heard of a job.
    pub(crate) fn hear(&self, heard: &Heard) {
        match heard {
            Heard::Event(told) => {
                let line = format!("  {:<10} {}", told.kind, detail(told));
                self.say(line.trim_end());
            }
            Heard::Progress(step) => self.now(&passing(step)),
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// What matters about an event, in a few words.
fn detail(told: &Told) -> String {
    let data = &told.data;
    let text = |pointer: &str| plain(data.pointer(pointer));
    match told.kind.as_str() {
        "started" => format!("attempt {}", text("/attempt")),
        "fetched" => format!("{} of {}", bytes(data.get("size_bytes")), text("/media_type")),
        "stored" => format!(
            "{} {}x{} {}",
            text("/artifact/name"),
            text("/artifact/width"),
            text("/artifact/height"),
            bytes(data.pointer("/artifact/size_bytes"))
        ),
        "wiped" => format!("{} of intermediates", bytes(data.get("bytes"))),
        "completed" => format!(
            "fetched in {} ms, drawn in {} ms, stored in {} ms",
            text("/durations/fetch_ms"),
            text("/durations/render_ms"),
            text("/durations/store_ms")
        ),
        "attempt_failed" => format!("{}; next attempt at {}", text("/code"), text("/retry_at")),
        "failed" => text("/code"),
        _ => String::new(),
    }
}

fn passing(step: &Value) -> String {
    let stage = step.get("stage").and_then(Value::as_str).unwrap_or_default();
    match stage {
        "fetching" => format!("fetching, {} so far", bytes(step.get("bytes"))),
        "storing" => format!("storing, {} so far", plain(step.get("artifacts"))),
        other => other.to_owned(),
    }
}

fn plain(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => "?".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

/// A number of bytes as a person reads it.
pub(crate) fn bytes(value: Option<&Value>) -> String {
    match value.and_then(Value::as_u64) {
        None => "?".to_owned(),
        Some(count) if count < 1_000 => format!("{count} B"),
        Some(count) if count < 1_000_000 => format!("{}.{} kB", count / 1_000, count % 1_000 / 100),
        Some(count) => format!("{}.{} MB", count / 1_000_000, count % 1_000_000 / 100_000),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn events_are_told_in_a_few_words() {
        for (kind, data, expected) in [
            ("started", json!({"attempt": 2}), "attempt 2"),
            (
                "fetched",
                json!({"size_bytes": 81_811, "media_type": "image/jpeg"}),
                "81.8 kB of image/jpeg",
            ),
            ("failed", json!({"code": "corrupt"}), "corrupt"),
            ("requested", json!({}), ""),
        ] {
            let told = Told { seq: 1, kind: kind.into(), data };
            assert_eq!(detail(&told), expected);
        }
    }
}
