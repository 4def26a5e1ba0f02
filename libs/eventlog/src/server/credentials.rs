//! Seeds of the users in `nats/users.conf`, and the keys that let customers in, made at the first start.
//!
//! The server is told public halves alone. The one password is the auditor's, for clients that know
//! no NKeys; of it the server is told a bcrypt hash.

use std::{collections::BTreeMap, fs, io, path::Path};

use super::{AUDITOR, OBSERVER, ServerError, USERS, quoted, write_private};
use crate::{
    callout::{Keys, Settings as Callout},
    nkey::UserKey,
    settings::{Durability, Secret, Settings},
};

/// Under which names the seeds of the gate's keys lie among those of users.
const ISSUER: &str = "callout_issuer";
const XKEY: &str = "callout_xkey";
/// Under which name the auditor's password lies there.
const AUDITOR_PASSWORD: &str = "auditor_password";

/// A seed for each user, the auditor's password, and the seeds of the gate's keys.
#[derive(Clone)]
pub(super) struct Credentials(BTreeMap<String, Secret>);

impl Credentials {
    /// Reads those in `path`; makes and writes those that are missing, or are still passwords.
    pub(super) fn keep(path: &Path) -> Result<Self, ServerError> {
        let failed = |operation| {
            let path = path.to_owned();
            move |source| ServerError::Folder { operation, path, source }
        };
        let unread = |source| ServerError::Credentials { path: path.to_owned(), source };
        let kept: BTreeMap<String, Secret> = match fs::read(path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(unread)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => BTreeMap::new(),
            Err(source) => return Err(failed("read")(source)),
        };
        let mut credentials = Self(kept);
        if credentials.complete() {
            let exposed: BTreeMap<_, _> =
                credentials.0.iter().map(|(user, secret)| (user, secret.expose())).collect();
            let text = serde_json::to_vec_pretty(&exposed).map_err(unread)?;
            write_private(path, &text).map_err(failed("write"))?;
        }
        Ok(credentials)
    }

    /// Makes what is missing; whether anything was.
    fn complete(&mut self) -> bool {
        let keyless = USERS.into_iter().filter(|user| self.key(user).is_none());
        let mut made: Vec<(&str, Secret)> =
            keyless.map(|user| (user, UserKey::generate().seed())).collect();
        if !self.0.contains_key(AUDITOR_PASSWORD) {
            let password = hex::encode(rand::random::<[u8; 32]>());
            made.push((AUDITOR_PASSWORD, Secret::new(password)));
        }
        if !(self.0.contains_key(ISSUER) && self.0.contains_key(XKEY)) {
            let (issuer, xkey) = Keys::generate().seeds();
            made.extend([(ISSUER, issuer), (XKEY, xkey)]);
        }
        let is_any = !made.is_empty();
        self.0.extend(made.into_iter().map(|(name, secret)| (name.to_owned(), secret)));
        is_any
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
            password: self.secret(role),
            ca_file: None,
            durability,
            system_user: OBSERVER.to_owned(),
            system_password: self.secret(OBSERVER),
            replicas,
        }
    }

    /// The auditor's password, of which the server knows the hash.
    pub(super) fn auditor_password(&self) -> Secret {
        self.secret(AUDITOR_PASSWORD)
    }

    /// What lets customers in.
    pub(super) fn callout(&self) -> Callout {
        Callout {
            password: self.secret("gate"),
            desk_password: self.secret("desk"),
            usher_password: self.secret("usher"),
            issuer_seed: self.secret(ISSUER),
            xkey_seed: self.secret(XKEY),
        }
    }

    /// What the server is told: nothing of it opens anything.
    pub(super) fn variables(&self) -> Result<Vec<(String, String)>, ServerError> {
        let mut variables = Vec::new();
        for user in USERS {
            let key = self.key(user).map(|key| key.public()).unwrap_or_default();
            variables.push((format!("DARKROOM_{}_NKEY", user.to_uppercase()), quoted(&key)));
        }
        let hash = passwords::hash_of_random(self.auditor_password().expose())
            .map_err(|source| ServerError::Hash { user: AUDITOR, source })?;
        variables.push(("DARKROOM_AUDITOR_PASSWORD".to_owned(), quoted(&hash)));
        if let Ok(keys) = Keys::read(&self.callout()) {
            let (issuer, xkey) = keys.public();
            variables.push(("DARKROOM_CALLOUT_ISSUER".to_owned(), quoted(&issuer)));
            variables.push(("DARKROOM_CALLOUT_XKEY".to_owned(), quoted(&xkey)));
        }
        Ok(variables)
    }

    fn key(&self, user: &str) -> Option<UserKey> {
        UserKey::of(self.0.get(user)?)
    }

    fn secret(&self, name: &str) -> Secret {
        self.0.get(name).cloned().unwrap_or_default()
    }
}
