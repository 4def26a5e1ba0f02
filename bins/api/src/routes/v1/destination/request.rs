//! The body of `PUT /v1/destination`, read once into types. No answer quotes a secret.

use custody::Headers;
use domain::{
    account::{Encryption, Place},
    id::AccountId,
};
use serde_json::{Map, Value};
use storage::{
    Credentials, CustomerKey, Destination, InvalidDestination, ObjectHeaders, Secret, check_role,
    layout::Prefix,
};
use zeroize::Zeroizing;

use crate::{call::quote, fields::Fields, problem::Problem};

const FIELDS: [&str; 11] = [
    "bucket",
    "region",
    "endpoint",
    "prefix",
    "path_style",
    "access_key",
    "secret_key",
    "role",
    "encryption",
    "bucket_owner",
    "headers",
];
/// The region that servers beyond AWS mostly sign for.
const USUAL_REGION: &str = "us-east-1";
/// The longest access key or secret key, in bytes.
const MAX_KEY_BYTES: usize = 256;
/// Characters of the access key that are shown.
const HINT_CHARS: usize = 4;
const KINDS: &str = "\"none\", \"sse_s3\", \"sse_kms\" with a key_id, or \"sse_c\" with a key";

/// A destination as it was asked for, checked as far as that goes without reaching it.
pub(crate) struct Asked {
    pub(super) place: Place,
    pub(super) access_key: Zeroizing<String>,
    pub(super) secret_key: Zeroizing<String>,
    /// The role that is taken on, instead of the keys.
    pub(super) role: Option<String>,
    pub(super) cipher: Cipher,
    pub(super) headers: Headers,
}

/// What its server shall encrypt with.
pub(super) enum Cipher {
    /// Something that can be recorded as it is.
    Plain(Encryption),
    /// The customer's own key, in base64.
    CustomerKey(Zeroizing<String>),
}

impl Asked {
    pub(crate) fn read(body: &[u8]) -> Result<Self, Problem> {
        let mut fields = Fields::read(body, &FIELDS)?;
        let bucket = fields.text("bucket")?.to_string();
        let endpoint = fields.optional_text("endpoint")?.filter(|text| !text.is_empty());
        let region = match fields.optional_text("region")?.filter(|text| !text.is_empty()) {
            Some(region) => region.to_string(),
            None if endpoint.is_some() => USUAL_REGION.to_owned(),
            None => return Err(Problem::FieldMissing("region")),
        };
        let role = fields.optional_text("role")?.filter(|text| !text.is_empty());
        let role = role.map(|text| text.to_string());
        let (access_key, secret_key) = keys(&mut fields, role.is_some())?;
        let place = Place {
            path_style: fields.optional_flag("path_style")?.unwrap_or(endpoint.is_some()),
            endpoint: endpoint.map(|text| text.to_string()),
            region,
            bucket,
            prefix: prefix(fields.optional_text("prefix")?.as_deref().map_or("", String::as_str))?,
            bucket_owner: fields.optional_text("bucket_owner")?.map(|text| text.to_string()),
            access_key_hint: hint(&access_key),
        };
        let cipher = cipher(fields.value("encryption"))?;
        let asked = Self {
            place,
            access_key,
            secret_key,
            role,
            cipher,
            headers: headers(fields.value("headers"))?,
        };
        asked.check()?;
        Ok(asked)
    }

    /// The same bytes for the same destination of the same account.
    pub(crate) fn canonical(&self, account: AccountId) -> Zeroizing<Vec<u8>> {
        let (encryption, key) = match &self.cipher {
            Cipher::Plain(encryption) => (Some(encryption), None),
            Cipher::CustomerKey(key) => (None, Some(key.as_str())),
        };
        let all = serde_json::json!({
            "destination": account,
            "place": self.place,
            "access_key": self.access_key.as_str(),
            "secret_key": self.secret_key.as_str(),
            "role": self.role,
            "encryption": encryption,
            "key": key,
            "headers": self.headers,
        });
        Zeroizing::new(all.to_string().into_bytes())
    }

    /// The keys as given. Of a role's nothing is known here but its name.
    fn credentials(&self) -> Result<Credentials, Problem> {
        if let Some(role) = &self.role {
            check_role(role)
                .map_err(|error| invalid(error.field(), capitalised(&error.to_string()) + "."))?;
        }
        let of_role = || "role".to_owned();
        let shown = |key: &str| if self.role.is_some() { of_role() } else { key.to_owned() };
        Ok(Credentials {
            access_key: shown(&self.access_key),
            secret_key: Secret::from(shown(&self.secret_key)),
            session_token: None,
            role: None,
        })
    }

    /// Everything that can be known of a destination without reaching it.
    fn check(&self) -> Result<(), Problem> {
        let Place { endpoint, region, bucket, prefix, path_style, bucket_owner, .. } =
            self.place.clone();
        let destination = Destination {
            endpoint,
            region,
            bucket,
            prefix,
            path_style,
            bucket_owner,
            credentials: self.credentials()?,
            encryption: match &self.cipher {
                Cipher::Plain(Encryption::SseKms { key_id }) => {
                    storage::Encryption::SseKms { key_id: key_id.clone() }
                }
                Cipher::Plain(_) | Cipher::CustomerKey(_) => storage::Encryption::None,
            },
        };
        destination.validate().map_err(|error| {
            let remedy = match error {
                InvalidDestination::Plaintext => {
                    " Credentials and files would cross the network in the clear."
                }
                _ => "",
            };
            invalid(error.field(), format!("{}.{remedy}", capitalised(&error.to_string())))
        })
    }
}

/// The keys; both empty where a role is named instead.
fn keys(
    fields: &mut Fields,
    role: bool,
) -> Result<(Zeroizing<String>, Zeroizing<String>), Problem> {
    if !role {
        return Ok((key(fields, "access_key")?, key(fields, "secret_key")?));
    }
    for name in ["access_key", "secret_key"] {
        if fields.optional_text(name)?.is_some_and(|text| !text.is_empty()) {
            return Err(invalid("role", "Give keys or a role, not both."));
        }
    }
    Ok((Zeroizing::default(), Zeroizing::default()))
}

fn key(fields: &mut Fields, name: &'static str) -> Result<Zeroizing<String>, Problem> {
    let text = fields.text(name)?;
    let printable = text.bytes().all(|byte| byte.is_ascii_graphic());
    if printable && text.len() <= MAX_KEY_BYTES {
        return Ok(text);
    }
    let message = format!("This must be 1 to {MAX_KEY_BYTES} visible ASCII characters.");
    Err(invalid(name, message))
}

/// The last characters of an access key, where that leaves enough of it unsaid.
fn hint(access_key: &str) -> String {
    let length = access_key.chars().count();
    let shown = if length >= 3 * HINT_CHARS { HINT_CHARS } else { 0 };
    access_key.chars().skip(length - shown).collect()
}

fn prefix(text: &str) -> Result<String, Problem> {
    match Prefix::parse(text) {
        Ok(prefix) => Ok(prefix.as_str().to_owned()),
        Err(error) => Err(invalid("prefix", format!("{}.", capitalised(&error.to_string())))),
    }
}

fn cipher(value: Option<Value>) -> Result<Cipher, Problem> {
    let odd = || invalid("encryption", format!("This must be an object whose kind is {KINDS}."));
    let mut given = match value {
        None | Some(Value::Null) => return Ok(Cipher::Plain(Encryption::None)),
        Some(Value::Object(given)) => given,
        Some(Value::String(kind)) => Map::from_iter([("kind".to_owned(), Value::String(kind))]),
        Some(_) => return Err(odd()),
    };
    let mut text = |name: &str| match given.remove(name) {
        Some(Value::String(text)) => Ok(Some(text)),
        None | Some(Value::Null) => Ok(None),
        Some(_) => Err(odd()),
    };
    let (kind, key_id) = (text("kind")?, text("key_id")?);
    let key = text("key")?.map(Zeroizing::new);
    if !given.is_empty() {
        return Err(odd());
    }
    match (kind.as_deref(), key_id, key) {
        (Some("none"), None, None) => Ok(Cipher::Plain(Encryption::None)),
        (Some("sse_s3"), None, None) => Ok(Cipher::Plain(Encryption::SseS3)),
        (Some("sse_kms"), Some(key_id), None) => Ok(Cipher::Plain(Encryption::SseKms { key_id })),
        (Some("sse_c"), None, Some(key)) => match CustomerKey::parse(&key) {
            Ok(_) => Ok(Cipher::CustomerKey(key)),
            Err(error) => {
                Err(invalid("encryption", format!("{}.", capitalised(&error.to_string()))))
            }
        },
        _ => Err(odd()),
    }
}

fn headers(value: Option<Value>) -> Result<Headers, Problem> {
    let given = match value {
        None | Some(Value::Null) => return Ok(Headers::new()),
        Some(Value::Object(given)) => given,
        Some(_) => return Err(invalid("headers", "This must be an object of texts.")),
    };
    let mut headers = Headers::new();
    for (name, value) in given {
        let Value::String(value) = value else {
            let message = format!("The header \"{}\" must be a text.", quote(&name));
            return Err(invalid("headers", message));
        };
        let name = name.trim().to_ascii_lowercase();
        if let Some(name) = headers.insert(name.clone(), value).map(|_| name) {
            let message = format!("The header \"{}\" is given twice.", quote(&name));
            return Err(invalid("headers", message));
        }
    }
    match ObjectHeaders::parse(&headers) {
        Ok(_) => Ok(headers),
        Err(error) => Err(invalid("headers", format!("{}.", capitalised(&error.to_string())))),
    }
}

fn invalid(field: &'static str, message: impl Into<String>) -> Problem {
    // Which of the two is missing was told before.
    let field = if field == "credentials" { "access_key" } else { field };
    Problem::FieldInvalid { field, message: message.into() }
}

fn capitalised(text: &str) -> String {
    let mut characters = text.chars();
    characters
        .next()
        .map_or_else(String::new, |first| first.to_uppercase().chain(characters).collect())
}

#[cfg(test)]
mod tests {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    use serde_json::json;

    use super::*;

    const SECRET: &str = "wJalrXUtnFEMI-the-secret";

    fn body(changes: &Value) -> Vec<u8> {
        let mut body = json!({
            "bucket": "results",
            "region": "eu-west-1",
            "access_key": "AKIAIOSFODNN7EXAMPLE",
            "secret_key": SECRET,
        });
        for (name, value) in changes.as_object().unwrap() {
            body[name] = value.clone();
        }
        body.to_string().into_bytes()
    }

    fn read(changes: &Value) -> Result<Asked, Problem> {
        Asked::read(&body(changes))
    }

    #[test]
    fn what_is_left_out_is_what_most_want() {
        let asked = read(&json!({})).unwrap_or_else(|problem| panic!("{problem:?}"));
        assert_eq!(asked.place.access_key_hint, "MPLE");
        assert_eq!((asked.place.path_style, asked.place.prefix.as_str()), (false, ""));
        assert!(matches!(asked.cipher, Cipher::Plain(Encryption::None)));
        let elsewhere =
            json!({ "region": null, "endpoint": "https://s3.example.com", "prefix": "/a/b" });
        let asked = read(&elsewhere).unwrap_or_else(|problem| panic!("{problem:?}"));
        assert_eq!((asked.place.region.as_str(), asked.place.path_style), ("us-east-1", true));
        assert_eq!(asked.place.prefix, "a/b/");
    }

    #[test]
    fn every_kind_of_encryption_is_read() {
        let key = STANDARD.encode([7; 32]);
        for (given, kind) in [
            (json!("sse_s3"), "sse_s3"),
            (json!({ "kind": "sse_kms", "key_id": "alias/results" }), "sse_kms"),
            (json!({ "kind": "sse_c", "key": key }), "sse_c"),
            (json!({ "kind": "none" }), "none"),
        ] {
            let asked = read(&json!({ "encryption": given }));
            let asked = asked.unwrap_or_else(|problem| panic!("{kind}: {problem:?}"));
            let found = match asked.cipher {
                Cipher::Plain(Encryption::None) => "none",
                Cipher::Plain(Encryption::SseS3) => "sse_s3",
                Cipher::Plain(Encryption::SseKms { .. }) => "sse_kms",
                Cipher::Plain(Encryption::SseC { .. }) | Cipher::CustomerKey(_) => "sse_c",
            };
            assert_eq!(found, kind);
        }
    }

    #[test]
    fn what_is_wrong_is_named_by_its_field_and_never_quotes_a_secret() {
        for (changes, field) in [
            (json!({ "bucket": "a" }), "bucket"),
            (json!({ "bucket": "arn:aws:s3:::x" }), "bucket"),
            (json!({ "bucket": null }), "bucket"),
            (json!({ "region": "" }), "region"),
            (json!({ "region": "EU" }), "region"),
            (json!({ "endpoint": "http://s3.example.com" }), "endpoint"),
            (json!({ "endpoint": "https://user@s3.example.com" }), "endpoint"),
            (json!({ "endpoint": 7 }), "endpoint"),
            (json!({ "prefix": "a/../b" }), "prefix"),
            (json!({ "prefix": "a".repeat(300) }), "prefix"),
            (json!({ "path_style": "yes" }), "path_style"),
            (json!({ "access_key": "" }), "access_key"),
            (json!({ "access_key": "a b" }), "access_key"),
            (json!({ "secret_key": null }), "secret_key"),
            (json!({ "secret_key": format!("{SECRET}\n") }), "secret_key"),
            (json!({ "bucket_owner": "12345" }), "bucket_owner"),
            (json!({ "encryption": "rot13" }), "encryption"),
            (json!({ "encryption": { "kind": "sse_kms" } }), "encryption"),
            (json!({ "encryption": { "kind": "sse_kms", "key_id": "a b" } }), "encryption"),
            (json!({ "encryption": { "kind": "sse_c", "key": SECRET } }), "encryption"),
            (json!({ "encryption": { "kind": "sse_s3", "key": SECRET } }), "encryption"),
            (json!({ "headers": { "Authorization": SECRET } }), "headers"),
            (json!({ "headers": ["x"] }), "headers"),
            (json!({ "headers": { "expires": "tomorrow" } }), "headers"),
        ] {
            let problem = read(&changes).err().unwrap_or_else(|| panic!("{changes} was taken"));
            let named = match problem {
                Problem::FieldMissing(field) | Problem::FieldBlank(field) => field,
                Problem::FieldInvalid { field, .. } => field,
                _ => panic!("{changes}: {problem:?}"),
            };
            assert_eq!(named, field, "{changes}");
            assert!(!format!("{problem:?}").contains(SECRET), "{problem:?}");
        }
        let odd = read(&json!({ "secret": SECRET })).err().map(|problem| format!("{problem:?}"));
        assert!(odd.is_some_and(|text| text.contains("secret_key") && !text.contains(SECRET)));
    }

    #[test]
    fn short_access_keys_are_not_given_away() {
        for (key, shown) in
            [("", ""), ("tester", ""), ("elevenchars", ""), ("twelve-chars", "hars")]
        {
            assert_eq!(hint(key), shown);
        }
    }
}
