//! What bodies say of a key pair's terms, and how far whoever says it may go.

use std::collections::BTreeSet;

use domain::{
    Timestamp,
    account::{FailureWord, Terms},
    id::AccountId,
    scope::{self, Scope},
    sealed::field,
};
use serde_json::Value;
use url::Url;

use crate::{
    app::App,
    auth::{By, Caller},
    fields::Fields,
    problem::Problem,
};

/// The fields that terms have in a body.
const NAMES: [&str; 5] = ["label", "scopes", "origins", "expires_at", "failure_word"];
/// Most origins of a key pair.
const MAX_ORIGINS: usize = 20;
/// Most characters of a label.
pub(in crate::routes::v1) const MAX_LABEL_CHARS: usize = 200;

/// Reads a body of terms and `more`. None at all is an object without fields.
pub(crate) fn fields(body: &[u8], more: &[&'static str]) -> Result<Fields, Problem> {
    let known = [&NAMES[..], more].concat();
    Fields::read(if body.is_empty() { b"{}" } else { body }, &known)
}

/// What a body says: nothing, that there be none, or what.
type Mentioned<T> = Option<Option<T>>;

/// What a body says of terms. What it does not speak of stays as it is.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Said {
    label: Mentioned<String>,
    scopes: Mentioned<BTreeSet<Scope>>,
    origins: Option<Vec<String>>,
    expires_at: Mentioned<Timestamp>,
    failure_word: Option<FailureWord>,
}

impl Said {
    pub(crate) fn read(fields: &mut Fields, now: Timestamp) -> Result<Self, Problem> {
        Ok(Self {
            label: said(fields, "label", label)?,
            scopes: said(fields, "scopes", scopes)?,
            origins: said(fields, "origins", origins)?.map(Option::unwrap_or_default),
            expires_at: said(fields, "expires_at", |value| later(value, now))?,
            failure_word: said(fields, "failure_word", word)?.map(Option::unwrap_or_default),
        })
    }

    /// The terms that become of `terms`.
    pub(super) async fn onto(
        self,
        app: &App,
        account: AccountId,
        mut terms: Terms,
    ) -> Result<Terms, Problem> {
        if let Some(label) = self.label {
            terms.label = match label {
                Some(text) => {
                    Some(app.custody.seal_for_account(account, field::LABEL, &text).await?)
                }
                None => None,
            };
        }
        terms.scopes = self.scopes.unwrap_or(terms.scopes);
        terms.origins = self.origins.unwrap_or(terms.origins);
        terms.expires_at = self.expires_at.unwrap_or(terms.expires_at);
        terms.failure_word = self.failure_word.unwrap_or(terms.failure_word);
        Ok(terms)
    }
}

fn said<T>(
    fields: &mut Fields,
    name: &'static str,
    read: impl FnOnce(&Value) -> Result<T, String>,
) -> Result<Mentioned<T>, Problem> {
    match fields.value(name) {
        None => Ok(None),
        Some(Value::Null) => Ok(Some(None)),
        Some(value) => match read(&value) {
            Ok(value) => Ok(Some(Some(value))),
            Err(message) => Err(Problem::FieldInvalid { field: name, message }),
        },
    }
}

/// A name that a person gives.
pub(in crate::routes::v1) fn label(value: &Value) -> Result<String, String> {
    match value {
        Value::String(text)
            if (1..=MAX_LABEL_CHARS).contains(&text.trim().chars().count())
                && !text.chars().any(char::is_control) =>
        {
            Ok(text.trim().to_owned())
        }
        _ => Err(format!("This is a text of 1 to {MAX_LABEL_CHARS} characters, or null.")),
    }
}

fn texts(value: &Value) -> Option<Vec<&str>> {
    value.as_array()?.iter().map(Value::as_str).collect()
}

fn scopes(value: &Value) -> Result<BTreeSet<Scope>, String> {
    let known = Scope::ALL.iter().map(|scope| scope.name()).collect::<Vec<_>>().join(", ");
    let wanted =
        || format!("This is a list of scopes, or null for all of them; scopes are {known}.");
    let names = texts(value).filter(|names| !names.is_empty()).ok_or_else(wanted)?;
    scope::parse_all(names)
        .map_err(|odd| format!("\"{}\" is no scope: use {known}.", odd.join(", ")))
}

fn origins(value: &Value) -> Result<Vec<String>, String> {
    let wanted = || {
        format!("This is a list of at most {MAX_ORIGINS} origins such as https://app.example.com.")
    };
    let texts = texts(value).filter(|texts| texts.len() <= MAX_ORIGINS).ok_or_else(wanted)?;
    let is_origin = |text: &str| {
        let url = Url::parse(text).ok();
        url.is_some_and(|url| {
            matches!(url.scheme(), "http" | "https") && url.origin().ascii_serialization() == text
        })
    };
    if !texts.iter().all(|text| is_origin(text)) {
        return Err(wanted());
    }
    let mut origins: Vec<String> = texts.into_iter().map(ToOwned::to_owned).collect();
    origins.sort();
    origins.dedup();
    Ok(origins)
}

fn later(value: &Value, now: Timestamp) -> Result<Timestamp, String> {
    let at = value.as_str().and_then(|text| text.parse::<Timestamp>().ok());
    at.filter(|at| *at > now)
        .ok_or_else(|| "This is a time to come such as 2030-01-31T12:00:00Z, or null.".to_owned())
}

fn word(value: &Value) -> Result<FailureWord, String> {
    [FailureWord::Failure, FailureWord::Error]
        .into_iter()
        .find(|word| *value == word.word())
        .ok_or_else(|| "This is failure or error.".to_owned())
}

/// What a key pair has of whoever makes it, unless told otherwise: all that they may, for as long.
pub(super) fn inherited(caller: &Caller) -> Terms {
    let all = Scope::ALL.iter().copied().collect::<BTreeSet<_>>();
    let own: BTreeSet<Scope> = all.iter().copied().filter(|scope| caller.may(*scope)).collect();
    let scopes = Some(own).filter(|own| *own != all);
    Terms { scopes, expires_at: end(caller), ..Terms::default() }
}

/// Nobody hands on what they do not have: neither a scope, nor more time.
pub(super) fn hold_within(caller: &Caller, terms: &Terms) -> Result<(), Problem> {
    let beyond = |scope: &&Scope| terms.may(**scope) && !caller.may(**scope);
    if let Some(scope) = Scope::ALL.iter().find(beyond) {
        return Err(Problem::ScopeMissing(*scope));
    }
    match end(caller) {
        Some(end) if terms.expires_at.is_none_or(|at| at > end) => Err(Problem::FieldInvalid {
            field: "expires_at",
            message: format!("The key that asks expires at {end}; this one may not outlive it."),
        }),
        _ => Ok(()),
    }
}

fn end(caller: &Caller) -> Option<Timestamp> {
    match &caller.by {
        By::Secret(own) | By::Origin(own, _) => own.terms.expires_at,
        By::Session(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use domain::{
        account::Application,
        id::{ApplicationId, MemberId, SessionId},
        scope::Role,
    };
    use uuid::Uuid;

    use super::*;
    use crate::auth::Member;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn read(body: &str) -> Result<Said, Problem> {
        Said::read(&mut fields(body.as_bytes(), &[])?, NOW)
    }

    #[test]
    fn what_a_body_does_not_speak_of_stays_and_null_takes_back() {
        assert_eq!(read(""), Ok(Said::default()));
        let taken = read(r#"{"label": null, "scopes": null, "origins": null, "expires_at": null}"#);
        let none = Said {
            label: Some(None),
            scopes: Some(None),
            origins: Some(vec![]),
            expires_at: Some(None),
            failure_word: None,
        };
        assert_eq!(taken, Ok(none));
        let some =
            read(r#"{"label": " a ", "scopes": ["audit"], "failure_word": "error"}"#).unwrap();
        assert_eq!(some.label, Some(Some("a".to_owned())));
        assert_eq!(some.scopes, Some(Some([Scope::Audit].into())));
        assert_eq!(some.failure_word, Some(FailureWord::Error));
    }

    #[test]
    fn what_cannot_be_meant_is_named() {
        for (body, field) in [
            (r#"{"label": ""}"#, "label"),
            (r#"{"label": 1}"#, "label"),
            (r#"{"scopes": []}"#, "scopes"),
            (r#"{"scopes": ["jobs"]}"#, "scopes"),
            (r#"{"scopes": "audit"}"#, "scopes"),
            (r#"{"origins": ["https://a.example/"]}"#, "origins"),
            (r#"{"origins": ["https://a.example/x"]}"#, "origins"),
            (r#"{"origins": ["*"]}"#, "origins"),
            (r#"{"origins": ["null"]}"#, "origins"),
            (r#"{"origins": ["https://u@a.example"]}"#, "origins"),
            (r#"{"expires_at": "1969-01-01T00:00:00Z"}"#, "expires_at"),
            (r#"{"expires_at": "tomorrow"}"#, "expires_at"),
            (r#"{"failure_word": "oops"}"#, "failure_word"),
        ] {
            match read(body) {
                Err(Problem::FieldInvalid { field: named, .. }) => assert_eq!(named, field),
                other => panic!("{body}: {other:?}"),
            }
        }
        assert!(read(r#"{"origins": ["https://a.example:8443", "http://localhost"]}"#).is_ok());
    }

    fn caller(terms: Terms) -> Caller {
        let application = Application {
            application: ApplicationId::from_uuid(Uuid::from_u128(1)),
            key: "dk_1".to_owned(),
            secret_digest: String::new(),
            terms,
        };
        let account = AccountId::from_uuid(Uuid::from_u128(2));
        Caller { account, by: By::Secret(Arc::new(application)) }
    }

    #[test]
    fn a_member_hands_on_what_their_role_may() {
        let member = Member {
            member: MemberId::from_uuid(Uuid::from_u128(3)),
            session: SessionId::from_uuid(Uuid::from_u128(4)),
            role: Role::Admin,
        };
        let account = AccountId::from_uuid(Uuid::from_u128(2));
        let admin = Caller { account, by: By::Session(member) };
        let scopes = inherited(&admin).scopes.unwrap();
        assert!(!scopes.contains(&Scope::Erase) && scopes.contains(&Scope::AccountWrite));
        let refused = hold_within(&admin, &Terms::default());
        assert_eq!(refused, Err(Problem::ScopeMissing(Scope::Erase)));
        let owner = Caller { account, by: By::Session(Member { role: Role::Owner, ..member }) };
        assert_eq!(hold_within(&owner, &Terms::default()), Ok(()));
        assert_eq!(inherited(&owner), Terms::default());
    }

    #[test]
    fn nobody_hands_on_what_they_do_not_have() {
        let at = |seconds| Some(Timestamp::from_second(seconds).unwrap());
        let with = |scopes: &[Scope], expires_at| Terms {
            scopes: Some(scopes.iter().copied().collect()),
            expires_at,
            ..Terms::default()
        };
        let own = with(&[Scope::JobsRead, Scope::AccountWrite], at(60));
        let asking = caller(own.clone());
        assert_eq!(inherited(&asking), own);
        assert_eq!(inherited(&caller(Terms::default())), Terms::default());
        for (terms, may) in [
            (own.clone(), true),
            (with(&[Scope::JobsRead], at(30)), true),
            (with(&[Scope::JobsRead], at(61)), false),
            (with(&[Scope::JobsRead], None), false),
            (with(&[Scope::Erase], at(30)), false),
            (Terms { expires_at: at(30), ..Terms::default() }, false),
        ] {
            assert_eq!(hold_within(&asking, &terms).is_ok(), may, "{terms:?}");
            assert_eq!(hold_within(&caller(Terms::default()), &terms), Ok(()));
        }
    }
}
