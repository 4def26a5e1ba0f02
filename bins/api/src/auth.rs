//! Who asks: HTTP Basic with key and secret, or a browser with the key alone.

use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use std::sync::Arc;

use domain::{account::Application, id::AccountId};
use http::{HeaderMap, HeaderValue, header};
use readmodel::{Holder, Stream};

use crate::{app::App, callers::Known, problem::Problem};

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What an endpoint wants to know of who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// Nothing.
    Anyone,
    /// Key and secret.
    Secret,
    /// Key and secret; or the key alone, from a page of an origin that the key allows.
    SecretOrOrigin,
}

/// Who asks.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub(crate) account: AccountId,
    pub(crate) application: Arc<Application>,
    pub(crate) proof: Proof,
}

/// How they showed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Proof {
    /// By the secret.
    Secret,
    /// By asking from a page of this origin. The key is no secret then, so they see less.
    Origin(HeaderValue),
}

/// What an `Authorization` header says.
#[derive(Debug, PartialEq, Eq)]
enum Claim {
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
    let Some(value) = headers.get(header::AUTHORIZATION) else {
        return Err(Problem::NoCredentials);
    };
    let shown = app.custody.stand_in(value.as_bytes());
    if let Some(Known { account, application }) = app.callers.recall(&shown) {
        return Ok(Some(Caller { account, application, proof: Proof::Secret }));
    }
    let era = app.callers.era();
    match claim(value)? {
        Claim::Secret { key, secret } => {
            let holder = holder(app, &key).await?;
            // An unknown key costs as much as a wrong secret.
            let digest = holder.as_ref().map_or("", |holder| &holder.application.secret_digest);
            let matches = app.custody.secret_matches(&secret, digest);
            let holder = holder.filter(|_| matches).ok_or(Problem::WrongKey)?;
            let caller = caller(holder, Proof::Secret);
            let Caller { account, application, .. } = caller.clone();
            app.callers.remember(era, shown, Known { account, application });
            Ok(Some(caller))
        }
        Claim::Key(key) if access == Access::SecretOrOrigin => {
            let holder = holder(app, &key).await?.ok_or(Problem::WrongKey)?;
            let origin = headers.get(header::ORIGIN).ok_or(Problem::WrongKey)?;
            let allowed = holder.application.origins.iter().any(|allowed| origin == allowed);
            if !allowed {
                return Err(Problem::OriginNotAllowed);
            }
            Ok(Some(caller(holder, Proof::Origin(origin.clone()))))
        }
        Claim::Key(_) => Err(Problem::WrongKey),
    }
}

fn caller(holder: Holder, proof: Proof) -> Caller {
    Caller { account: holder.account, application: Arc::new(holder.application), proof }
}

/// A key that is not known here may have been made a moment ago.
async fn holder(app: &App, key: &str) -> Result<Option<Holder>, Problem> {
    if let Some(holder) = app.store.application(key)? {
        return Ok(Some(holder));
    }
    app.catch_up(Stream::Accounts).await;
    Ok(app.store.application(key)?)
}

fn claim(value: &HeaderValue) -> Result<Claim, Problem> {
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
