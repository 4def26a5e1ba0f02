//! The `[egress]` section.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::allow::AllowList;

/// No limit of time is longer, whatever the settings say.
const LONGEST_MS: u64 = 24 * 60 * 60 * 1_000;

/// The `[egress]` section: where strangers may send us, and how long we bear with what is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Networks admitted although not of the public internet; an entry with a port also admits that port.
    pub allow: AllowList,
    /// Networks refused although of the public internet, such as this site's own public addresses behind a NAT.
    pub deny: AllowList,
    /// Ports that may be connected to.
    pub ports: Vec<u16>,
    /// PEM file of certificate authorities trusted besides those of the system.
    pub ca_file: Option<PathBuf>,
    /// Limit for resolving, connecting and the TLS handshake together.
    pub connect_ms: u64,
    /// Limit for the head of the answer after connecting, and again for the first byte of its body.
    pub first_byte_ms: u64,
    /// Slower than this over a whole window is too slow.
    pub min_rate_bytes_per_s: u64,
    /// The window over which the rate is measured; time in which nobody asked for bytes does not count.
    pub min_rate_window_ms: u64,
    /// Redirects followed when fetching; posting follows none.
    pub redirects: u8,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            allow: AllowList::default(),
            deny: AllowList::default(),
            ports: vec![80, 443, 8080, 8443],
            ca_file: None,
            connect_ms: 5_000,
            first_byte_ms: 15_000,
            min_rate_bytes_per_s: 65_536,
            min_rate_window_ms: 30_000,
            redirects: 5,
        }
    }
}

impl Settings {
    pub(crate) fn connect(&self) -> Duration {
        Duration::from_millis(self.connect_ms.min(LONGEST_MS))
    }

    pub(crate) fn first_byte(&self) -> Duration {
        Duration::from_millis(self.first_byte_ms.min(LONGEST_MS))
    }

    pub(crate) fn rate_window(&self) -> Duration {
        Duration::from_millis(self.min_rate_window_ms.min(LONGEST_MS))
    }

    /// Bytes that a window must bring.
    pub(crate) fn rate_bytes(&self) -> u64 {
        self.min_rate_bytes_per_s.saturating_mul(self.min_rate_window_ms) / 1_000
    }
}
