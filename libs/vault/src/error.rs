//! What can go wrong, without a word of what was being kept secret.

use std::path::PathBuf;
use std::time::Duration;

use crate::{KeyId, StoreError};

/// A key or a field could not be had.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The key was shredded, or never made: what was sealed under it is gone for good.
    #[error("the key `{name}` does not exist: it was shredded or never made")]
    Shredded {
        /// Name of the key in the store.
        name: String,
    },
    /// The envelope names another key than the one at hand.
    #[error(
        "sealed under key {sealed_under}, but the key here is {held}: the first was shredded, or the value was moved"
    )]
    OtherKey {
        /// The key named in the envelope.
        sealed_under: KeyId,
        /// The key that was asked to open it.
        held: KeyId,
    },
    /// The key ring lacks the master key that wrapped a data key.
    #[error(
        "`{name}` was wrapped under master key {id}, which the key ring does not hold; \
         put back the key ring file that has it (nothing was changed)"
    )]
    UnknownMasterKey {
        /// Name of the key in the store.
        name: String,
        /// The master key that is missing.
        id: KeyId,
    },
    /// The credentials ring lacks the pair that a credential's key was wrapped to.
    #[error(
        "`{name}` was sealed to pair {id}, which the credentials ring does not hold; \
         put back the key ring file that has it, or bring the public file up to date (nothing was changed)"
    )]
    UnknownCredentialKey {
        /// Name of the key in the store.
        name: String,
        /// The pair that is missing.
        id: KeyId,
    },
    /// A process that only seals was asked to open a credential.
    #[error(
        "this process holds the public half of the credentials ring alone: it seals credentials and opens none"
    )]
    SealsOnly,
    /// Built without a credentials ring.
    #[error("this process was given no credentials ring")]
    NoCredentialKeys,
    /// Nobody can agree on a key with this public half.
    #[error("public half {id} of the credentials ring is no key that anything can be sealed to")]
    Unsealable {
        /// The half.
        id: KeyId,
    },
    /// A key ring file is gone, though the store was made with one.
    #[error(
        "there is no key ring file {path}, but the store of wrapped keys was made with one: \
         put it back from where it is kept apart (nothing was changed)", path = path.display()
    )]
    LostRing {
        /// The file.
        path: PathBuf,
    },
    /// A key ring cannot be used.
    #[error(transparent)]
    Ring(#[from] RingError),
    /// Right key, but the value was changed, or sealed for another account, record or field.
    #[error(
        "`{what}` does not open: it was changed, or sealed for another account, record or field"
    )]
    Refused {
        /// The field, or the wrapped key.
        what: String,
    },
    /// The value is no envelope of ours.
    #[error("`{what}` is no sealed value")]
    Envelope {
        /// The field, or the wrapped key.
        what: String,
        /// Which rule it breaks.
        source: EnvelopeError,
    },
    /// The opened field is not UTF-8.
    #[error("field `{field}` opened, but is not text")]
    NotText {
        /// Name of the field.
        field: String,
    },
    /// The opened field is not the JSON that was expected. The text itself is secret and stays out of the message.
    #[error("field `{field}` opened, but is not the expected JSON (line {line}, column {column})")]
    NotJson {
        /// Name of the field.
        field: String,
        /// Line of the first fault.
        line: usize,
        /// Column of the first fault.
        column: usize,
    },
    /// A value cannot be written as JSON, for example a map whose keys are not strings.
    #[error("field `{field}` cannot be written as JSON")]
    Unwritable {
        /// Name of the field.
        field: String,
    },
    /// An account or job id that cannot be part of a key's name.
    #[error(
        "an id in a key's name has 1 to {} characters of A-Z a-z 0-9 - _",
        crate::keys::ID_MAX_CHARS
    )]
    Name,
    /// The store of wrapped keys failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Error {
    /// Whether the value can never be read again, as opposed to not now: its key is gone.
    #[must_use]
    pub const fn is_shredded(&self) -> bool {
        matches!(self, Self::Shredded { .. } | Self::OtherKey { .. })
    }
}

/// Which rule of the envelope's layout a value breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    /// Not the base64 that `seal` writes.
    #[error("not base64url without padding")]
    NotBase64,
    /// Fewer bytes than the smallest envelope.
    #[error("only {0} bytes")]
    TooShort(usize),
    /// Made by a later release, or not by us.
    #[error("unknown envelope version {0}")]
    Version(u8),
    /// Made by a later release, or not by us.
    #[error("unknown algorithm {0}")]
    Algorithm(u8),
    /// A wrapped key of the wrong length.
    #[error("the wrapped key has the wrong length")]
    KeyLength,
}

/// A key ring could not be read, made or rotated. It was not changed.
#[derive(Debug, thiserror::Error)]
pub enum RingError {
    /// There is no such file.
    #[error("there is no key ring file {path}", path = path.display())]
    Missing {
        /// The file.
        path: PathBuf,
        /// As the system said it.
        source: std::io::Error,
    },
    /// The system refused an operation.
    #[error("cannot {operation} the key ring file {path}", path = path.display())]
    File {
        /// What was tried, as a verb.
        operation: &'static str,
        /// The file.
        path: PathBuf,
        /// As the system said it.
        source: std::io::Error,
    },
    /// Not a regular file.
    #[error("the key ring {path} is not a regular file", path = path.display())]
    NotAFile {
        /// The file.
        path: PathBuf,
    },
    /// Somebody else than the owner may read or write it.
    #[error("others than its owner may use the key ring file (mode {mode:04o}); run: chmod 600 {path}", path = path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Somebody else than the owner may write the public halves, and so have credentials sealed to a pair of theirs.
    #[error("others than its owner may write the public key file (mode {mode:04o}); run: chmod 644 {path}", path = path.display())]
    Writable {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Not a key ring.
    #[error("the key ring {place} is malformed: {fault}; put back a good copy, it was not changed")]
    Malformed {
        /// The file, or what printed it.
        place: String,
        /// Which rule it breaks.
        fault: RingFault,
    },
    /// A ring from two places.
    #[error("vault.{section}_credential and vault.{section}_command are both set: keep one")]
    TwoSources {
        /// How the keys of the setting begin.
        section: &'static str,
    },
    /// A ring in the environment, and settings that lead elsewhere.
    #[error(
        "the environment holds a ring, and vault.{section}_credential or vault.{section}_command leads to another: keep one"
    )]
    EnvironmentToo {
        /// How the keys of the setting begin.
        section: &'static str,
    },
    /// A ring in the environment, and a file named there.
    #[error("{ring} and {file} are both set: keep one")]
    TwoVariables {
        /// The variable that holds a ring.
        ring: &'static str,
        /// The one that says in which file it is.
        file: &'static str,
    },
    /// A ring could not be taken out of the environment.
    #[error("take the key ring out of {variable}")]
    Environment {
        /// The variable.
        variable: &'static str,
        /// As the system said it.
        source: std::io::Error,
    },
    /// A name that could reach elsewhere.
    #[error(
        "vault.{section}_credential is the name that the unit gives to LoadCredential=, without a path"
    )]
    CredentialName {
        /// How the keys of the setting begin.
        section: &'static str,
    },
    /// systemd handed nothing in.
    #[error(
        "vault.{section}_credential is set, but systemd handed in no credentials: name it in the unit with LoadCredential= or LoadCredentialEncrypted="
    )]
    NoCredentials {
        /// How the keys of the setting begin.
        section: &'static str,
    },
    /// The command cannot be run.
    #[error("run {program} for a key ring")]
    Command {
        /// The program, without its arguments.
        program: String,
        /// As the system said it.
        source: std::io::Error,
    },
    /// The command says that it failed.
    #[error("{program}, run for a key ring, ended with {status}")]
    CommandFailed {
        /// The program, without its arguments.
        program: String,
        /// How it ended.
        status: std::process::ExitStatus,
    },
    /// The command takes too long.
    #[error("{program}, run for a key ring, did not end within {} s", limit.as_secs())]
    CommandSlow {
        /// The program, without its arguments.
        program: String,
        /// The limit.
        limit: Duration,
    },
    /// The ring may have been rotated without our knowing.
    #[error("the key ring {place} could not be read again for {} s: nothing is sealed under what may be an outdated key", limit.as_secs())]
    Stale {
        /// The file, or what prints it.
        place: String,
        /// The limit.
        limit: Duration,
    },
    /// Somebody else is changing it.
    #[error("somebody else changes the key ring file {path} right now: try again", path = path.display())]
    Busy {
        /// The file.
        path: PathBuf,
    },
    /// Not a key that can be taken out of the ring.
    #[error("key {id} cannot be retired: {why}")]
    Unretirable {
        /// The key.
        id: KeyId,
        /// Why not.
        why: Unretirable,
    },
    /// The thread that read it died.
    #[error("read the key ring")]
    Task(#[source] tokio::task::JoinError),
}

/// Why a key stays in its ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unretirable {
    /// It is not there.
    #[error("it is in no ring")]
    Unknown,
    /// It is the one that wraps.
    #[error("it is the current one; rotate first")]
    Current,
    /// Something would be lost.
    #[error("{0} keys are still wrapped under it; run `darkroom key rotate --resume`")]
    Held(u64),
    /// A process that has not read the ring again may still wrap under it.
    #[error(
        "its successor is only {age_s} s old; processes may use the key until that is {needed_s} s old"
    )]
    TooSoon {
        /// Age of the current key, in seconds.
        age_s: i64,
        /// What it must be, in seconds.
        needed_s: u64,
    },
    /// The ring is no file of ours.
    #[error("the ring is not a file; take the key out where the ring is kept")]
    NotOurs,
}

/// Which rule of the key ring file's format is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RingFault {
    /// Larger than any key ring.
    #[error("it is larger than {0} bytes")]
    TooLarge(usize),
    /// Not JSON, or a field is missing, unknown or of the wrong type.
    #[error("not the expected JSON at line {line}, column {column}")]
    Json {
        /// Line of the first fault.
        line: usize,
        /// Column of the first fault.
        column: usize,
    },
    /// Made by a later release.
    #[error("unknown format {0}")]
    Format(u32),
    /// No key, or too many.
    #[error("it must hold 1 to {0} keys")]
    Count(usize),
    /// A key id is not 16 hexadecimal digits.
    #[error("a key id is not 16 hexadecimal digits")]
    Id,
    /// Two keys share an id.
    #[error("key {0} appears twice")]
    Twice(KeyId),
    /// `current` names no key of the ring.
    #[error("the current key {0} is not in the ring")]
    Current(KeyId),
    /// A secret is not base64 of the right length.
    #[error("a secret is not base64 of {0} bytes")]
    Secret(usize),
    /// The fields ring where the credentials ring should be, or private halves where public ones should be.
    #[error("it is a key ring of another kind")]
    OtherKind,
    /// A pair with the id of another.
    #[error("key {0} is not the one that its id stands for")]
    Mismatch(KeyId),
    /// No room for another key.
    #[error("it holds {0} keys already; retire some first")]
    Full(usize),
}
