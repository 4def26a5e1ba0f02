//! The one way out: a host and port become judged addresses, or a refusal.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use crate::guard::{Guard, Reason};
use crate::resolve::{Resolve, ResolveError};

/// A name with more addresses than this is refused rather than judged at leisure.
const ANSWERS_MAX: usize = 1_000;

/// What was refused and why. For operators' logs, never for tenants.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The host is, or resolves to, an address that is refused.
    #[error("{address} port {port}: {reason}")]
    Address {
        /// The offending address, as given or resolved.
        address: IpAddr,
        /// The port asked for.
        port: u16,
        /// Why it is refused.
        #[source]
        reason: Reason,
    },
    /// No address could be admitted at this port.
    #[error("port {0} is not on the list")]
    Port(u16),
    /// The name has too many addresses.
    #[error("the host has {0} addresses")]
    TooManyAddresses(usize),
}

/// Why the gate stays shut.
#[derive(Debug, thiserror::Error)]
pub enum GateError {
    /// The target is one that must not be contacted.
    #[error("the address is not one that may be contacted")]
    Refused(Refusal),
    /// The name has no known address.
    #[error(transparent)]
    Resolve(#[from] ResolveError),
}

/// Resolves and judges. Other clients of strangers' addresses (object storage) connect through it too.
#[derive(Clone)]
pub struct Gate {
    guard: Arc<Guard>,
    resolver: Arc<dyn Resolve>,
}

impl Gate {
    /// A gate that asks `resolver` and obeys `guard`.
    #[must_use]
    pub fn new(guard: Arc<Guard>, resolver: Arc<dyn Resolve>) -> Self {
        Self { guard, resolver }
    }

    /// The guard behind it.
    #[must_use]
    pub fn guard(&self) -> &Guard {
        &self.guard
    }

    /// The addresses that may be connected to for `host`, a name or an IP address as URLs spell it.
    /// One refused address among the answers refuses the host. Callers set the deadline.
    pub async fn admit(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, GateError> {
        self.guard.refresh();
        if !self.guard.knows_port(port) {
            return Err(GateError::Refused(Refusal::Port(port)));
        }
        let addresses = match literal(host) {
            Some(address) => vec![address],
            None => self.resolver.resolve(host).await?,
        };
        if addresses.is_empty() {
            return Err(ResolveError::NoAddresses.into());
        }
        if addresses.len() > ANSWERS_MAX {
            return Err(GateError::Refused(Refusal::TooManyAddresses(addresses.len())));
        }
        for &address in &addresses {
            self.guard
                .judge(address, port)
                .map_err(|reason| GateError::Refused(Refusal::Address { address, port, reason }))?;
        }
        Ok(addresses
            .into_iter()
            .map(|address| SocketAddr::new(address.to_canonical(), port))
            .collect())
    }
}

/// The address that a host is, if it is one and no name.
pub(crate) fn literal(host: &str) -> Option<IpAddr> {
    match host.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')) {
        Some(six) => six.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
        None => host.parse().ok(),
    }
}
