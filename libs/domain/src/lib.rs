//! What Darkroom means, without how it is done: ids, values, events, states and decisions.
//!
//! Nothing in here waits, reads a clock, draws a random number or touches a disk or a network.
//! Times, limits and identities are arguments. An event states what was decided; `evolve` applies
//! it and decides nothing; a decision is a free function from a state to events or a [`Refusal`].
//!
//! [`Refusal`]: job::Refusal

pub mod account;
pub mod aggregate;
pub mod delivery;
pub mod endpoint;
pub mod failure;
pub mod filepreviews;
pub mod id;
pub mod job;
pub mod limits;
pub mod member;
mod options;
pub mod proof;
pub mod retry;
pub mod schema;
pub mod scope;
pub mod sealed;
pub mod size;
pub mod source;
pub mod upload;
pub mod wish;

pub use aggregate::Aggregate;
pub use failure::{Capability, FailureCode};
pub use jiff::Timestamp;
pub use sealed::Sealed;
