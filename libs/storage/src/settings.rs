//! The `[storage]` section: the platform bucket, where results lie that have no bucket of their own.

use std::time::Duration;

use serde::Deserialize;

use crate::{CdnSettings, Credentials, Destination, Encryption, RoleSettings, Secret};

/// The longest time a pre-signed link can work, by the signature's own rules.
pub(crate) const LONGEST_LINK: Duration = Duration::from_secs(7 * 24 * 3_600);

/// Where the platform bucket is, and how long its objects can be reached.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Base URL of the S3 server; absent means AWS. Plain `http` only on loopback.
    pub endpoint: Option<String>,
    /// Region that requests are signed for.
    pub region: String,
    /// Name of the bucket.
    pub bucket: String,
    /// Access key id.
    pub access_key: String,
    /// Secret access key.
    pub secret_key: Secret,
    /// How long a result can be downloaded, in hours; at most seven days.
    pub expires_hours: u32,
    /// The same in seconds, for those who want less than an hour; stands before the hours.
    pub expires_seconds: Option<u32>,
    /// Whether the bucket stands in the path instead of the host name; absent means: in the path
    /// when an endpoint is given.
    pub path_style: Option<bool>,
    /// How its server is asked to encrypt every object: `sse-s3`, or `sse-kms:KEY` with the id or ARN
    /// of a key. Absent means whatever the bucket does by itself.
    pub encryption: Option<String>,
    /// A CDN in front of the bucket, which results are downloaded through.
    pub cdn: Option<CdnSettings>,
    /// Whom this service is where it takes on roles of customers' accounts.
    pub roles: RoleSettings,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            endpoint: None,
            region: "us-east-1".to_owned(),
            bucket: "darkroom".to_owned(),
            access_key: String::new(),
            secret_key: Secret::default(),
            expires_hours: 24,
            expires_seconds: None,
            path_style: None,
            encryption: None,
            cdn: None,
            roles: RoleSettings::default(),
        }
    }
}

/// What is wrong with the section; each text names the key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSettings {
    /// A key that has no default was not set.
    #[error("storage.{0} is not set")]
    Missing(&'static str),
    /// Links cannot work for so long, or would never work.
    #[error("storage.expires_hours is {0}: use 1 to 168")]
    Expiry(u32),
    /// No way to encrypt.
    #[error("storage.encryption is `{0}`: use sse-s3, or sse-kms: and the id of a key")]
    Encryption(String),
}

impl Settings {
    /// The platform bucket as a destination.
    ///
    /// # Errors
    /// [`InvalidSettings`] when a key is missing or out of range. What can only be judged together
    /// (endpoint, bucket, region) is judged by [`Bucket::open`](crate::Bucket::open).
    pub fn destination(&self) -> Result<Destination, InvalidSettings> {
        if self.access_key.is_empty() {
            return Err(InvalidSettings::Missing("access_key"));
        }
        if self.secret_key.is_empty() {
            return Err(InvalidSettings::Missing("secret_key"));
        }
        self.expires()?;
        Ok(Destination {
            endpoint: self.endpoint.clone(),
            region: self.region.clone(),
            bucket: self.bucket.clone(),
            prefix: String::new(),
            path_style: self.path_style.unwrap_or(self.endpoint.is_some()),
            credentials: Credentials {
                access_key: self.access_key.clone(),
                secret_key: self.secret_key.clone(),
                session_token: None,
                role: None,
            },
            encryption: self.encryption()?,
            bucket_owner: None,
        })
    }

    fn encryption(&self) -> Result<Encryption, InvalidSettings> {
        let Some(text) = &self.encryption else { return Ok(Encryption::None) };
        match text.split_once(':') {
            None if text == "sse-s3" => Ok(Encryption::SseS3),
            Some(("sse-kms", key_id)) if !key_id.is_empty() => {
                Ok(Encryption::SseKms { key_id: key_id.to_owned() })
            }
            _ => Err(InvalidSettings::Encryption(text.clone())),
        }
    }

    /// How long a link to a result works.
    ///
    /// # Errors
    /// [`InvalidSettings::Expiry`] when that is no time at all, or longer than seven days.
    pub fn expires(&self) -> Result<Duration, InvalidSettings> {
        let seconds = self.expires_seconds.map(u64::from);
        let seconds = seconds.unwrap_or(u64::from(self.expires_hours) * 3_600);
        let expires = Duration::from_secs(seconds);
        if expires.is_zero() || expires > LONGEST_LINK {
            return Err(InvalidSettings::Expiry(self.expires_hours));
        }
        Ok(expires)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_secret_is_never_shown() {
        let settings: Settings = serde_json::from_str(
            r#"{"access_key": "AKID", "secret_key": "hunter2", "endpoint": "http://127.0.0.1:1"}"#,
        )
        .unwrap();
        assert!(!format!("{settings:?}").contains("hunter2"));
        let destination = settings.destination().unwrap();
        assert!(destination.path_style);
        let shown = format!("{destination:?}");
        assert!(!shown.contains("hunter2") && !shown.contains("AKID"), "{shown}");
    }

    #[test]
    fn every_object_is_encrypted_as_the_section_says() {
        let with = |text: &str| Settings {
            access_key: "a".to_owned(),
            secret_key: Secret::from("s"),
            encryption: Some(text.to_owned()),
            ..Settings::default()
        };
        let read = |text: &str| with(text).destination().map(|destination| destination.encryption);
        assert_eq!(read("sse-s3"), Ok(Encryption::SseS3));
        let key_id = "arn:aws:kms:eu-west-1:1:key/2".to_owned();
        assert_eq!(read(&format!("sse-kms:{key_id}")), Ok(Encryption::SseKms { key_id }));
        for wrong in ["", "aes256", "sse-kms", "sse-kms:"] {
            assert_eq!(read(wrong), Err(InvalidSettings::Encryption(wrong.to_owned())), "{wrong}");
        }
    }

    #[test]
    fn a_missing_or_impossible_key_is_named() {
        let mut settings = Settings::default();
        assert_eq!(settings.destination().err(), Some(InvalidSettings::Missing("access_key")));
        settings.access_key = "a".to_owned();
        assert_eq!(settings.destination().err(), Some(InvalidSettings::Missing("secret_key")));
        settings.secret_key = Secret::from("s");
        assert!(settings.destination().is_ok_and(|destination| !destination.path_style));
        for hours in [0, 169] {
            settings.expires_hours = hours;
            assert_eq!(settings.destination().err(), Some(InvalidSettings::Expiry(hours)));
        }
        assert!(serde_json::from_str::<Settings>(r#"{"buckit": "x"}"#).is_err());
    }
}
