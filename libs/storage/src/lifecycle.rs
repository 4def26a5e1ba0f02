//! The platform bucket as its owner tends it: what lies where, what is removed, and when its server
//! removes things by itself.

use std::time::Duration;

use aws_sdk_s3::types::{
    AbortIncompleteMultipartUpload, BucketLifecycleConfiguration, BucketVersioningStatus,
    ExpirationStatus, LifecycleExpiration, LifecycleRule, LifecycleRuleFilter,
};
use bytes::Bytes;
use domain::id::AccountId;
use futures::{StreamExt as _, TryStreamExt as _, stream};

use crate::{
    Bucket, Destination, Error, Network, Object, ObjectHeaders, Stored, client::Client, key,
};

/// Below it lie results of jobs without a destination of their own.
pub const RESULTS: &str = "results/";
/// Below it lie files that customers uploaded.
pub const UPLOADS: &str = "uploads/";
/// Below it lies a note of every erasure, so that an old backup can be held against it.
pub const ERASURES: &str = "erasures/";

/// The name of the rule that removes results.
const RULE_RESULTS: &str = "darkroom-results";
/// The name of the rule that removes what was begun and never finished.
const RULE_PARTS: &str = "darkroom-unfinished";
/// After how many days it does.
const PARTS_DAYS: i32 = 8;
/// Objects removed at once.
const AT_ONCE: usize = 16;
/// How often a listing is gone through again because something lay there after all.
const ROUNDS: usize = 3;

/// Where results of an account lie.
#[must_use]
pub fn results_of(account: AccountId) -> String {
    format!("{RESULTS}{account}/")
}

/// Where uploads of an account lie.
#[must_use]
pub fn uploads_of(account: AccountId) -> String {
    format!("{UPLOADS}{account}/")
}

/// What the bucket's server does by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expiry {
    /// It removes results after so many days.
    AfterDays(u32),
    /// It removes nothing.
    Never,
    /// It knows no such rules, or does not let us see them.
    Unknown,
}

/// The platform bucket, to whoever may remove what lies there. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Platform {
    client: Client,
}

impl Platform {
    /// Checks the destination; makes no request.
    ///
    /// # Errors
    /// As [`Bucket::open`](crate::Bucket::open).
    pub async fn open(destination: Destination, network: &Network) -> Result<Self, Error> {
        Ok(Self { client: Client::open(destination, network).await? })
    }

    /// Removes every object whose key begins with `prefix`, and says how many there were.
    ///
    /// # Errors
    /// Whatever a request can end in; doing it again is safe.
    pub async fn clear(&self, prefix: &str) -> Result<u64, Error> {
        self.clear_where(prefix, |_| true).await
    }

    /// Removes every object whose key begins with `prefix` and that `goes`.
    ///
    /// # Errors
    /// As [`Platform::clear`].
    pub async fn clear_where(
        &self,
        prefix: &str,
        goes: impl Fn(&str) -> bool + Sync,
    ) -> Result<u64, Error> {
        let mut removed = 0;
        // Something may have been stored behind the place that the listing had reached.
        for _ in 0..ROUNDS {
            let before = removed;
            let mut from = None;
            loop {
                let (keys, next) = self.page(prefix, from).await?;
                let going: Vec<String> = keys.into_iter().filter(|key| goes(key)).collect();
                removed += going.len() as u64;
                let removals = going.into_iter().map(|key| async move { self.delete(&key).await });
                stream::iter(removals).buffer_unordered(AT_ONCE).try_collect::<()>().await?;
                if next.is_none() {
                    break;
                }
                from = next;
            }
            if removed == before {
                break;
            }
        }
        Ok(removed)
    }

    /// Removes an object; one that is not there counts as removed.
    ///
    /// # Errors
    /// As [`Platform::clear`].
    pub async fn remove(&self, key: &str) -> Result<(), Error> {
        key::check(key)?;
        self.delete(key).await
    }

    /// Keeps a small JSON object under `key`.
    ///
    /// # Errors
    /// As [`Bucket::put`](crate::Bucket::put).
    pub async fn note(&self, key: &str, json: Bytes) -> Result<Stored, Error> {
        let object = Object {
            key: key.to_owned(),
            content_type: "application/json".to_owned(),
            headers: ObjectHeaders::default(),
            body: json.into(),
        };
        Bucket { client: self.client.clone() }.put(object).await
    }

    /// Every key that begins with `prefix`, in order.
    ///
    /// # Errors
    /// As [`Platform::clear`].
    pub async fn keys(&self, prefix: &str) -> Result<Vec<String>, Error> {
        let (mut all, mut from) = (Vec::new(), None);
        loop {
            let (mut keys, next) = self.page(prefix, from).await?;
            all.append(&mut keys);
            if next.is_none() {
                return Ok(all);
            }
            from = next;
        }
    }

    /// Has the server itself remove results some time after `expires`, and what was begun and never
    /// finished. Rules that others made stay as they are.
    ///
    /// # Errors
    /// [`Error::Denied`] or [`Error::Unavailable`] where the server takes no such rules from us.
    pub async fn expire(&self, expires: Duration) -> Result<Expiry, Error> {
        let days = days(expires);
        let wanted = rules(days)?;
        let mut rules = self.rules().await?;
        if wanted.iter().all(|rule| rules.contains(rule)) {
            return Ok(Expiry::AfterDays(days));
        }
        rules.retain(|rule| wanted.iter().all(|own| own.id != rule.id));
        rules.extend(wanted);
        let configuration = BucketLifecycleConfiguration::builder().set_rules(Some(rules));
        self.client
            .sdk
            .put_bucket_lifecycle_configuration()
            .bucket(&self.client.destination.bucket)
            .lifecycle_configuration(configuration.build().map_err(unprepared)?)
            .send()
            .await
            .map_err(|error| Error::from_sdk("PutBucketLifecycleConfiguration", error))?;
        Ok(Expiry::AfterDays(days))
    }

    /// What the server does by itself.
    pub async fn expiry(&self) -> Expiry {
        let Ok(rules) = self.rules().await else { return Expiry::Unknown };
        let own = rules.iter().find(|rule| rule.id.as_deref() == Some(RULE_RESULTS));
        let days = own.and_then(|rule| rule.expiration.as_ref()?.days);
        match days.and_then(|days| u32::try_from(days).ok()) {
            Some(days) => Expiry::AfterDays(days),
            None => Expiry::Never,
        }
    }

    /// Whether the server keeps what is removed as an old version. What is erased is not gone then.
    pub async fn keeps_versions(&self) -> bool {
        let asked = self.client.sdk.get_bucket_versioning();
        let answer = asked.bucket(&self.client.destination.bucket).send().await;
        let status = answer.ok().and_then(|answer| answer.status);
        matches!(status, Some(BucketVersioningStatus::Enabled))
    }

    async fn rules(&self) -> Result<Vec<LifecycleRule>, Error> {
        let answer = self
            .client
            .sdk
            .get_bucket_lifecycle_configuration()
            .bucket(&self.client.destination.bucket)
            .send()
            .await
            .map_err(|error| Error::from_sdk("GetBucketLifecycleConfiguration", error));
        match answer {
            Ok(answer) => Ok(answer.rules.unwrap_or_default()),
            Err(error) if is_none_there(&error) => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    async fn page(
        &self,
        prefix: &str,
        from: Option<String>,
    ) -> Result<(Vec<String>, Option<String>), Error> {
        let home = &self.client.destination.prefix;
        let page = self
            .client
            .sdk
            .list_objects_v2()
            .bucket(&self.client.destination.bucket)
            .prefix(format!("{home}{prefix}"))
            .set_continuation_token(from)
            .send()
            .await
            .map_err(|error| Error::from_sdk("ListObjectsV2", error))?;
        let keys = page.contents.unwrap_or_default().into_iter();
        let own = |key: String| Some(key.strip_prefix(home.as_str())?.to_owned());
        let keys = keys.filter_map(|object| own(object.key?)).collect();
        Ok((keys, page.next_continuation_token))
    }

    async fn delete(&self, key: &str) -> Result<(), Error> {
        self.client
            .sdk
            .delete_object()
            .bucket(&self.client.destination.bucket)
            // As listed: a key that we would not have made can be removed all the same.
            .key(format!("{}{key}", self.client.destination.prefix))
            .send()
            .await
            .map_err(|error| Error::from_sdk("DeleteObject", error))?;
        Ok(())
    }
}

/// Servers count in days, from midnight; ours must not be the later one.
fn days(expires: Duration) -> u32 {
    let days = expires.as_secs().div_ceil(24 * 3_600) + 1;
    u32::try_from(days).unwrap_or(u32::MAX)
}

fn rules(days: u32) -> Result<[LifecycleRule; 2], Error> {
    let days = i32::try_from(days).unwrap_or(i32::MAX);
    let below = |prefix: &str| LifecycleRuleFilter::builder().prefix(prefix).build();
    let results = LifecycleRule::builder()
        .id(RULE_RESULTS)
        .status(ExpirationStatus::Enabled)
        .filter(below(RESULTS))
        .expiration(LifecycleExpiration::builder().days(days).build());
    let unfinished = AbortIncompleteMultipartUpload::builder().days_after_initiation(PARTS_DAYS);
    let parts = LifecycleRule::builder()
        .id(RULE_PARTS)
        .status(ExpirationStatus::Enabled)
        .filter(below(""))
        .abort_incomplete_multipart_upload(unfinished.build());
    Ok([results.build().map_err(unprepared)?, parts.build().map_err(unprepared)?])
}

fn unprepared(source: aws_sdk_s3::error::BuildError) -> Error {
    Error::Unprepared { operation: "PutBucketLifecycleConfiguration", source: source.into() }
}

fn is_none_there(error: &Error) -> bool {
    let (Error::Invalid(answer) | Error::MissingBucket(answer) | Error::MissingObject(answer)) =
        error
    else {
        return false;
    };
    answer.code == "NoSuchLifecycleConfiguration"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_server_s_own_rule_is_never_the_first() {
        for (hours, expected) in [(1, 2), (24, 2), (25, 3), (168, 8)] {
            assert_eq!(days(Duration::from_secs(hours * 3_600)), expected, "{hours}");
        }
    }
}
