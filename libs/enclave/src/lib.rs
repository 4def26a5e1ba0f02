//! Starts a renderer behind walls, caps it, and speaks with it: the only place where a process
//! that reads untrusted bytes is made.
//!
//! A renderer is a process of its own, used for one job. It is forked ahead of its job, for a
//! [`Pool`], from a template that has its libraries loaded; it builds its walls before it reads a single untrusted byte, and is handed the source
//! range by range over the one socket it has. Artifacts come back as sealed memory files.
//! Everything it says is taken as hostile: see [`tally`] for what is checked.

mod cgroup;
mod control;
mod fonts;
pub mod frame;
#[doc(hidden)]
pub mod fuzzed;
pub mod hosted;
pub mod inside;
mod inspect;
mod keeper;
pub mod message;
mod pool;
mod process;
mod prove;
mod render;
mod session;
pub mod socket;
pub mod tally;
mod template;
mod words;

pub use frame::FrameError;
pub use hosted::wire::Word as HostedWord;
pub use inspect::looks_like;
pub use pool::{Config, Pool, StartError};
pub use prove::{ProveError, WallProof, prove};
pub use render::{
    Artifact, HandedOver, Outcome, PageToRead, RangeSource, RenderError, RenderEvent, RenderJob,
    Rendered, Renderer, Sniffed, Stage,
};
