//! Where a page of a list ends, as a text that its reader hands back to get the next.

use std::{fmt, str::FromStr};

use crate::key::Place;

/// A place in an account's list of jobs. It stays valid when jobs come, move or go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor(pub(crate) Place);

/// The text is not a cursor of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a cursor: hand back the text that came with the page before")]
pub struct InvalidCursor;

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0.as_bytes()))
    }
}

impl FromStr for Cursor {
    type Err = InvalidCursor;

    fn from_str(text: &str) -> Result<Self, InvalidCursor> {
        let mut bytes = [0; Place::LEN];
        match hex::decode_to_slice(text, &mut bytes) {
            Ok(()) => Ok(Self(Place::from_bytes(bytes))),
            Err(_) => Err(InvalidCursor),
        }
    }
}
