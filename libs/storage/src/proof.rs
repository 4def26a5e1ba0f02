//! What the credentials of a destination may do, found by trying: a bucket is proven write-only
//! when a probe can be stored and can then be neither read, found, listed nor deleted.

use domain::proof::{Access, Proof};
use serde_json::{Value, json};

use crate::{Body, Bucket, Destination, Error, Network, Object, ObjectHeaders, Reader};

/// The key of the probe under the destination's prefix. Always the same, so that a probe which
/// cannot be deleted, as it should be, is replaced by the next one.
pub const PROBE_KEY: &str = "darkroom-probe.txt";
/// What the probe says to whoever finds it.
const PROBE: &[u8] =
    b"Darkroom stores results here. This file proves that it can write, and that it \
can neither read, list nor delete. It is replaced whenever that is proven again.\n";
/// The most bytes read of the probe.
const PROBE_MAX_BYTES: u64 = 4 << 10;

/// Stores a probe in the destination, as every object there is stored, and tries what only an owner
/// should be able to do with it.
///
/// Where the bucket keeps versions, the probe's version is tried as well: reading and deleting
/// those are permissions of their own. Listing is tried below the destination's prefix and in the
/// whole bucket, because a policy can allow either alone.
///
/// # Errors
/// When the destination cannot be used or the probe could neither be stored nor was refused; what
/// became of the other attempts is in the [`Proof`].
pub async fn prove(
    destination: Destination,
    headers: ObjectHeaders,
    network: &Network,
) -> Result<Proof, Error> {
    let bucket = Bucket::open(destination.clone(), network).await?;
    let prefix = destination.prefix.clone();
    let reader = Reader::open(destination, network).await?;
    let probe = Object {
        key: PROBE_KEY.to_owned(),
        content_type: "text/plain; charset=utf-8".to_owned(),
        headers,
        body: Body::from(bytes::Bytes::from_static(PROBE)),
    };
    let version = match bucket.put(probe).await {
        Ok(stored) => stored.version,
        Err(Error::Denied(_)) => {
            let (put, untried) = (Access::Denied, Access::Unclear);
            return Ok(Proof { put, get: untried, head: untried, list: untried, delete: untried });
        }
        Err(error) => return Err(error),
    };
    let mut proof = Proof {
        put: Access::Allowed,
        get: access(&reader.get(PROBE_KEY, PROBE_MAX_BYTES).await),
        head: access(&reader.head(PROBE_KEY).await),
        list: access(&reader.peek(Some(&prefix)).await),
        // Tried last: where it is allowed the probe is gone.
        delete: Access::Denied,
    };
    if !prefix.is_empty() {
        proof.list = more(proof.list, access(&reader.peek(None).await));
    }
    if let Some(version) = &version {
        proof.get = more(proof.get, access(&reader.get_version(PROBE_KEY, version).await));
        proof.list = more(proof.list, access(&reader.peek_versions(&prefix).await));
    }
    proof.delete = access(&reader.delete(PROBE_KEY).await);
    if let Some(version) = &version {
        proof.delete = more(proof.delete, access(&reader.delete_version(PROBE_KEY, version).await));
    }
    Ok(proof)
}

fn access<T>(outcome: &Result<T, Error>) -> Access {
    match outcome {
        // Who is told that the probe is not there may ask.
        Ok(_) | Err(Error::MissingObject(_) | Error::TooLarge { .. }) => Access::Allowed,
        Err(Error::Denied(_) | Error::Credentials(_)) => Access::Denied,
        Err(_) => Access::Unclear,
    }
}

/// What two ways to do the same come down to: one that is open is enough, and one doubt is a doubt.
const fn more(one: Access, other: Access) -> Access {
    match (one, other) {
        (Access::Allowed, _) | (_, Access::Allowed) => Access::Allowed,
        (Access::Unclear, _) | (_, Access::Unclear) => Access::Unclear,
        (Access::Denied, Access::Denied) => Access::Denied,
    }
}

/// The smallest policy that lets Darkroom store in a destination, to be attached to the user whose
/// credentials it is given.
#[derive(Debug, Clone, Copy)]
pub struct Policy<'a> {
    /// Region of the bucket.
    pub region: &'a str,
    /// The bucket.
    pub bucket: &'a str,
    /// The destination's prefix.
    pub prefix: &'a str,
    /// The key of the customer's key service that objects are encrypted with, if one is.
    pub kms_key: Option<&'a str>,
    /// Whether objects carry a canned ACL.
    pub acl: bool,
    /// Whether objects carry tags.
    pub tags: bool,
}

impl Policy<'_> {
    /// In the policy language of IAM.
    #[must_use]
    pub fn document(&self) -> Value {
        let partition = partition(self.region);
        let mut actions = vec!["s3:PutObject", "s3:AbortMultipartUpload"];
        actions.extend(self.acl.then_some("s3:PutObjectAcl"));
        actions.extend(self.tags.then_some("s3:PutObjectTagging"));
        let (bucket, prefix) = (self.bucket, literal(self.prefix));
        let mut statements = vec![json!({
            "Sid": "DarkroomStoresResults",
            "Effect": "Allow",
            "Action": actions,
            "Resource": format!("arn:{partition}:s3:::{bucket}/{prefix}*"),
        })];
        if let Some(key) = self.kms_key {
            // An object in parts is encrypted anew when it is put together.
            statements.push(json!({
                "Sid": "DarkroomEncryptsResults",
                "Effect": "Allow",
                "Action": ["kms:GenerateDataKey", "kms:Decrypt"],
                "Resource": self.key_arn(key),
                "Condition": { "StringEquals": { "kms:ViaService": format!("s3.{}.amazonaws.com", self.region) } },
            }));
        }
        json!({ "Version": "2012-10-17", "Statement": statements })
    }

    /// The key's ARN; of a bare id or an alias only the owner knows which account it is in.
    fn key_arn(&self, key: &str) -> String {
        if key.starts_with("arn:") {
            return key.to_owned();
        }
        let name =
            if key.starts_with("alias/") { "key/*".to_owned() } else { format!("key/{key}") };
        format!("arn:{}:kms:{}:*:{name}", partition(self.region), self.region)
    }
}

fn partition(region: &str) -> &'static str {
    match region {
        _ if region.starts_with("cn-") => "aws-cn",
        _ if region.starts_with("us-gov-") => "aws-us-gov",
        _ => "aws",
    }
}

/// A text that stands for itself where `*`, `?` and `$` would mean something.
fn literal(text: &str) -> String {
    let mut literal = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '*' | '?' | '$' => literal.extend(['$', '{', character, '}']),
            _ => literal.push(character),
        }
    }
    literal
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy<'a>(bucket: &'a str, prefix: &'a str) -> Policy<'a> {
        Policy { region: "eu-west-1", bucket, prefix, kms_key: None, acl: false, tags: false }
    }

    #[test]
    fn the_policy_grants_two_things_below_the_prefix() {
        let statement = policy("results", "previews/").document()["Statement"].take();
        assert_eq!(statement.as_array().map(Vec::len), Some(1));
        assert_eq!(statement[0]["Resource"], "arn:aws:s3:::results/previews/*");
        assert_eq!(statement[0]["Action"], json!(["s3:PutObject", "s3:AbortMultipartUpload"]));
    }

    #[test]
    fn a_prefix_never_widens_the_policy() {
        let statement = policy("results", "a*/?/$\"/").document()["Statement"].take();
        assert_eq!(statement[0]["Resource"], "arn:aws:s3:::results/a${*}/${?}/${$}\"/*");
    }

    #[test]
    fn keys_acls_and_tags_ask_for_what_they_need() {
        let arn = "arn:aws-cn:kms:cn-north-1:123456789012:key/k";
        for (region, key, resource) in [
            ("cn-north-1", arn, arn),
            ("eu-west-1", "k", "arn:aws:kms:eu-west-1:*:key/k"),
            ("us-gov-east-1", "alias/k", "arn:aws-us-gov:kms:us-gov-east-1:*:key/*"),
        ] {
            let whole = Policy { region, kms_key: Some(key), ..policy("results", "") };
            let statement = whole.document()["Statement"].take();
            assert_eq!(statement[1]["Resource"], resource);
        }
        let whole = Policy { acl: true, tags: true, ..policy("results", "") };
        let actions = whole.document()["Statement"][0]["Action"].take();
        assert_eq!(actions.as_array().map(Vec::len), Some(4));
    }
}
