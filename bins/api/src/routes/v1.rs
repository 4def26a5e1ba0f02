//! `/v1`: Darkroom's own names.

pub(crate) mod account;
pub(crate) mod account_erasure;
pub(crate) mod applications;
pub(crate) mod artifacts;
pub(crate) mod audit;
pub(crate) mod counts;
pub(crate) mod deliveries;
pub(crate) mod destination;
pub(crate) mod endpoints;
pub(crate) mod erasures;
pub(crate) mod events;
pub(crate) mod export;
pub(crate) mod feed;
pub(crate) mod inputs;
pub(crate) mod jobs;
pub(crate) mod joins;
pub(crate) mod log;
pub(crate) mod me;
pub(crate) mod members;
pub(crate) mod password_resets;
pub(crate) mod receipt_keys;
pub(crate) mod sessions;
pub(crate) mod uploads;
pub(crate) mod usage;
