//! Ways to customers' buckets: through the same gate as every other address that strangers choose.

use std::{
    collections::HashMap,
    error::Error,
    fmt,
    net::IpAddr,
    sync::{Mutex, PoisonError},
};

use domain::account::Place;
use egress::Gate;
use futures::future::BoxFuture;
use storage::{Network, Patience, Resolve};

/// The port of an endpoint that names none.
const HTTPS: u16 = 443;
/// Ports that a pool of connections is kept for.
const MAX_POOLS: usize = 32;

/// Pools of judged connections, one a port: addresses are judged together with the port.
pub(crate) struct Networks {
    gate: Gate,
    patience: Patience,
    pools: Mutex<HashMap<u16, Network>>,
}

impl Networks {
    pub(crate) fn new(gate: Gate, patience: Patience) -> Self {
        Self { gate, patience, pools: Mutex::default() }
    }

    /// The way to a customer's bucket.
    pub(crate) fn to(&self, place: &Place) -> Network {
        let port = place
            .endpoint
            .as_deref()
            .and_then(|endpoint| url::Url::parse(endpoint).ok()?.port_or_known_default())
            .unwrap_or(HTTPS);
        let mut pools = self.pools.lock().unwrap_or_else(PoisonError::into_inner);
        if pools.len() >= MAX_POOLS && !pools.contains_key(&port) {
            pools.clear();
        }
        let judged = || {
            let judged = Judged { gate: self.gate.clone(), port };
            Network::through(std::sync::Arc::new(judged), self.patience)
        };
        pools.entry(port).or_insert_with(judged).clone()
    }
}

/// Addresses that may be connected to at one port.
struct Judged {
    gate: Gate,
    port: u16,
}

impl fmt::Debug for Judged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Judged(port {})", self.port)
    }
}

impl Resolve for Judged {
    fn resolve<'a>(
        &'a self,
        host: &'a str,
    ) -> BoxFuture<'a, Result<Vec<IpAddr>, Box<dyn Error + Send + Sync>>> {
        Box::pin(async move {
            let admitted = self.gate.admit(host, self.port).await?;
            Ok(admitted.into_iter().map(|address| address.ip()).collect())
        })
    }
}

#[cfg(test)]
mod tests;
