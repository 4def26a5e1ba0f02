//! `/v2`: the FilePreviews contract.

pub(crate) mod previews;
