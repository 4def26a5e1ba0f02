//! Where objects go: a bucket, how to reach it, as whom, and what every object there must carry.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use url::{Host, Url};

use crate::{
    CustomerKey, InvalidKey, Role, Secret,
    key::{self, check},
    role::check_role,
};

/// The longest prefix of a destination, in bytes.
const MAX_PREFIX_BYTES: usize = 256;
/// The longest region name, in bytes.
const MAX_REGION_BYTES: usize = 32;

/// A bucket to write to.
#[derive(Debug, Clone)]
pub struct Destination {
    /// Base URL of the S3 server, without path; absent means AWS. Plain `http` only on loopback.
    pub endpoint: Option<String>,
    /// Region that requests are signed for.
    pub region: String,
    /// Name of the bucket.
    pub bucket: String,
    /// Put before every key; nothing outside it can be named. Empty, or ending in `/`.
    pub prefix: String,
    /// Whether the bucket stands in the path instead of the host name.
    pub path_style: bool,
    /// Who writes.
    pub credentials: Credentials,
    /// How the server is told to encrypt.
    pub encryption: Encryption,
    /// The AWS account that must own the bucket, 12 digits: a bucket that changed hands refuses.
    pub bucket_owner: Option<String>,
}

/// Keys of whoever writes. Never shown.
#[derive(Clone)]
pub struct Credentials {
    /// Access key id.
    pub access_key: String,
    /// Secret access key.
    pub secret_key: Secret,
    /// Token of temporary credentials.
    pub session_token: Option<Secret>,
    /// The role that is taken on with these keys; it, and not they, writes.
    pub role: Option<Role>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[credentials]")
    }
}

/// Encryption that the server is asked for with every object.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Encryption {
    /// Whatever the bucket does by itself.
    #[default]
    None,
    /// With keys that the server keeps (SSE-S3).
    SseS3,
    /// With a key of the customer's key service (SSE-KMS).
    SseKms {
        /// Id or ARN of the key.
        key_id: String,
    },
    /// With a key that the customer gives with every object (SSE-C).
    SseC {
        /// The key.
        key: CustomerKey,
    },
}

/// Why a destination cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidDestination {
    /// The endpoint is not the base URL of a server.
    #[error(
        "the endpoint is not an https:// URL of a server without user, path, query or fragment"
    )]
    Endpoint,
    /// Credentials and contents would cross a network in the clear.
    #[error("the endpoint is http:// beyond loopback: use https://")]
    Plaintext,
    /// The region could not be part of a host name.
    #[error("the region is not 1 to {MAX_REGION_BYTES} lower-case letters, digits and hyphens")]
    Region,
    /// No bucket can have this name.
    #[error("the bucket name is not 3 to 63 letters, digits, '.', '-' and '_'")]
    Bucket,
    /// The prefix would not keep keys where they belong.
    #[error(
        "the destination's prefix must be empty, or at most {MAX_PREFIX_BYTES} bytes ending in '/'"
    )]
    Prefix(#[source] Option<InvalidKey>),
    /// No credentials.
    #[error("the destination has no access key or no secret key")]
    Credentials,
    /// Not the ARN of a role.
    #[error("the role is not an ARN such as arn:aws:iam::123456789012:role/darkroom")]
    Role,
    /// Roles are not taken on here.
    #[error("this service takes on no roles: its operator sets none in [storage.roles]")]
    NoRoles,
    /// Not the number of an AWS account.
    #[error("the bucket owner is not an account number of 12 digits")]
    Owner,
    /// A key id that cannot stand in a header.
    #[error("the encryption key id is not 1 to 2048 visible ASCII characters")]
    KeyId,
}

impl InvalidDestination {
    /// The field that is wrong, in the words of [`Destination`].
    #[must_use]
    pub const fn field(&self) -> &'static str {
        match self {
            Self::Endpoint | Self::Plaintext => "endpoint",
            Self::Region => "region",
            Self::Bucket => "bucket",
            Self::Prefix(_) => "prefix",
            Self::Credentials => "credentials",
            Self::Role | Self::NoRoles => "role",
            Self::Owner => "bucket_owner",
            Self::KeyId => "encryption",
        }
    }
}

impl Destination {
    /// Checks every field; reaches nothing.
    ///
    /// # Errors
    /// [`InvalidDestination`], naming the first that is wrong.
    pub fn validate(&self) -> Result<(), InvalidDestination> {
        self.check().map(drop)
    }

    /// Checks every field.
    pub(crate) fn check(&self) -> Result<Base, InvalidDestination> {
        let region = self.region.as_bytes();
        let region_byte = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-';
        if !(1..=MAX_REGION_BYTES).contains(&region.len()) || !region.iter().all(region_byte) {
            return Err(InvalidDestination::Region);
        }
        check_bucket(&self.bucket)?;
        check_prefix(&self.prefix)?;
        let Credentials { access_key, secret_key, role, .. } = &self.credentials;
        if let Some(role) = role {
            check_role(&role.arn)?;
        }
        if access_key.is_empty() || secret_key.is_empty() {
            let roles = role.is_some();
            return Err(if roles {
                InvalidDestination::NoRoles
            } else {
                InvalidDestination::Credentials
            });
        }
        if let Some(owner) = &self.bucket_owner
            && (owner.len() != 12 || !owner.bytes().all(|b| b.is_ascii_digit()))
        {
            return Err(InvalidDestination::Owner);
        }
        if let Encryption::SseKms { key_id } = &self.encryption
            && (!(1..=2_048).contains(&key_id.len())
                || !key_id.bytes().all(|b| b.is_ascii_graphic()))
        {
            return Err(InvalidDestination::KeyId);
        }
        let endpoint = self.endpoint.as_deref().map(server).transpose()?;
        Ok(Base::of(endpoint, self))
    }
}

/// Where a bucket's objects lie on the web, and the server behind it.
#[derive(Debug, Clone)]
pub(crate) struct Base {
    /// The server's own URL; absent means AWS.
    pub(crate) endpoint: Option<Url>,
    /// Whether the bucket stands in the path: asked for, or because the host cannot carry it.
    pub(crate) path_style: bool,
    /// URL of the bucket, ending in `/`.
    objects: String,
}

impl Base {
    fn of(endpoint: Option<Url>, destination: &Destination) -> Self {
        let bucket = &destination.bucket;
        let numeric =
            endpoint.as_ref().is_some_and(|url| !matches!(url.host(), Some(Host::Domain(_))));
        // A name with dots fits no wildcard certificate, and one with '_' or capitals no host.
        let no_host_label = |b: u8| b == b'.' || b == b'_' || b.is_ascii_uppercase();
        let path_style = destination.path_style || numeric || bucket.bytes().any(no_host_label);
        let (scheme, host) = match &endpoint {
            Some(url) => (url.scheme(), authority(url)),
            None => ("https", aws_host(&destination.region)),
        };
        let objects = if path_style {
            format!("{scheme}://{host}/{bucket}/")
        } else {
            format!("{scheme}://{bucket}.{host}/")
        };
        Self { endpoint, path_style, objects }
    }

    /// The URL of an object, unsigned.
    pub(crate) fn object(&self, full_key: &str) -> String {
        format!("{}{}", self.objects, key::encode(full_key))
    }
}

/// The address that stands in an endpoint instead of a name.
pub(crate) fn literal_address(endpoint: &Url) -> Option<IpAddr> {
    match endpoint.host()? {
        Host::Domain(_) => None,
        Host::Ipv4(address) => Some(IpAddr::V4(address)),
        Host::Ipv6(address) => Some(IpAddr::V6(address)),
    }
}

fn authority(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

fn aws_host(region: &str) -> String {
    let suffix = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
    format!("s3.{region}.{suffix}")
}

/// Reads the base URL of a server.
pub(crate) fn server(text: &str) -> Result<Url, InvalidDestination> {
    let invalid = |_: url::ParseError| InvalidDestination::Endpoint;
    let url = Url::parse(text).map_err(invalid)?;
    let bare = url.username().is_empty()
        && url.password().is_none()
        && url.path() == "/"
        && url.query().is_none()
        && url.fragment().is_none();
    let Some(host) = url.host().filter(|_| bare) else { return Err(InvalidDestination::Endpoint) };
    match url.scheme() {
        "https" => Ok(url),
        "http" if is_loopback(&host) => Ok(url),
        "http" => Err(InvalidDestination::Plaintext),
        _ => Err(InvalidDestination::Endpoint),
    }
}

fn is_loopback(host: &Host<&str>) -> bool {
    match host {
        Host::Domain(name) => *name == "localhost",
        Host::Ipv4(address) => Ipv4Addr::is_loopback(address),
        Host::Ipv6(address) => Ipv6Addr::is_loopback(address),
    }
}

/// Refuses what no bucket can be called; an ARN or an access point would lead elsewhere.
pub(crate) fn check_bucket(name: &str) -> Result<(), InvalidDestination> {
    let inner = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
    let edge = |b: Option<&u8>| b.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = name.as_bytes();
    let usable = (3..=63).contains(&bytes.len())
        && name.bytes().all(inner)
        && edge(bytes.first())
        && edge(bytes.last())
        && !name.contains("..");
    if usable { Ok(()) } else { Err(InvalidDestination::Bucket) }
}

fn check_prefix(prefix: &str) -> Result<(), InvalidDestination> {
    if prefix.is_empty() {
        return Ok(());
    }
    let Some(folder) = prefix.strip_suffix('/').filter(|_| prefix.len() <= MAX_PREFIX_BYTES) else {
        return Err(InvalidDestination::Prefix(None));
    };
    check(folder).map_err(|invalid| InvalidDestination::Prefix(Some(invalid)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn destination() -> Destination {
        Destination {
            endpoint: Some("https://s3.example.com".to_owned()),
            region: "eu-west-1".to_owned(),
            bucket: "pictures".to_owned(),
            prefix: String::new(),
            path_style: false,
            credentials: Credentials {
                access_key: "AKID".to_owned(),
                secret_key: Secret::from("s"),
                session_token: None,
                role: None,
            },
            encryption: Encryption::None,
            bucket_owner: None,
        }
    }

    #[test]
    fn plain_http_is_for_loopback_alone() {
        for (endpoint, expected) in [
            ("https://s3.example.com", None),
            ("https://s3.example.com:9000/", None),
            ("http://127.0.0.1:9000", None),
            ("http://127.9.9.9", None),
            ("http://[::1]:9000", None),
            ("http://localhost:9000", None),
            ("http://s3.example.com", Some(InvalidDestination::Plaintext)),
            ("http://10.0.0.1", Some(InvalidDestination::Plaintext)),
            ("http://localhost.example.com", Some(InvalidDestination::Plaintext)),
            ("http://127.0.0.1.example.com", Some(InvalidDestination::Plaintext)),
            ("ftp://127.0.0.1", Some(InvalidDestination::Endpoint)),
            ("https://user@s3.example.com", Some(InvalidDestination::Endpoint)),
            ("https://s3.example.com/bucket", Some(InvalidDestination::Endpoint)),
            ("https://s3.example.com/?a=b", Some(InvalidDestination::Endpoint)),
            ("s3.example.com", Some(InvalidDestination::Endpoint)),
            ("", Some(InvalidDestination::Endpoint)),
        ] {
            let given = Destination { endpoint: Some(endpoint.to_owned()), ..destination() };
            assert_eq!(given.check().err(), expected, "{endpoint}");
        }
    }

    #[test]
    fn names_that_would_lead_elsewhere_are_refused() {
        for bucket in ["", "ab", "arn:aws:s3:::x", "a/b", "a..b", "-ab", "ab-", "a b c", "../etc"] {
            let given = Destination { bucket: bucket.to_owned(), ..destination() };
            assert_eq!(given.check().err(), Some(InvalidDestination::Bucket), "{bucket}");
        }
        for region in ["", "EU", "eu.evil.com/", "x@y", "a b"] {
            let given = Destination { region: region.to_owned(), ..destination() };
            assert_eq!(given.check().err(), Some(InvalidDestination::Region), "{region}");
        }
        for prefix in ["a", "/", "/a/", "a//", "../", "a/../b/", "a\n/"] {
            let given = Destination { prefix: prefix.to_owned(), ..destination() };
            assert!(matches!(given.check(), Err(InvalidDestination::Prefix(_))), "{prefix}");
        }
        let given = Destination { prefix: "a/b c/".to_owned(), ..destination() };
        assert!(given.check().is_ok());
        let given = Destination { bucket_owner: Some("12345".to_owned()), ..destination() };
        assert_eq!(given.check().err(), Some(InvalidDestination::Owner));
    }

    #[test]
    fn an_object_has_the_url_that_its_server_gives_it() {
        let aws = Destination { endpoint: None, ..destination() };
        let dotted = Destination { bucket: "a.b.c".to_owned(), ..aws.clone() };
        let china = Destination { region: "cn-north-1".to_owned(), ..aws.clone() };
        let path = Destination { path_style: true, ..destination() };
        for (given, expected) in [
            (aws, "https://pictures.s3.eu-west-1.amazonaws.com/a%20b/%C3%BC%2B.jpg"),
            (dotted, "https://s3.eu-west-1.amazonaws.com/a.b.c/a%20b/%C3%BC%2B.jpg"),
            (china, "https://pictures.s3.cn-north-1.amazonaws.com.cn/a%20b/%C3%BC%2B.jpg"),
            (path, "https://s3.example.com/pictures/a%20b/%C3%BC%2B.jpg"),
            (destination(), "https://pictures.s3.example.com/a%20b/%C3%BC%2B.jpg"),
        ] {
            assert_eq!(given.check().unwrap().object("a b/ü+.jpg"), expected);
        }
    }
}
