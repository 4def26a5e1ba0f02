//! Why an API process cannot start or go on.

use std::{io, net::SocketAddr, path::PathBuf};

/// Why an API process cannot start or go on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The `[api]` section makes no sense.
    #[error(transparent)]
    Settings(#[from] crate::settings::InvalidSettings),
    /// Passwords cannot be hashed as set.
    #[error("api.sessions.bcrypt_cost")]
    Hashing(#[from] passwords::InvalidCost),
    /// The log cannot be reached.
    #[error("reach the event log")]
    Log(#[from] eventlog::ConnectError),
    /// Customers' clients cannot be let in.
    #[error("let customers' NATS clients in ([subscribers])")]
    Subscribers(#[from] eventlog::callout::GateError),
    /// The log keeps less than it must.
    #[error("prove that the event log keeps what it acknowledges")]
    Durability(#[from] eventlog::DurabilityError),
    /// The key rings cannot be read, or are not those of this installation.
    #[error("use the key rings of the [vault] section")]
    Vault(#[from] vault::Error),
    /// The platform bucket makes no sense.
    #[error(transparent)]
    Storage(#[from] custody::BadSettings),
    /// The read model cannot be used.
    #[error("open the read model")]
    ReadModel(#[from] readmodel::Error),
    /// The port cannot be had.
    #[error("listen on {address} (api.listen)")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The certificate cannot be used.
    #[error("use {key} {path}")]
    Certificate {
        /// The setting.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Reading the log again failed.
    #[error("read the event log again")]
    Replay(#[from] eventlog::Unavailable),
    /// The log is not the one that the read model was made from.
    #[error("the event log ends before the read model does")]
    LogEndsEarlier,
    /// A task of this process ended without a result.
    #[error("a task ended without a result")]
    Task(#[from] tokio::task::JoinError),
}
