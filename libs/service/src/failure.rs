//! How a process tells a person why it stopped: the error, its causes, and what to try.

use std::error::Error;
use std::fmt;

use crate::SettingsError;

/// Most causes that are printed.
const CAUSES_MAX: usize = 16;

/// The end of a process that did not go well. Any error becomes one by `?`.
pub struct Failure {
    error: Box<dyn Error + Send + Sync>,
    remedy: Option<String>,
}

impl Failure {
    /// Says what to try.
    #[must_use]
    pub fn or_try(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }
}

impl<E: Error + Send + Sync + 'static> From<E> for Failure {
    fn from(error: E) -> Self {
        let remedy =
            causes(&error).find_map(|cause| cause.downcast_ref::<SettingsError>()?.remedy());
        Self { error: Box::new(error), remedy }
    }
}

/// Adds a remedy to a result's error.
pub trait OrTry<T> {
    /// Says what to try if this failed.
    ///
    /// # Errors
    /// The error itself, with the remedy.
    fn or_try(self, remedy: &str) -> Result<T, Failure>;
}

impl<T, E: Into<Failure>> OrTry<T> for Result<T, E> {
    fn or_try(self, remedy: &str) -> Result<T, Failure> {
        self.map_err(|error| error.into().or_try(remedy))
    }
}

/// What a person reads: `error: …`, `caused by: …`, `try: …`, a line each.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}", self.error)?;
        for text in texts(self.error.as_ref()).skip(1) {
            write!(f, "\ncaused by: {text}")?;
        }
        if let Some(remedy) = &self.remedy {
            write!(f, "\ntry: {remedy}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// An error and its causes on one line, for logs: `fetch failed: connection refused`.
pub struct Chain<'a>(pub &'a (dyn Error + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, text) in texts(self.0).enumerate() {
            write!(f, "{}{text}", if index == 0 { "" } else { ": " })?;
        }
        Ok(())
    }
}

fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| error.source()).take(CAUSES_MAX)
}

/// The messages from the outermost inwards, without those that the one before already ends with.
fn texts<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = String> + 'a {
    let mut before = String::new();
    causes(error).map(ToString::to_string).filter(move |text| {
        let said = !before.is_empty() && before.ends_with(text.as_str());
        before.clone_from(text);
        !said
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("cannot start")]
    struct Start(#[source] Bind);

    #[derive(Debug, thiserror::Error)]
    #[error("cannot bind 127.0.0.1:80: {0}")]
    struct Bind(#[source] std::io::Error);

    fn failing() -> Start {
        Start(Bind(std::io::Error::other("permission denied")))
    }

    #[test]
    fn a_failure_reads_as_error_causes_and_remedy() {
        let failure = Err::<(), _>(failing()).or_try("another port").unwrap_err();
        assert_eq!(
            failure.to_string(),
            "error: cannot start\ncaused by: cannot bind 127.0.0.1:80: permission denied\ntry: another port"
        );
    }

    #[test]
    fn a_chain_is_one_line_that_says_nothing_twice() {
        assert_eq!(
            Chain(&failing()).to_string(),
            "cannot start: cannot bind 127.0.0.1:80: permission denied"
        );
    }
}
