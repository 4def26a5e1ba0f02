//! `/v1/audit`: the account's log, for those who check it.

pub(crate) mod events;
