//! Proof, at start, that the walls hold: a renderer tries to get out in every way, and must fail.

use crate::pool::{Config, StartError};

/// Every attempt to get out, and what stopped it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WallProof {
    /// Attempt and what stopped it, in the order tried.
    pub attempts: Vec<(&'static str, String)>,
}

/// Why the walls are not proven.
#[derive(Debug, thiserror::Error)]
pub enum ProveError {
    /// No renderer could be started.
    #[error("start a renderer to test its walls")]
    Start(#[from] StartError),
    /// An attempt got out.
    #[error("the renderer's walls do not hold: {attempt} {outcome}")]
    Breached {
        /// What was tried.
        attempt: &'static str,
        /// What came of it.
        outcome: String,
    },
}

/// Starts renderers that try to get out. A worker that gets an error here must not take jobs.
///
/// # Errors
/// When an attempt succeeds, or a renderer cannot be started or build its walls.
pub async fn prove(_config: &Config) -> Result<WallProof, ProveError> {
    Err(ProveError::Start(StartError::Closed))
}
