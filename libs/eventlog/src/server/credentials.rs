//! Passwords of the users in `nats/users.conf`, made at the first start.

use std::{collections::BTreeMap, fs, io, path::Path};

use super::{OBSERVER, OFFSITE, ROLES, ServerError, quoted, write_private};
use crate::settings::{Durability, Secret, Settings};

/// One password for each user.
#[derive(Clone)]
pub(super) struct Credentials(BTreeMap<String, Secret>);

impl Credentials {
    /// Reads the passwords in `path`; makes and writes those that are missing.
    pub(super) fn keep(path: &Path) -> Result<Self, ServerError> {
        let failed = |operation| {
            let path = path.to_owned();
            move |source| ServerError::Folder { operation, path, source }
        };
        let mut passwords: BTreeMap<String, Secret> = match fs::read(path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map_err(|source| ServerError::Credentials { path: path.to_owned(), source })?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => BTreeMap::new(),
            Err(source) => return Err(failed("read")(source)),
        };
        let mut made = false;
        for user in ROLES.into_iter().chain([OBSERVER, OFFSITE]) {
            passwords.entry(user.to_owned()).or_insert_with(|| {
                made = true;
                Secret::new(hex::encode(rand::random::<[u8; 32]>()))
            });
        }
        if made {
            let exposed: BTreeMap<_, _> =
                passwords.iter().map(|(user, password)| (user, password.expose())).collect();
            let text = serde_json::to_vec_pretty(&exposed)
                .map_err(|source| ServerError::Credentials { path: path.to_owned(), source })?;
            write_private(path, &text).map_err(failed("write"))?;
        }
        Ok(Self(passwords))
    }

    pub(super) fn settings(
        &self,
        role: &str,
        url: String,
        durability: Durability,
        replicas: u8,
    ) -> Settings {
        Settings {
            url,
            user: role.to_owned(),
            password: self.password(role),
            ca_file: None,
            durability,
            system_user: OBSERVER.to_owned(),
            system_password: self.password(OBSERVER),
            replicas,
        }
    }

    pub(super) fn variables(&self) -> Vec<(String, String)> {
        let name = |user: &str| format!("DARKROOM_{}_PASSWORD", user.to_uppercase());
        self.0.iter().map(|(user, password)| (name(user), quoted(password.expose()))).collect()
    }

    fn password(&self, user: &str) -> Secret {
        self.0.get(user).cloned().unwrap_or_default()
    }
}
