//! What the credentials of a destination may do, found by trying: a bucket is proven write-only
//! when a probe can be stored and can then be neither read, found, listed nor deleted.

use domain::proof::{Access, Proof};

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

/// Stores a probe in the destination and tries what only an owner should be able to do with it.
///
/// # Errors
/// When the destination cannot be used or the probe could neither be stored nor was refused; what
/// became of the other attempts is in the [`Proof`].
pub async fn prove(destination: Destination, network: &Network) -> Result<Proof, Error> {
    let bucket = Bucket::open(destination.clone(), network).await?;
    let reader = Reader::open(destination, network).await?;
    let probe = Object {
        key: PROBE_KEY.to_owned(),
        content_type: "text/plain; charset=utf-8".to_owned(),
        headers: ObjectHeaders::default(),
        body: Body::from(bytes::Bytes::from_static(PROBE)),
    };
    match bucket.put(probe).await {
        Ok(_) => {}
        Err(Error::Denied(_)) => {
            let (put, untried) = (Access::Denied, Access::Unclear);
            return Ok(Proof { put, get: untried, head: untried, list: untried, delete: untried });
        }
        Err(error) => return Err(error),
    }
    Ok(Proof {
        put: Access::Allowed,
        get: access(&reader.get(PROBE_KEY, PROBE_MAX_BYTES).await),
        head: access(&reader.head(PROBE_KEY).await),
        list: access(&reader.list("", 1).await),
        // Last: where it is allowed the probe is gone.
        delete: access(&reader.delete(PROBE_KEY).await),
    })
}

fn access<T>(outcome: &Result<T, Error>) -> Access {
    match outcome {
        // Who is told that the probe is not there may ask.
        Ok(_) | Err(Error::MissingObject(_) | Error::TooLarge { .. }) => Access::Allowed,
        Err(Error::Denied(_)) => Access::Denied,
        Err(_) => Access::Unclear,
    }
}

/// The smallest policy that lets Darkroom store in the destination, to be attached to the user whose
/// credentials it is given.
#[must_use]
pub fn write_only_policy(bucket: &str, prefix: &str) -> String {
    format!(
        r#"{{
  "Version": "2012-10-17",
  "Statement": [
    {{
      "Sid": "DarkroomStoresResults",
      "Effect": "Allow",
      "Action": ["s3:PutObject", "s3:AbortMultipartUpload"],
      "Resource": "arn:aws:s3:::{bucket}/{prefix}*"
    }}
  ]
}}
"#
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policy_is_json_and_grants_two_things() {
        let policy: serde_json::Value =
            serde_json::from_str(&write_only_policy("results", "previews/")).unwrap();
        let statement = &policy["Statement"][0];
        assert_eq!(statement["Resource"], "arn:aws:s3:::results/previews/*");
        assert_eq!(statement["Action"].as_array().unwrap().len(), 2);
    }
}
