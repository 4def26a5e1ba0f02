//! The addresses of this machine's own interfaces, which answer to more than what is published.

use std::net::IpAddr;
use std::sync::{PoisonError, RwLock, RwLockReadGuard};
use std::time::{Duration, Instant};

/// Interfaces come and go (containers, VPNs): how old a look at them may be.
const LOOK_AGAIN_AFTER: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(crate) struct OwnAddresses(RwLock<Look>);

#[derive(Debug)]
struct Look {
    /// `None` if the list was given and never changes.
    at: Option<Instant>,
    addresses: Vec<IpAddr>,
}

impl OwnAddresses {
    pub(crate) fn fixed(addresses: Vec<IpAddr>) -> Self {
        Self(RwLock::new(Look { at: None, addresses }))
    }

    /// Reads the machine's interfaces, now and again on [`Self::refresh`].
    pub(crate) fn read() -> std::io::Result<Self> {
        Ok(Self(RwLock::new(Look { at: Some(Instant::now()), addresses: interfaces()? })))
    }

    pub(crate) fn holds(&self, ip: IpAddr) -> bool {
        self.look().addresses.contains(&ip)
    }

    pub(crate) fn refresh(&self) {
        if self.look().at.is_none_or(|at| at.elapsed() < LOOK_AGAIN_AFTER) {
            return;
        }
        let seen = interfaces();
        let mut look = self.0.write().unwrap_or_else(PoisonError::into_inner);
        look.at = Some(Instant::now());
        match seen {
            Ok(addresses) => look.addresses = addresses,
            Err(error) => {
                tracing::warn!(%error, "cannot read this machine's interfaces; keeping the last known ones");
            }
        }
    }

    fn look(&self) -> RwLockReadGuard<'_, Look> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }
}

fn interfaces() -> std::io::Result<Vec<IpAddr>> {
    let mut addresses: Vec<IpAddr> =
        if_addrs::get_if_addrs()?.iter().map(|interface| interface.ip().to_canonical()).collect();
    addresses.sort_unstable();
    addresses.dedup();
    Ok(addresses)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_addresses_of_this_machines_interfaces_are_known() {
        let own = OwnAddresses::read().unwrap();
        assert!(own.holds(IpAddr::from([127, 0, 0, 1])) && !own.holds(IpAddr::from([1, 1, 1, 1])));
        own.refresh();
        assert!(own.holds(IpAddr::from([127, 0, 0, 1])));
    }
}
