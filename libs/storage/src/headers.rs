//! The headers a caller may put on an object, read once into types.

use std::collections::HashMap;

use aws_sdk_s3::{
    primitives::{DateTime, DateTimeFormat},
    types::{ObjectCannedAcl, StorageClass},
};

/// The most headers on one object.
const MAX_HEADERS: usize = 32;
/// The longest value, in bytes.
const MAX_VALUE_BYTES: usize = 1_024;
/// The most bytes of all `x-amz-meta-` names and values together, as S3 has it.
const MAX_METADATA_BYTES: usize = 2_048;
/// The prefix of headers that are kept with the object as they are.
const METADATA: &str = "x-amz-meta-";
/// The most characters of a name that are quoted back.
const QUOTED_CHARS: usize = 80;

/// Headers of an object. What is not known here cannot be sent.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ObjectHeaders {
    pub(crate) cache_control: Option<String>,
    pub(crate) content_disposition: Option<String>,
    pub(crate) content_encoding: Option<String>,
    pub(crate) content_language: Option<String>,
    pub(crate) expires: Option<DateTime>,
    pub(crate) acl: Option<ObjectCannedAcl>,
    pub(crate) storage_class: Option<StorageClass>,
    pub(crate) tagging: Option<String>,
    pub(crate) website_redirect: Option<String>,
    pub(crate) metadata: HashMap<String, String>,
}

/// Which header was refused, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidHeader {
    /// Too many.
    #[error("an object can have at most {MAX_HEADERS} headers")]
    TooMany,
    /// Not one of those an object can have.
    #[error(
        "the header \"{name}\" cannot be set on an object: use Cache-Control, Content-Disposition, Content-Encoding, Content-Language, Expires, x-amz-acl, x-amz-storage-class, x-amz-tagging, x-amz-website-redirect-location or x-amz-meta-*"
    )]
    Unknown {
        /// Its name, cut.
        name: String,
    },
    /// Given more than once.
    #[error("the header \"{name}\" is given twice")]
    Twice {
        /// Its name.
        name: String,
    },
    /// Not what the header takes.
    #[error("the header \"{name}\" must be {expected}")]
    Value {
        /// Its name.
        name: String,
        /// What it takes.
        expected: &'static str,
    },
}

impl ObjectHeaders {
    /// Reads pairs of name and value; names in any case.
    ///
    /// # Errors
    /// [`InvalidHeader`], naming the first header that cannot be set as given.
    pub fn parse<N: AsRef<str>, V: AsRef<str>>(
        pairs: impl IntoIterator<Item = (N, V)>,
    ) -> Result<Self, InvalidHeader> {
        let mut headers = Self::default();
        for (index, (name, value)) in pairs.into_iter().enumerate() {
            if index >= MAX_HEADERS {
                return Err(InvalidHeader::TooMany);
            }
            headers.set(&name.as_ref().trim().to_ascii_lowercase(), value.as_ref().trim())?;
        }
        let metadata = headers.metadata.iter().map(|(name, value)| name.len() + value.len());
        if metadata.sum::<usize>() > MAX_METADATA_BYTES {
            let expected = "at most 2048 bytes together";
            return Err(InvalidHeader::Value { name: format!("{METADATA}*"), expected });
        }
        Ok(headers)
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), InvalidHeader> {
        if let Some(key) = name.strip_prefix(METADATA) {
            return self.set_metadata(name, key, value);
        }
        let slot = match name {
            "cache-control" => &mut self.cache_control,
            "content-disposition" => &mut self.content_disposition,
            "content-encoding" => &mut self.content_encoding,
            "content-language" => &mut self.content_language,
            "x-amz-tagging" => &mut self.tagging,
            "x-amz-website-redirect-location" => &mut self.website_redirect,
            "expires" => {
                let parsed = DateTime::from_str(value, DateTimeFormat::HttpDate).ok();
                return once(&mut self.expires, name, parsed, "an HTTP date");
            }
            "x-amz-acl" => {
                let known = ObjectCannedAcl::values().contains(&value);
                let parsed = known.then(|| ObjectCannedAcl::from(value));
                return once(&mut self.acl, name, parsed, "one of S3's canned ACLs");
            }
            "x-amz-storage-class" => {
                let known = StorageClass::values().contains(&value);
                let parsed = known.then(|| StorageClass::from(value));
                return once(&mut self.storage_class, name, parsed, "one of S3's storage classes");
            }
            _ => return Err(InvalidHeader::Unknown { name: quoted(name) }),
        };
        once(slot, name, plain(value), PLAIN)
    }

    fn set_metadata(&mut self, name: &str, key: &str, value: &str) -> Result<(), InvalidHeader> {
        let token = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
        if key.is_empty() || name.len() > QUOTED_CHARS || !key.bytes().all(token) {
            return Err(InvalidHeader::Unknown { name: quoted(name) });
        }
        let mut slot = self.metadata.remove(key);
        once(&mut slot, name, plain(value), PLAIN)?;
        self.metadata.extend(slot.map(|value| (key.to_owned(), value)));
        Ok(())
    }
}

const PLAIN: &str = "1 to 1024 printable ASCII characters";

fn plain(value: &str) -> Option<String> {
    let printable = value.bytes().all(|b| (b' '..=b'~').contains(&b));
    ((1..=MAX_VALUE_BYTES).contains(&value.len()) && printable).then(|| value.to_owned())
}

fn once<T>(
    slot: &mut Option<T>,
    name: &str,
    parsed: Option<T>,
    expected: &'static str,
) -> Result<(), InvalidHeader> {
    if slot.is_some() {
        return Err(InvalidHeader::Twice { name: name.to_owned() });
    }
    *slot = Some(parsed.ok_or_else(|| InvalidHeader::Value { name: name.to_owned(), expected })?);
    Ok(())
}

fn quoted(name: &str) -> String {
    name.chars().filter(|c| !c.is_control()).take(QUOTED_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(pairs: &[(&str, &str)]) -> Result<ObjectHeaders, InvalidHeader> {
        ObjectHeaders::parse(pairs.iter().copied())
    }

    #[test]
    fn known_headers_are_read_in_any_case() {
        let headers = parse(&[
            ("CACHE-control", " max-age=60 "),
            ("x-amz-ACL", "public-read"),
            ("Expires", "Thu, 01 Dec 2044 16:00:00 GMT"),
            ("X-Amz-Meta-Author", "A. B."),
            ("x-amz-storage-class", "STANDARD_IA"),
        ])
        .unwrap();
        assert_eq!(headers.cache_control.as_deref(), Some("max-age=60"));
        assert_eq!(headers.acl, Some(ObjectCannedAcl::PublicRead));
        assert_eq!(headers.storage_class, Some(StorageClass::StandardIa));
        assert_eq!(headers.expires.map(|at| at.secs()), Some(2_364_220_800));
        assert_eq!(headers.metadata.get("author").map(String::as_str), Some("A. B."));
    }

    #[test]
    fn anything_else_is_refused_by_name() {
        for (name, value) in [
            ("Content-Type", "text/html"),
            ("Authorization", "x"),
            ("Host", "x"),
            ("x-amz-server-side-encryption", "AES256"),
            ("x-amz-copy-source", "/a/b"),
            ("x-amz-meta-", "x"),
            ("x-amz-meta-a b", "x"),
            ("", "x"),
        ] {
            let refused = parse(&[(name, value)]);
            let name = name.to_ascii_lowercase();
            assert_eq!(refused, Err(InvalidHeader::Unknown { name: name.clone() }), "{name}");
        }
        for (name, value) in [
            ("cache-control", ""),
            ("cache-control", "a\r\nx-amz-acl: public-read"),
            ("content-disposition", "attachment; filename=ü"),
            ("expires", "tomorrow"),
            ("x-amz-acl", "everyone"),
            ("x-amz-storage-class", "CHEAP"),
            ("x-amz-meta-a", "\u{7f}"),
        ] {
            let refused = parse(&[(name, value)]);
            assert!(
                matches!(&refused, Err(InvalidHeader::Value { name: named, .. }) if named == name),
                "{name}: {refused:?}"
            );
        }
        let twice = parse(&[("expires", "Thu, 01 Dec 2044 16:00:00 GMT"), ("Expires", "x")]);
        assert_eq!(twice, Err(InvalidHeader::Twice { name: "expires".to_owned() }));
    }

    #[test]
    fn their_number_and_size_have_limits() {
        let many: Vec<_> = (0..33).map(|n| (format!("x-amz-meta-{n}"), "v")).collect();
        assert_eq!(ObjectHeaders::parse(many), Err(InvalidHeader::TooMany));
        let long = "v".repeat(1_000);
        let large =
            parse(&[("x-amz-meta-a", &long), ("x-amz-meta-b", &long), ("x-amz-meta-c", &long)]);
        assert!(matches!(large, Err(InvalidHeader::Value { .. })), "{large:?}");
        assert!(parse(&[("cache-control", &"v".repeat(1_025))]).is_err());
    }
}
