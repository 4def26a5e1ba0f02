//! What the log amounts to, as rows that can be asked for: kept in sled, and made anew whenever that is easier.
//!
//! Nothing in here is the truth. A store holds the rows and, in the same atomic batch, how far
//! into each stream they reach; whatever is lost is read from the log again. One tree holds
//! everything, keys parted by prefix, because one tree is what one batch can change as a whole.

mod cursor;
mod digest;
mod entry;
mod error;
mod key;
mod projection;
mod query;
mod seen;
mod store;
mod stretch;
mod tally;
mod tree;

pub use crate::{
    cursor::{Cursor, InvalidCursor},
    entry::{Change, Entry, Positions, Stream},
    error::Error,
    projection::{
        AccountRow, Attempt, DeliveryRow, EndpointRow, Holder, JobRow, MemberRow, SessionOf,
        Standing, UploadRow, Usage,
    },
    query::{
        Counts, MAX_MEMBERS, MAX_PAGE_ROWS, Page,
        deliveries::{DeliveryFilter, DeliveryPage, MAX_ENDPOINTS},
        usage::{InUse, MAX_USAGE_DAYS},
    },
    store::{Found, Store, WhyAnew},
    stretch::{MAX_STRETCH_BYTES, MAX_STRETCH_ROWS, RowBytes, RowKey, Run, Stretch},
    tally::Tally,
};
