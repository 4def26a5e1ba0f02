//! The renderer's side: building the walls, then speaking with the worker.

pub mod escape;
mod filter;
mod first;
mod fonts;
pub(crate) mod hosted;
mod libraries;
mod template;
mod visit;
pub mod walls;

pub(crate) use first::withheld_signal;
pub use fonts::Fonts;
pub use hosted::run as host;
pub(crate) use hosted::{ATTEMPTS as HOSTED_ATTEMPTS, tasks as hosted_tasks};
pub use template::serve;
pub use visit::{EXIT_MEMORY, Picture, Visit, VisitError, exit_for_want_of_memory};
