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
mod tests {
    use super::*;

    fn place(endpoint: &str) -> Place {
        Place {
            endpoint: Some(endpoint.to_owned()),
            region: "us-east-1".to_owned(),
            bucket: "results".to_owned(),
            prefix: String::new(),
            path_style: true,
            bucket_owner: None,
            access_key_hint: String::new(),
        }
    }

    async fn open(networks: &Networks, endpoint: &str) -> Result<(), storage::Error> {
        let own = place(endpoint);
        let target = storage::Destination {
            endpoint: own.endpoint.clone(),
            region: own.region.clone(),
            bucket: own.bucket.clone(),
            prefix: String::new(),
            path_style: true,
            credentials: storage::Credentials {
                access_key: "key".to_owned(),
                secret_key: storage::Secret::from("secret".to_owned()),
                session_token: None,
            },
            encryption: storage::Encryption::None,
            bucket_owner: None,
        };
        storage::Bucket::open(target, &networks.to(&own)).await.map(drop)
    }

    #[tokio::test]
    async fn a_destination_is_judged_like_every_other_address() {
        let allow: egress::Settings = toml::from_str(r#"allow = "127.0.0.1/32:9000""#).unwrap();
        let client = egress::Client::new(&allow).unwrap();
        let networks = Networks::new(client.gate().clone(), Patience::default());
        for (endpoint, admitted) in [
            ("http://127.0.0.1:9000", true),
            ("http://127.0.0.1:9001", false),
            ("https://169.254.169.254", false),
            ("https://10.0.0.1", false),
            ("https://[::ffff:127.0.0.1]:443", false),
        ] {
            assert_eq!(open(&networks, endpoint).await.is_ok(), admitted, "{endpoint}");
        }
    }
}
