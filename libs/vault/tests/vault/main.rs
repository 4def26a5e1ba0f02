//! The vault as its users see it, over the in-memory store.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on should stop"
)]

mod credentials;
mod fields;
mod rotation;
mod signatures;
mod sources;

use std::path::Path;
use std::sync::Arc;

use vault::{MemoryKeys, Role, Settings, Vault};

/// Rings in a folder.
fn settings(folder: &Path) -> Settings {
    Settings {
        master_key_file: folder.join("master.key"),
        credentials_key_file: folder.join("credentials.key"),
        credentials_public_file: folder.join("credentials.pub"),
        ..Settings::default()
    }
}

/// A vault over these rings.
async fn open(folder: &Path, role: Role, store: &Arc<MemoryKeys>) -> Vault {
    Vault::open(&settings(folder), role, store.clone()).await.unwrap()
}
