//! The renderer's side: building the walls, then speaking with the worker.

pub mod escape;
mod filter;
mod visit;
pub mod walls;

pub use visit::{EXIT_MEMORY, Picture, Visit, VisitError, exit_for_want_of_memory};
