//! Programs of others behind walls: LibreOffice, Tesseract and Chromium, each optional.
//!
//! A hosted program runs inside namespaces of its own without network, in a private tmpfs that is
//! gone with it, beneath Landlock and a list of system calls, and is used for one job. Its host,
//! `darkroom-host`, builds those walls around itself, starts the program, and may do so ahead of
//! the job. Host and program are both taken as hostile: see `session` for what is checked.

mod page;
mod prove;
mod requests;
pub(crate) mod session;
mod shelf;
mod text;
pub(crate) mod wire;
mod workshop;

use std::io;
use std::path::{Path, PathBuf};

use domain::FailureCode;

pub use page::{Fetch, FetchError, FetchRequest, Fetched, Page, Shot};
pub use prove::Proven;
pub use text::Recognised;
pub use wire::WireError;
pub use workshop::Workshop;

use crate::pool::StartError;

/// A program that may be there or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Name {
    /// LibreOffice: documents to PDF.
    Office,
    /// Tesseract: text of pictures.
    Ocr,
    /// Chromium: pictures of web pages.
    Browser,
}

impl Name {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Office, Self::Ocr, Self::Browser];

    /// Its name in settings, in failures and on the screen.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.capability().name()
    }

    /// The program that does it, as it goes on record.
    #[must_use]
    pub const fn program(self) -> &'static str {
        match self {
            Self::Office => "libreoffice",
            Self::Ocr => "tesseract",
            Self::Browser => "chromium",
        }
    }

    /// As failures of jobs name it.
    #[must_use]
    pub const fn capability(self) -> domain::Capability {
        match self {
            Self::Office => domain::Capability::Office,
            Self::Ocr => domain::Capability::Ocr,
            Self::Browser => domain::Capability::Browser,
        }
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|name| name.as_str() == text)
    }
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Where the programs are looked for, and how many wait for their job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The host's executable.
    pub host: PathBuf,
    /// LibreOffice's `soffice.bin`.
    pub office: PathBuf,
    /// Tesseract's executable.
    pub ocr: PathBuf,
    /// The folder of Tesseract's languages.
    pub ocr_data: PathBuf,
    /// Chromium's executable itself, not a script that starts it.
    pub browser: PathBuf,
    /// How many of each wait, started, for their job.
    pub ready: Ready,
    /// How many jobs run at once, of all kinds together; further ones wait.
    pub running: usize,
}

/// How many of each program wait, started, for their job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ready {
    /// LibreOffice; one takes some 180 MB.
    pub office: usize,
    /// Tesseract.
    pub ocr: usize,
    /// Chromium; one takes some 150 MB.
    pub browser: usize,
}

impl Ready {
    pub(crate) const fn of(self, name: Name) -> usize {
        match name {
            Name::Office => self.office,
            Name::Ocr => self.ocr,
            Name::Browser => self.browser,
        }
    }
}

impl Settings {
    /// The name of the host's executable.
    pub const EXECUTABLE: &'static str = "darkroom-host";
    /// Where Debian and its relatives put Chromium.
    const BROWSERS: [&'static str; 3] = [
        "/usr/lib/chromium/chromium-headless-shell",
        "/usr/lib/chromium/chromium",
        "/usr/lib64/chromium-browser/chromium-browser",
    ];

    /// The programs where Debian puts them, and none started ahead.
    #[must_use]
    pub fn with_host(host: PathBuf) -> Self {
        let found = Self::BROWSERS.into_iter().find(|path| Path::new(path).is_file());
        let browser = found.unwrap_or("/usr/lib/chromium/chromium-headless-shell");
        Self {
            host,
            office: PathBuf::from("/usr/lib/libreoffice/program/soffice.bin"),
            ocr: PathBuf::from("/usr/bin/tesseract"),
            ocr_data: PathBuf::from("/usr/share/tesseract-ocr/5/tessdata"),
            browser: PathBuf::from(browser),
            ready: Ready::default(),
            running: 2,
        }
    }

    /// The same, with the host that lies beside the running executable.
    ///
    /// # Errors
    /// [`StartError::Missing`] when there is none.
    pub fn beside_current_exe() -> Result<Self, StartError> {
        let own = std::env::current_exe().map_err(StartError::Locate)?;
        let executable = own.with_file_name(Self::EXECUTABLE);
        if executable.is_file() {
            Ok(Self::with_host(executable))
        } else {
            Err(StartError::Missing { executable })
        }
    }

    pub(crate) fn program(&self, name: Name) -> &Path {
        match name {
            Name::Office => &self.office,
            Name::Ocr => &self.ocr,
            Name::Browser => &self.browser,
        }
    }
}

/// Whether a program can be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capability {
    /// Which.
    pub name: Name,
    /// Where it is, or was looked for.
    pub program: PathBuf,
    /// Whether it is there.
    pub state: State,
}

/// Whether a program is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// It can be used.
    Ready {
        /// As it tells it.
        version: String,
    },
    /// It cannot.
    Missing {
        /// What an operator can do about it.
        remedy: String,
    },
}

/// Why a hosted program did not do its job.
#[derive(Debug, thiserror::Error)]
pub enum HostedError {
    /// The program is not installed.
    #[error("{capability} is not installed")]
    Missing {
        /// Which.
        capability: Name,
    },
    /// Text cannot be read in that language.
    #[error("the language {language} is not installed for text recognition")]
    Language {
        /// By Tesseract's name, printable.
        language: String,
    },
    /// The source is at fault, or brought the program down.
    #[error("{code}: {detail}")]
    Failed {
        /// The reason as a code.
        code: FailureCode,
        /// What is known beyond the code; printable, of bounded length.
        detail: String,
    },
    /// The page itself could not be had.
    #[error("the page could not be had: {0}")]
    Document(#[source] FetchError),
    /// No host could be started.
    #[error("start a host")]
    Start(#[from] StartError),
    /// The order cannot be handed over.
    #[error("hand over the order")]
    Order(#[source] WireError),
    /// A file of the job cannot be handed over.
    #[error("{step}")]
    File {
        /// What was to be done with it.
        step: &'static str,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The thread that spoke with the host died.
    #[error("speak with the host")]
    Thread(#[source] tokio::task::JoinError),
}

impl HostedError {
    /// What the caller of the job is told.
    #[must_use]
    pub const fn code(&self) -> FailureCode {
        match self {
            Self::Missing { .. } => FailureCode::CapabilityMissing,
            Self::Language { .. } => FailureCode::LanguageMissing,
            Self::Failed { code, .. } => *code,
            Self::Document(_) => FailureCode::SourceUnreachable,
            Self::Start(_) | Self::Order(_) | Self::File { .. } | Self::Thread(_) => {
                FailureCode::Internal
            }
        }
    }

    /// Which part of the installation is missing, if that is why.
    #[must_use]
    pub const fn capability(&self) -> Option<domain::Capability> {
        match self {
            Self::Missing { capability } => Some(capability.capability()),
            Self::Language { .. }
            | Self::Failed { .. }
            | Self::Document(_)
            | Self::Start(_)
            | Self::Order(_)
            | Self::File { .. }
            | Self::Thread(_) => None,
        }
    }

    pub(crate) fn failed(code: FailureCode, detail: &str) -> Self {
        Self::Failed { code, detail: crate::words::detail(detail) }
    }
}
