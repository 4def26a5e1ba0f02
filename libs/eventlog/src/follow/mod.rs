//! Acting on the log: each follower follows it on its own, at its own pace.
//!
//! [`queue`] shares messages out among processes through durable consumers and wants a verdict on
//! each. [`ordered`] gives one process everything in order from where it stopped, and keeps no
//! position of its own: that lies with what was made of the events.

mod ordered;
mod queue;

pub use ordered::{Gap, Tail, ordered};
pub use queue::{Delivered, Queue, Verdict, queue};
