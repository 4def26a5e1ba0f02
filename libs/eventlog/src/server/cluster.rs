//! Three servers on one machine, for tests and measurements of what three machines do.

use std::{fs::File, io, path::Path};

use super::{
    Binary, Child, Credentials, OPERATOR, ServerError, free_port, prepare, quoted,
    server_variables, wait_until_ready,
};
use crate::settings::{Durability, Settings};

const SIZE: usize = 3;

/// Three servers that hold every stream three times.
pub struct Cluster {
    children: Vec<Child>,
    credentials: Credentials,
    url: String,
    durability: Durability,
    _locks: Vec<File>,
}

impl Cluster {
    /// Starts three servers under `data` and waits until they agree on a leader.
    ///
    /// # Errors
    /// [`ServerError`] which says what to do.
    pub async fn start(
        data: &Path,
        binary: &Binary,
        durability: Durability,
    ) -> Result<Self, ServerError> {
        let ports = || -> Result<Vec<u16>, ServerError> {
            let ports: io::Result<_> = (0..SIZE).map(|_| free_port()).collect();
            ports.map_err(|source| ServerError::Folder {
                operation: "find free ports beside",
                path: data.to_owned(),
                source,
            })
        };
        let (clients, peers) = (ports()?, ports()?);
        let nodes: Vec<_> = (1..=SIZE).map(|node| data.join(format!("node-{node}"))).collect();
        let locks = nodes.iter().map(|node| prepare(node)).collect::<Result<Vec<_>, _>>()?;
        let credentials = Credentials::keep(&data.join("credentials.json"))?;
        let mut children = Vec::new();
        for (node, (folder, (client, peer))) in
            nodes.iter().zip(clients.iter().zip(&peers)).enumerate()
        {
            let mut variables = credentials.variables()?;
            let name = format!("node-{}", node + 1);
            variables.extend(server_variables(&name, *client, folder, durability));
            let own = quoted(&format!("127.0.0.1:{peer}"));
            variables.push(("DARKROOM_NATS_CLUSTER".to_owned(), own));
            for (number, peer) in peers.iter().enumerate() {
                let route = quoted(&format!("nats-route://127.0.0.1:{peer}"));
                variables.push((format!("DARKROOM_NATS_PEER_{}", number + 1), route));
            }
            children.push(Child::start(binary, &folder.join("cluster.conf"), variables)?);
        }
        let urls: Vec<_> = clients.iter().map(|port| format!("nats://127.0.0.1:{port}")).collect();
        let cluster =
            Self { children, credentials, url: urls.join(","), durability, _locks: locks };
        for child in &cluster.children {
            wait_until_ready(child, &cluster.settings(OPERATOR)).await?;
        }
        Ok(cluster)
    }

    /// Settings with which `role` connects; the observer's included.
    #[must_use]
    pub fn settings(&self, role: &str) -> Settings {
        let copies = 3;
        self.credentials.settings(role, self.url.clone(), self.durability, copies)
    }

    /// What lets customers in.
    #[must_use]
    pub fn callout(&self) -> crate::callout::Settings {
        self.credentials.callout()
    }

    /// The process ids of the servers that run now.
    #[must_use]
    pub fn pids(&self) -> Vec<u32> {
        self.children.iter().filter_map(Child::pid).collect()
    }

    /// Lets them finish what they are at and waits for their end.
    pub async fn stop(self) {
        for child in self.children {
            child.stop().await;
        }
    }
}
