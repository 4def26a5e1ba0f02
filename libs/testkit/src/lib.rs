//! What tests stand on: real servers on free ports, sources and webhook receivers that misbehave on demand, pictures, and builders.
//!
//! Everything here panics where something is wrong: a test that cannot set its stage has failed.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot set its stage has failed"
)]

mod caller;
pub mod files;
mod finish;
mod flaky;
mod front;
mod going;
mod http_server;
mod internet;
mod moto;
pub mod nkey;
pub mod pictures;
pub mod processes;
mod receiver;
mod servers;
mod source;
pub mod spellings;
mod stack;
mod tmpfs;
mod wait;
mod witness;

pub use caller::{Answer, Caller};
pub use finish::{Finish, ends_within};
pub use flaky::Flaky;
pub use front::{Asked, Fault, Front};
pub use going::Going;
pub use internet::{Call, Internet, Question, Record};
pub use moto::Moto;
pub use receiver::{Received, Reply, WebhookReceiver};
pub use servers::{Nats, S3};
pub use service::ManualClock;
pub use source::{Source, SourceServer};
pub use stack::{Part, Stack, executable, free_port};
pub use tmpfs::Tmpfs;
pub use wait::{eventually, until_some, within};
pub use witness::{Lapse, Witness};
