//! The addresses of this machine's own interfaces, which answer to more than what is published.

use std::net::IpAddr;
use std::sync::{PoisonError, RwLock};
use std::time::{Duration, Instant};

/// Interfaces come and go (containers, VPNs): how old a look at them may be.
const LOOK_AGAIN_AFTER: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(crate) struct OwnAddresses {
    /// `None` if the list was given and never changes.
    looked_at: RwLock<Option<Instant>>,
    addresses: RwLock<Vec<IpAddr>>,
}

impl OwnAddresses {
    pub(crate) fn fixed(addresses: Vec<IpAddr>) -> Self {
        Self { looked_at: RwLock::new(None), addresses: RwLock::new(addresses) }
    }

    /// Reads the machine's interfaces, now and again on [`Self::refresh`].
    pub(crate) fn read() -> std::io::Result<Self> {
        let addresses = interfaces()?;
        Ok(Self { looked_at: RwLock::new(Some(Instant::now())), addresses: RwLock::new(addresses) })
    }

    pub(crate) fn holds(&self, ip: IpAddr) -> bool {
        self.addresses.read().unwrap_or_else(PoisonError::into_inner).contains(&ip)
    }

    pub(crate) fn refresh(&self) {
        let looked_at = *self.looked_at.read().unwrap_or_else(PoisonError::into_inner);
        if looked_at.is_none_or(|at| at.elapsed() < LOOK_AGAIN_AFTER) {
            return;
        }
        *self.looked_at.write().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        match interfaces() {
            Ok(addresses) => {
                *self.addresses.write().unwrap_or_else(PoisonError::into_inner) = addresses
            }
            Err(error) => {
                tracing::warn!(%error, "cannot read this machine's interfaces; keeping the last known ones")
            }
        }
    }
}

fn interfaces() -> std::io::Result<Vec<IpAddr>> {
    let mut addresses: Vec<IpAddr> =
        if_addrs::get_if_addrs()?.iter().map(|interface| interface.ip().to_canonical()).collect();
    addresses.sort_unstable();
    addresses.dedup();
    Ok(addresses)
}
