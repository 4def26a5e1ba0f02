//! Passwords of the users in `nats/users.conf`, and the keys that let customers in, made at the first start.

use std::{collections::BTreeMap, fs, io, path::Path};

use super::{GATE, OBSERVER, OFFSITE, ROLES, ServerError, quoted, write_private};
use crate::{
    callout::{Keys, Settings as Callout},
    settings::{Durability, Secret, Settings},
};

/// Under which names the seeds of the gate's keys lie among the passwords.
const ISSUER: &str = "callout_issuer";
const XKEY: &str = "callout_xkey";

/// One password for each user, and the seeds of the gate's keys.
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
        for user in ROLES.into_iter().chain([GATE, OBSERVER, OFFSITE]) {
            passwords.entry(user.to_owned()).or_insert_with(|| {
                made = true;
                Secret::new(hex::encode(rand::random::<[u8; 32]>()))
            });
        }
        if !(passwords.contains_key(ISSUER) && passwords.contains_key(XKEY)) {
            let (issuer, xkey) = Keys::generate().seeds();
            passwords.insert(ISSUER.to_owned(), issuer);
            passwords.insert(XKEY.to_owned(), xkey);
            made = true;
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

    /// What lets customers in.
    pub(super) fn callout(&self) -> Callout {
        Callout {
            password: self.password(GATE),
            issuer_seed: self.password(ISSUER),
            xkey_seed: self.password(XKEY),
        }
    }

    pub(super) fn variables(&self) -> Vec<(String, String)> {
        let name = |user: &str| format!("DARKROOM_{}_PASSWORD", user.to_uppercase());
        let is_user = |(user, _): &(&String, &Secret)| ![ISSUER, XKEY].contains(&user.as_str());
        let passwords = self.0.iter().filter(is_user);
        let mut variables: Vec<_> =
            passwords.map(|(user, password)| (name(user), quoted(password.expose()))).collect();
        if let Ok(keys) = Keys::read(&self.callout()) {
            let (issuer, xkey) = keys.public();
            variables.push(("DARKROOM_CALLOUT_ISSUER".to_owned(), quoted(&issuer)));
            variables.push(("DARKROOM_CALLOUT_XKEY".to_owned(), quoted(&xkey)));
        }
        variables
    }

    fn password(&self, user: &str) -> Secret {
        self.0.get(user).cloned().unwrap_or_default()
    }
}
