//! Jobs whose objects in the platform bucket go after a while, or at once.

use std::sync::Arc;

use eventlog::follow::{Delivered, Verdict};

use super::TROUBLE;
use crate::desk::Desk;

/// Does what the message asks for.
pub(super) async fn handle(_desk: Arc<Desk>, _delivered: Delivered) -> Verdict {
    Verdict::Again(TROUBLE)
}
