//! Where a key ring comes from: a file, a credential that systemd hands in, a command that prints it, or a variable.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::process::{ChildStdout, Command};
use zeroize::Zeroizing;

use crate::document::{Document, Kind};
use crate::error::{RingError, RingFault};
use crate::handed;
use crate::ring_file::{self, Guard, RING_MAX_BYTES};

/// How long a command may take to print a ring.
const COMMAND_MAX: Duration = Duration::from_secs(15);
/// How often a ring is read again from a file.
const FILE_AGAIN: Duration = Duration::from_secs(5);
/// How often a ring is asked for again from a command, which may cost money.
const COMMAND_AGAIN: Duration = Duration::from_secs(60);
/// The folder in which systemd puts the credentials of a service.
const CREDENTIALS_DIRECTORY: &str = "CREDENTIALS_DIRECTORY";

/// Where a key ring comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    /// A file of ours, which a rotation can write.
    File(PathBuf),
    /// A file that systemd decrypted for this service.
    Credential(PathBuf),
    /// A program and its arguments; it prints the ring.
    Command(Vec<String>),
    /// A memory file with what the environment held when the process began; it stays as it is.
    Environment(PathBuf),
}

impl Source {
    /// What settings ask for: one of a command, a credential and the environment, or else a file.
    pub(crate) fn of(
        section: &'static str,
        file: &Path,
        credential: Option<&str>,
        command: &[String],
    ) -> Result<Self, RingError> {
        let taken = handed::is_taken(file);
        match (credential, command) {
            (None, []) if taken => Ok(Self::Environment(file.to_owned())),
            _ if taken => Err(RingError::EnvironmentToo { section }),
            (None, []) => Ok(Self::File(file.to_owned())),
            (None, command) => Ok(Self::Command(command.to_vec())),
            (Some(_), [_, ..]) => Err(RingError::TwoSources { section }),
            (Some(name), []) => {
                if name.is_empty() || name.contains('/') {
                    return Err(RingError::CredentialName { section });
                }
                let folder = credentials_directory();
                let folder = folder.ok_or(RingError::NoCredentials { section })?;
                Ok(Self::Credential(folder.join(name)))
            }
        }
    }

    /// How errors name it. Arguments may hold anything and stay out.
    pub(crate) fn place(&self) -> String {
        match self {
            Self::File(path) | Self::Credential(path) => path.display().to_string(),
            Self::Environment(_) => "from the environment".to_owned(),
            Self::Command(words) => {
                format!("printed by {}", words.first().map_or("", String::as_str))
            }
        }
    }

    /// How often it is read again.
    pub(crate) const fn again(&self) -> Duration {
        match self {
            Self::File(_) | Self::Credential(_) => FILE_AGAIN,
            Self::Command(_) | Self::Environment(_) => COMMAND_AGAIN,
        }
    }

    /// Reads the ring.
    pub(crate) async fn read(&self, kind: Kind) -> Result<Document, RingError> {
        let bytes = match self {
            Self::File(path) | Self::Environment(path) => {
                read_apart(path.clone(), Guard::of(kind)).await?
            }
            Self::Credential(path) => read_apart(path.clone(), Guard::Credential).await?,
            Self::Command(words) => run(words).await?,
        };
        self.parse(kind, &bytes)
    }

    pub(crate) fn parse(&self, kind: Kind, bytes: &[u8]) -> Result<Document, RingError> {
        Document::parse(kind, bytes)
            .map_err(|fault| RingError::Malformed { place: self.place(), fault })
    }
}

#[allow(
    clippy::disallowed_methods,
    reason = "says where systemd put a secret; it is no setting, and the secret is not in it"
)]
fn credentials_directory() -> Option<PathBuf> {
    std::env::var(CREDENTIALS_DIRECTORY).ok().filter(|path| !path.is_empty()).map(PathBuf::from)
}

/// The disk may be far away.
async fn read_apart(path: PathBuf, guard: Guard) -> Result<Zeroizing<Vec<u8>>, RingError> {
    let read = tokio::task::spawn_blocking(move || ring_file::read(&path, guard));
    read.await.map_err(RingError::Task)?
}

/// What a command prints, within bounds. Its complaints go where ours go.
async fn run(words: &[String]) -> Result<Zeroizing<Vec<u8>>, RingError> {
    let (program, arguments) = words.split_first().map_or(("", &[][..]), |(p, a)| (p.as_str(), a));
    let failed = |source| RingError::Command { program: program.to_owned(), source };
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(failed)?;
    let output =
        child.stdout.take().ok_or_else(|| failed(std::io::ErrorKind::BrokenPipe.into()))?;
    let ended = tokio::time::timeout(COMMAND_MAX, async {
        let printed = drain(output).await?;
        // More than fits is not read, and whoever still prints would wait for us for ever.
        if printed.len() > RING_MAX_BYTES {
            child.start_kill()?;
        }
        Ok((printed, child.wait().await?))
    });
    let (printed, status) = match ended.await {
        Ok(ended) => ended.map_err(failed)?,
        Err(_elapsed) => {
            let (program, limit) = (program.to_owned(), COMMAND_MAX);
            return Err(RingError::CommandSlow { program, limit });
        }
    };
    if printed.len() > RING_MAX_BYTES {
        let fault = RingFault::TooLarge(RING_MAX_BYTES);
        return Err(RingError::Malformed { place: format!("printed by {program}"), fault });
    }
    if !status.success() {
        return Err(RingError::CommandFailed { program: program.to_owned(), status });
    }
    Ok(printed)
}

async fn drain(mut output: ChildStdout) -> std::io::Result<Zeroizing<Vec<u8>>> {
    // Room for all of it at once: growing would leave copies behind.
    let mut bytes = Zeroizing::new(vec![0; RING_MAX_BYTES + 1]);
    let mut length = 0;
    while let Some(rest) = bytes.get_mut(length..).filter(|rest| !rest.is_empty()) {
        match output.read(rest).await? {
            0 => break,
            more => length += more,
        }
    }
    bytes.truncate(length);
    Ok(bytes)
}
