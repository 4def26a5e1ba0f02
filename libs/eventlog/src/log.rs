//! A handle on the log.

use std::sync::Arc;

use crate::{
    DurabilityError,
    backend::Backend,
    commit::Committer,
    connect, durability,
    error::{ConnectError, ReadError, Unavailable},
    memory::Memory,
    settings::{Durability, Settings},
    wire::Wire,
};

/// The role that may have consumers made.
const OPERATOR: &str = "operator";

/// A handle on the log; clones share one connection.
#[derive(Clone)]
pub struct Log {
    pub(crate) backend: Arc<Backend>,
}

impl Log {
    /// Connects as `role`: one of `api`, `worker`, `dispatcher`, `notary`, `operator`, `auditor`.
    /// Once connected, the connection comes back by itself for as long as the handle lives.
    ///
    /// # Errors
    /// [`ConnectError`] when the settings make no sense or no server lets us in within 15 s.
    pub async fn connect(settings: &Settings, role: &str) -> Result<Self, ConnectError> {
        let client = connect::connect(settings, role, &settings.user, &settings.password).await?;
        let shares = settings.durability == Durability::Synced;
        let committer = shares.then(|| Committer::new(client.clone(), settings.replicas));
        let consumes = role == OPERATOR;
        let wire = Wire { client, replicas: settings.replicas, committer, consumes };
        Ok(Self { backend: Arc::new(Backend::Server(Box::new(wire))) })
    }

    /// A log in memory with the same topology and contract, for tests of what is built upon it.
    #[must_use]
    pub fn memory() -> Self {
        Self { backend: Arc::new(Backend::Memory(Memory::new())) }
    }

    /// Proves that servers keep what they acknowledge as `settings.durability` promises.
    ///
    /// # Errors
    /// [`DurabilityError`] which says what to set.
    pub async fn prove_durability(settings: &Settings) -> Result<(), DurabilityError> {
        durability::prove(settings).await
    }

    /// The last sequence of `stream`, current at some moment after the call: whoever has applied
    /// it has seen everything that was acknowledged before.
    ///
    /// # Errors
    /// [`Unavailable`] when the log does not answer.
    pub async fn last_sequence(&self, stream: &str) -> Result<u64, Unavailable> {
        Ok(self.backend.last(stream, ">").await?.map_or(0, |raw| raw.seq))
    }

    /// The last message under `filter`, if there is one.
    ///
    /// # Errors
    /// [`ReadError`] when the log does not answer.
    pub async fn last(&self, stream: &str, filter: &str) -> Result<Option<crate::Raw>, ReadError> {
        Ok(self.backend.last(stream, filter).await?)
    }
}
