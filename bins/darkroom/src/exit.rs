//! Why a command ended, for scripts.

use std::process::ExitCode;

/// How a command that ran to its end ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// All is well.
    Well,
    /// It found what should not be: drift, or a part that does not work.
    Amiss,
    /// The log's chain is broken.
    ChainBroken,
    /// Read models differ.
    Differs,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Well => Self::SUCCESS,
            Exit::Amiss => Self::FAILURE,
            Exit::ChainBroken => Self::from(2),
            Exit::Differs => Self::from(3),
        }
    }
}
