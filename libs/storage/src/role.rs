//! Roles: a customer names a role instead of keys, and STS hands out keys to it that soon expire.
//!
//! <https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html>. The external id is ours and
//! another for each account, so that nobody can have this service take on somebody else's role.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use aws_credential_types::provider::{
    ProvideCredentials, error::CredentialsError, future::ProvideCredentials as Providing,
};
use aws_sdk_sts::config::{
    BehaviorVersion, Config, Credentials as Keys, Region, SharedCredentialsProvider,
};
use serde::Deserialize;
use tokio::time::Instant;

use crate::{
    Credentials, Error, Secret,
    destination::{InvalidDestination, server},
    network::Network,
};

/// How long keys that are handed out hold, in seconds: the most that every role allows.
const HOLD_S: i32 = 3_600;
/// For how long they are used again.
const USED_FOR: Duration = Duration::from_secs(2_400);
/// The most roles whose keys are kept.
const MAX_TAKEN: usize = 4_096;
/// The longest ARN of a role, in bytes.
const MAX_ARN_BYTES: usize = 2_048;
/// What the SDK calls the origin of keys.
const ORIGIN: &str = "role";

/// Section `[storage.roles]`: whom this service is where it takes on roles, and where it asks.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RoleSettings {
    /// The ARN that customers' roles have to trust. Absent: no roles are taken on.
    pub principal: Option<String>,
    /// Base URL of STS; absent means that of AWS in `region`.
    pub endpoint: Option<String>,
    /// The region whose STS is asked; empty: us-east-1.
    pub region: String,
    /// Access key id of the principal; workers alone need it.
    pub access_key: String,
    /// Its secret access key.
    pub secret_key: Secret,
}

/// A role to be taken on before anything is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Role {
    /// Its ARN.
    pub arn: String,
    /// What its trust policy has to demand.
    pub external_id: String,
    /// Base URL of STS; absent means that of AWS.
    pub endpoint: Option<String>,
    /// The region whose STS is asked.
    pub region: String,
}

impl RoleSettings {
    /// Keys with which this role is taken on.
    #[must_use]
    pub fn credentials(&self, arn: String, external_id: String) -> Credentials {
        let region = if self.region.is_empty() { "us-east-1" } else { self.region.as_str() };
        Credentials {
            access_key: self.access_key.clone(),
            secret_key: self.secret_key.clone(),
            session_token: None,
            role: Some(Role {
                arn,
                external_id,
                endpoint: self.endpoint.clone(),
                region: region.to_owned(),
            }),
        }
    }
}

/// Holds a text to being the ARN of a role.
///
/// # Errors
/// [`InvalidDestination::Role`].
pub fn check_role(arn: &str) -> Result<(), InvalidDestination> {
    let name = |name: &str| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"+=,.@_/-".contains(&byte);
        !name.is_empty() && name.bytes().all(plain)
    };
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    let is_role = match parts.as_slice() {
        ["arn", partition, "iam", "", account, resource] => {
            partition.starts_with("aws")
                && partition.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-')
                && account.len() == 12
                && account.bytes().all(|byte| byte.is_ascii_digit())
                && resource.strip_prefix("role/").is_some_and(name)
        }
        _ => false,
    };
    if is_role && arn.len() <= MAX_ARN_BYTES { Ok(()) } else { Err(InvalidDestination::Role) }
}

/// Keys that were handed out, by role and external id.
#[derive(Default)]
pub(crate) struct Taken(Mutex<HashMap<(String, String), (Instant, Keys)>>);

impl fmt::Debug for Taken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Taken")
    }
}

impl Taken {
    fn find(&self, role: &Role) -> Option<Keys> {
        let taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (since, keys) = taken.get(&(role.arn.clone(), role.external_id.clone()))?;
        (since.elapsed() < USED_FOR).then(|| keys.clone())
    }

    fn keep(&self, role: &Role, since: Instant, keys: Keys) {
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if taken.len() >= MAX_TAKEN {
            taken.clear();
        }
        taken.insert((role.arn.clone(), role.external_id.clone()), (since, keys));
    }
}

/// Takes a role on, and again when its keys are old.
#[derive(Debug)]
pub(crate) struct Taking {
    sts: aws_sdk_sts::Client,
    role: Role,
    taken: Arc<Taken>,
}

impl Taking {
    /// Takes the role on.
    pub(crate) async fn begin(
        own: &Credentials,
        role: &Role,
        network: &Network,
    ) -> Result<Self, Error> {
        check_role(&role.arn)?;
        let endpoint = role.endpoint.as_deref().map(server).transpose()?;
        network.judge(endpoint.as_ref()).await?;
        let keys = Keys::new(own.access_key.clone(), own.secret_key.expose(), None, None, ORIGIN);
        // Built bare, as clients of buckets are.
        let mut config = Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(role.region.clone()))
            .credentials_provider(SharedCredentialsProvider::new(keys))
            .http_client(network.client.clone())
            .timeout_config(network.patience.timeouts(0))
            .retry_config(network.patience.retries());
        if let Some(url) = &endpoint {
            config = config.endpoint_url(url.as_str());
        }
        let sts = aws_sdk_sts::Client::from_conf(config.build());
        let taking = Self { sts, role: role.clone(), taken: Arc::clone(&network.taken) };
        taking.keys().await?;
        Ok(taking)
    }

    async fn keys(&self) -> Result<Keys, Error> {
        const OPERATION: &str = "AssumeRole";
        if let Some(keys) = self.taken.find(&self.role) {
            return Ok(keys);
        }
        let asked = Instant::now();
        let answer = self
            .sts
            .assume_role()
            .role_arn(&self.role.arn)
            .external_id(&self.role.external_id)
            // Shows in the customer's own trail.
            .role_session_name(format!("darkroom-{}", self.role.external_id))
            .duration_seconds(HOLD_S)
            .send()
            .await
            .map_err(|error| Error::from_sdk(OPERATION, error))?;
        let none = || Error::Unprepared {
            operation: OPERATION,
            source: "STS answered without credentials".into(),
        };
        let given = answer.credentials.ok_or_else(none)?;
        let until = std::time::SystemTime::try_from(given.expiration).map_err(|_odd| none())?;
        let token = Some(given.session_token);
        let keys =
            Keys::new(given.access_key_id, given.secret_access_key, token, Some(until), ORIGIN);
        self.taken.keep(&self.role, asked, keys.clone());
        Ok(keys)
    }
}

impl ProvideCredentials for Taking {
    fn provide_credentials<'a>(&'a self) -> Providing<'a>
    where
        Self: 'a,
    {
        Providing::new(async move { self.keys().await.map_err(CredentialsError::provider_error) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arn_of_a_role_is_told_from_anything_else() {
        for good in [
            "arn:aws:iam::123456789012:role/darkroom",
            "arn:aws-us-gov:iam::123456789012:role/path/of/it/darkroom+write=only,v1.0@x_y-z",
        ] {
            assert_eq!(check_role(good), Ok(()), "{good}");
        }
        for bad in [
            "",
            "darkroom",
            "arn:aws:iam::123456789012:user/darkroom",
            "arn:aws:iam::12345678901:role/darkroom",
            "arn:aws:iam:us-east-1:123456789012:role/darkroom",
            "arn:aws:iam::123456789012:role/",
            "arn:aws:iam::123456789012:role/dark room",
            "arn:aws:sts::123456789012:role/darkroom",
            "ARN:aws:iam::123456789012:role/darkroom",
        ] {
            assert_eq!(check_role(bad), Err(InvalidDestination::Role), "{bad}");
        }
    }
}
