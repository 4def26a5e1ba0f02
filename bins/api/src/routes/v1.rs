//! `/v1`: Darkroom's own names.

pub(crate) mod counts;
pub(crate) mod jobs;
