//! Who asks: HTTP Basic with key and secret, a browser with the key alone, or a member who logged in.

use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use std::sync::Arc;

use domain::{
    account::{Application, FailureWord},
    id::{AccountId, MemberId, SessionId},
    scope::{Role, Scope},
};
use http::{HeaderMap, HeaderValue, header};
use readmodel::{Holder, Stream};
use url::form_urlencoded;

use crate::{app::App, callers::Known, problem::Problem, sessions};

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// How public keys begin; what follows is 33 random characters and a check sum of six.
pub(crate) const KEY_PREFIXES: [&str; 2] = ["dk_live_", "dk_test_"];

/// How their secrets begin, of the same form.
const SECRET_PREFIXES: [&str; 2] = ["ds_live_", "ds_test_"];
/// What follows a prefix: random characters and a check sum.
const TOKEN_CHARS: usize = 39;

/// The cookie that holds the token of a session.
pub(crate) const SESSION_COOKIE: &str = "__Host-darkroom_session";

/// What an endpoint wants to know of who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// Nothing.
    Anyone,
    /// Key and secret, or a member who logged in; either must be allowed this.
    Caller(Scope),
    /// The same; or the key alone, from a page of an origin that the key allows.
    CallerOrOrigin(Scope),
    /// A member who logged in, about their own matters.
    Session,
}

impl Access {
    /// What a caller must be allowed.
    pub(crate) const fn scope(self) -> Option<Scope> {
        match self {
            Self::Anyone | Self::Session => None,
            Self::Caller(scope) | Self::CallerOrOrigin(scope) => Some(scope),
        }
    }
}

/// Who asks.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub(crate) account: AccountId,
    pub(crate) by: By,
}

/// How they showed it.
#[derive(Debug, Clone)]
pub(crate) enum By {
    /// By an application's secret.
    Secret(Arc<Application>),
    /// By asking from a page of this origin. The key is no secret then, so they see less.
    Origin(Arc<Application>, HeaderValue),
    /// By the cookie of a session.
    Session(Member),
}

/// A member who logged in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) member: MemberId,
    pub(crate) session: SessionId,
    pub(crate) role: Role,
}

impl Caller {
    /// The key pair that asks, if one does.
    pub(crate) const fn application(&self) -> Option<&Arc<Application>> {
        match &self.by {
            By::Secret(application) | By::Origin(application, _) => Some(application),
            By::Session(_) => None,
        }
    }

    /// The member who asks, if one does.
    pub(crate) const fn member(&self) -> Option<Member> {
        match &self.by {
            By::Secret(_) | By::Origin(..) => None,
            By::Session(member) => Some(*member),
        }
    }

    /// How they want a failed job to be spelled.
    pub(crate) fn failure_word(&self) -> FailureWord {
        match &self.by {
            By::Secret(application) | By::Origin(application, _) => application.terms.failure_word,
            By::Session(_) => FailureWord::default(),
        }
    }

    /// Whether they are allowed that.
    pub(crate) fn may(&self, scope: Scope) -> bool {
        match &self.by {
            By::Secret(application) | By::Origin(application, _) => application.terms.may(scope),
            By::Session(member) => member.role.may(scope),
        }
    }
}

/// What an `Authorization` header says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Claim {
    Secret { key: String, secret: String },
    Key(String),
}

/// Finds out who asks.
pub(crate) async fn identify(
    app: &App,
    headers: &HeaderMap,
    access: Access,
) -> Result<Option<Caller>, Problem> {
    if access == Access::Anyone {
        return Ok(None);
    }
    let caller = match headers.get(header::AUTHORIZATION) {
        Some(value) if access != Access::Session => by_key(app, headers, value, access).await?,
        _ => sessions::by_cookie(app, headers).await?,
    };
    allowed(caller, access).map(Some)
}

/// Finds out who it still is that asked with these, if they may still be answered.
pub(crate) async fn identify_again(
    app: &App,
    headers: &HeaderMap,
    access: Access,
) -> Result<Caller, Problem> {
    let caller = match headers.get(header::AUTHORIZATION) {
        Some(value) => by_key(app, headers, value, access).await?,
        None => sessions::by_cookie_again(app, headers).await?,
    };
    allowed(caller, access)
}

fn allowed(caller: Caller, access: Access) -> Result<Caller, Problem> {
    match access.scope() {
        Some(scope) if !caller.may(scope) => Err(Problem::ScopeMissing(scope)),
        _ => Ok(caller),
    }
}

async fn by_key(
    app: &App,
    headers: &HeaderMap,
    value: &HeaderValue,
    access: Access,
) -> Result<Caller, Problem> {
    let now = app.clock.now();
    let shown = app.custody.stand_in(value.as_bytes());
    if let Some(Known { account, application, .. }) = app.callers.recall(&shown, now) {
        app.uses.note(account, application.application, now);
        return Ok(Caller { account, by: By::Secret(application) });
    }
    let era = app.callers.era();
    match claim(value)? {
        Claim::Secret { key, secret } => {
            let holder = holder(app, &key).await?;
            let digests = holder.as_ref().map_or(vec![], |holder| holder.pair.digests(now));
            // An unknown key, one that has expired and a wrong secret cost the same.
            let mut matches = false;
            for place in 0..2 {
                let digest = digests.get(place).copied().unwrap_or_default();
                matches |= app.custody.secret_matches(&secret, digest);
            }
            let holder = holder.filter(|_| matches).ok_or(Problem::WrongKey)?;
            let until = holder.pair.changes_at(now);
            let (account, application) = (holder.account, Arc::new(holder.pair.application));
            let known = Known { account, application: Arc::clone(&application), until };
            app.callers.remember(era, shown, known);
            app.uses.note(account, application.application, now);
            Ok(Caller { account, by: By::Secret(application) })
        }
        Claim::Key(key) if matches!(access, Access::CallerOrOrigin(_)) => {
            let holder = holder(app, &key).await?.ok_or(Problem::WrongKey)?;
            let origin = headers.get(header::ORIGIN).ok_or(Problem::WrongKey)?;
            if holder.pair.digests(now).is_empty() {
                return Err(Problem::WrongKey);
            }
            let application = Arc::new(holder.pair.application);
            if !application.terms.origins.iter().any(|allowed| origin == allowed) {
                return Err(Problem::OriginNotAllowed);
            }
            app.uses.note(holder.account, application.application, now);
            Ok(Caller { account: holder.account, by: By::Origin(application, origin.clone()) })
        }
        Claim::Key(_) => Err(Problem::WrongKey),
    }
}

/// A key that is not known here may have been made a moment ago. One that nobody can have been
/// given is not looked for.
pub(crate) async fn holder(app: &App, key: &str) -> Result<Option<Holder>, Problem> {
    if is_damaged(key) {
        return Ok(None);
    }
    if let Some(holder) = app.store.application(key)? {
        return Ok(Some(holder));
    }
    app.catch_up(Stream::Accounts).await;
    Ok(app.store.application(key)?)
}

/// Whether a key begins like ours and is none: mistyped, cut off, or made up.
fn is_damaged(key: &str) -> bool {
    KEY_PREFIXES
        .iter()
        .any(|prefix| key.starts_with(prefix) && !vault::secrets::is_token(prefix, key))
}

/// Refuses a request that has a key or a secret in its URL, whatever else it shows: URLs end up in
/// logs, histories and referrers.
pub(crate) fn not_in_url(path: &str, query: &str) -> Result<(), Problem> {
    // All that most requests cost here: tokens are long and have a `_`, if it is not spelled `%5F`.
    let may_hold = |text: &&str| {
        text.len() > TOKEN_CHARS && text.bytes().any(|byte| byte == b'_' || byte == b'%')
    };
    let texts = [path, query].into_iter().filter(may_hold);
    let mut parts = texts.flat_map(|text| form_urlencoded::parse(text.as_bytes()));
    let found = parts.any(|(name, value)| has_token(&name) || has_token(&value));
    if found { Err(Problem::KeyInUrl) } else { Ok(()) }
}

/// Whether something of the form of a key or a secret stands anywhere in a text, damaged or not.
fn has_token(text: &str) -> bool {
    KEY_PREFIXES.iter().chain(&SECRET_PREFIXES).any(|prefix| {
        text.match_indices(prefix).any(|(at, _)| {
            let rest = text.get(at + prefix.len()..).unwrap_or_default();
            rest.bytes().take_while(u8::is_ascii_alphanumeric).count() >= TOKEN_CHARS
        })
    })
}

pub(crate) fn claim(value: &HeaderValue) -> Result<Claim, Problem> {
    let text = value.to_str().unwrap_or_default().trim();
    let Some((scheme, rest)) = text.split_once(' ') else { return Err(Problem::NoCredentials) };
    if !scheme.eq_ignore_ascii_case("basic") {
        return Err(Problem::NoCredentials);
    }
    read_basic(rest.trim()).ok_or(Problem::WrongKey)
}

/// `base64(key:secret)`; or, as browsers' clients have it, `base64(key):`.
fn read_basic(text: &str) -> Option<Claim> {
    let decode = |text: &str| String::from_utf8(BASE64.decode(text).ok()?).ok();
    if let Some(key) = text.strip_suffix(':') {
        return decode(key).map(Claim::Key);
    }
    let pair = decode(text)?;
    let (key, secret) = pair.split_once(':')?;
    Some(Claim::Secret { key: key.to_owned(), secret: secret.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: &str) -> Result<Claim, Problem> {
        claim(&value.parse().unwrap())
    }

    #[test]
    fn a_key_that_nobody_can_have_been_given_is_not_looked_for() {
        for prefix in KEY_PREFIXES {
            let key = vault::secrets::token(prefix);
            assert!(!is_damaged(key.expose()));
            let cut = key.expose().split_at(prefix.len() + 38).0;
            for damaged in [cut, prefix, &key.expose().replacen(prefix, "dk_test_x", 1)] {
                assert!(is_damaged(damaged), "{damaged}");
            }
        }
        assert!(!is_damaged("dk_of_another_form"));
    }

    #[test]
    fn a_key_or_a_secret_is_found_wherever_it_stands_in_a_url() {
        for prefix in KEY_PREFIXES.iter().chain(&SECRET_PREFIXES) {
            let token = vault::secrets::token(prefix);
            let token = token.expose();
            for (path, query) in [
                ("/v1/jobs", format!("key={token}")),
                ("/v1/jobs", format!("a=b&{token}")),
                ("/v1/jobs", format!("next=https://u:{token}@host/")),
                ("/v1/jobs", token.replace('_', "%5f")),
                (&format!("/v1/jobs/{token}"), String::new()),
                (&format!("/{}/x", token.replace('_', "%5F")), String::new()),
            ] {
                assert_eq!(not_in_url(path, &query), Err(Problem::KeyInUrl), "{path}?{query}");
            }
            let cut = &token[..token.len() - 1];
            for fine in ["", prefix, cut, &token.replace('_', "-")] {
                assert_eq!(not_in_url("/v1/jobs", fine), Ok(()), "{fine}");
            }
        }
    }

    #[test]
    fn every_form_of_the_header_is_read() {
        let pair = Ok(Claim::Secret { key: "dk_1".into(), secret: "s:3".into() });
        assert_eq!(read(&format!("Basic {}", BASE64.encode("dk_1:s:3"))), pair);
        assert_eq!(read(&format!("basic  {}", BASE64.encode("dk_1:s:3"))), pair);
        assert_eq!(
            read(&format!("Basic {}:", BASE64.encode("dk_1"))),
            Ok(Claim::Key("dk_1".into()))
        );
        let padless = BASE64.encode("dk_1").trim_end_matches('=').to_owned();
        assert_eq!(read(&format!("Basic {padless}:")), Ok(Claim::Key("dk_1".into())));
        for none in ["Bearer x", "Basic", "", "Token dk_1"] {
            assert_eq!(read(none), Err(Problem::NoCredentials), "{none}");
        }
        for wrong in ["Basic !!!", "Basic ZGtfMQ==", "Basic /w==", "Basic x:y"] {
            assert_eq!(read(wrong), Err(Problem::WrongKey), "{wrong}");
        }
    }
}
