//! Whole files through the real renderers: those that others wrote, and those made to hurt.
#![allow(clippy::indexing_slicing, reason = "a test that slips fails, as it should")]
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a long run can be narrowed by the environment, says what it did, and watches by the clock"
)]

mod corpus;
mod drawn;
mod handed;
mod hostile;
mod jobs;
mod peers;
mod printed;
mod survives;
mod told;
mod watch;
