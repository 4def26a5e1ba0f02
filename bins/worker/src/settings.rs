//! What a worker can be told. `defaults.toml` is the manual.

use std::path::{Path, PathBuf};

use domain::{limits::Limits, retry::Backoff};
use enclave::{Config, StartError, hosted};
use serde::Deserialize;

/// The defaults, as TOML.
pub const DEFAULTS: &str = include_str!("../defaults.toml");

/// All sections that a worker reads.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// `[worker]`
    pub worker: Worker,
    /// `[log]`
    pub log: service::LogSettings,
    /// `[nats]`
    pub nats: eventlog::Settings,
    /// `[vault]`
    pub vault: vault::Settings,
    /// `[storage]`
    pub storage: storage::Settings,
    /// `[egress]`
    pub egress: egress::Settings,
    /// `[limits]`
    pub limits: Limits,
    /// `[retry]`
    pub retry: Backoff,
}

/// The `[worker]` section.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Worker {
    /// Jobs at once; 0: one per CPU.
    pub slots: usize,
    /// Renderers started ahead; 0: as many as slots.
    pub renderers_ready: usize,
    /// The light renderer's executable.
    #[serde(default)]
    pub renderer: Option<PathBuf>,
    /// The executable of the renderer for film, sound, HEIC and AVIF.
    #[serde(default)]
    pub av_renderer: Option<PathBuf>,
    /// Font files that text is drawn with; absent: those of this machine.
    #[serde(default)]
    pub fonts: Option<Vec<PathBuf>>,
    /// The executable that hosts the programs below.
    #[serde(default)]
    pub host: Option<PathBuf>,
    /// LibreOffice's program.
    #[serde(default)]
    pub office: Option<PathBuf>,
    /// Tesseract's program.
    #[serde(default)]
    pub ocr: Option<PathBuf>,
    /// The folder of Tesseract's languages.
    #[serde(default)]
    pub ocr_data: Option<PathBuf>,
    /// Chromium's program.
    #[serde(default)]
    pub browser: Option<PathBuf>,
    /// How many of each program wait, started, for their job.
    pub programs_ready: usize,
    /// Sources from this size on are read by ranges where their server allows it, in bytes.
    pub ranges_from_bytes: u64,
    /// Largest source that stays in memory, in bytes.
    pub spool_memory_bytes: u64,
    /// Folder for larger ones.
    pub spool: PathBuf,
    /// With less room than this on that folder's disk no new job is taken, in bytes.
    pub spool_free_bytes: u64,
    /// Uploads of one job at once.
    pub uploads: usize,
    /// How long a customer's bucket may take to answer one request, in milliseconds.
    pub bucket_answer_ms: u64,
    /// How long an uploaded file stays that no job reads, in seconds.
    pub upload_unused_s: u64,
    /// The private key that receipts are signed with; made where there is none.
    pub receipt_key_file: PathBuf,
    /// The public halves of all such keys so far, for whoever verifies.
    pub receipt_keys_file: PathBuf,
    /// The public base of the API, without a trailing slash.
    pub public_url: String,
    /// How long jobs may go on after a stop was asked for, in milliseconds.
    pub drain_ms: u64,
}

impl Worker {
    /// How long, and how often, customers' buckets are waited for.
    #[must_use]
    pub fn patience(&self) -> storage::Patience {
        let attempt = std::time::Duration::from_millis(self.bucket_answer_ms.max(1));
        storage::Patience { attempt, ..storage::Patience::default() }
    }

    /// Jobs at once.
    #[must_use]
    pub fn slots(&self) -> usize {
        if self.slots > 0 {
            return self.slots;
        }
        std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
    }

    /// How renderers are started.
    ///
    /// # Errors
    /// When no renderer lies beside the running executable and none is named.
    pub fn renderers(&self) -> Result<Config, StartError> {
        let running = self.slots();
        let ready = if self.renderers_ready > 0 { self.renderers_ready } else { running };
        let mut config = match &self.renderer {
            Some(executable) => {
                let executable = absolute(executable)?;
                let av = executable.with_file_name(Config::AV_EXECUTABLE);
                let av_executable = Some(av).filter(|executable| executable.is_file());
                let fonts = Config::usual_fonts();
                Config { executable, av_executable, ready, running, fonts }
            }
            None => Config::beside_current_exe(ready, running)?,
        };
        if let Some(executable) = &self.av_renderer {
            config.av_executable = Some(absolute(executable)?);
        }
        if let Some(fonts) = &self.fonts {
            config.fonts.clone_from(fonts);
        }
        Ok(config)
    }

    /// Where the programs are that others wrote; `None` where there is nothing to host them.
    ///
    /// # Errors
    /// When a host is named whose path means nothing.
    pub fn programs(&self) -> Result<Option<hosted::Settings>, StartError> {
        let found = match &self.host {
            Some(host) => hosted::Settings::with_host(absolute(host)?),
            None => match hosted::Settings::beside_current_exe() {
                Ok(found) => found,
                Err(StartError::Missing { .. }) => return Ok(None),
                Err(error) => return Err(error),
            },
        };
        let or = |path: &Option<PathBuf>, usual: PathBuf| path.clone().unwrap_or(usual);
        let ready = self.programs_ready;
        Ok(Some(hosted::Settings {
            office: or(&self.office, found.office),
            ocr: or(&self.ocr, found.ocr),
            ocr_data: or(&self.ocr_data, found.ocr_data),
            browser: or(&self.browser, found.browser),
            ready: hosted::Ready { office: ready, ocr: ready, browser: ready },
            running: self.slots(),
            ..found
        }))
    }
}

/// What is started is started from a folder of its own.
fn absolute(path: &Path) -> Result<PathBuf, StartError> {
    std::path::absolute(path).map_err(StartError::Locate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_settings() {
        let settings: Settings = toml::from_str(DEFAULTS).unwrap();
        assert!(settings.worker.slots() >= 1);
        assert_eq!(settings.retry, Backoff::default());
    }
}
