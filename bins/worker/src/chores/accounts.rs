//! Accounts of which nothing shall be left.

use std::sync::Arc;

use eventlog::follow::{Delivered, Verdict};

use super::TROUBLE;
use crate::desk::Desk;

/// Does what the message asks for.
pub(super) async fn handle(_desk: Arc<Desk>, _delivered: Delivered) -> Verdict {
    Verdict::Again(TROUBLE)
}
