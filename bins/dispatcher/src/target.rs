//! Where a delivery goes: an endpoint, or the URL that a job named itself.

use std::{
    borrow::Cow,
    collections::HashMap,
    ops::Range,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use domain::{
    Sealed, Timestamp, account, delivery,
    endpoint::{self, Endpoint, Payload},
    id::EndpointId,
    job::{self, Job},
    retry::Schedule,
    sealed::field,
};
use egress::{HookUrl, Plaintext};
use http::{HeaderMap, HeaderName, HeaderValue};
use jiff::SignedDuration;
use url::{Host, Url, form_urlencoded};
use vault::webhook::{BadSecret, SigningSecret};

use crate::{
    lanes::{Standing, Width},
    settings::Dispatcher,
};

/// Most endpoints whose secrets are held opened; beyond, all are forgotten.
const MAX_OPENED: usize = 4_096;
/// How long they are held.
const LIFETIME: SignedDuration = SignedDuration::from_secs(30);

/// Where a delivery goes.
#[derive(Clone)]
pub(crate) enum Target {
    /// To the URL that the job named.
    Callback {
        /// The delivery.
        id: delivery::Id,
        /// The job.
        job: job::Id,
        /// The URL.
        url: Sealed,
        /// Whose lane it takes: one for each host that an account's jobs name.
        lane: EndpointId,
    },
    /// To an endpoint.
    Endpoint {
        /// The delivery.
        id: delivery::Id,
        /// The endpoint.
        endpoint: Arc<Endpoint>,
    },
}

impl Target {
    /// The delivery.
    pub(crate) const fn id(&self) -> delivery::Id {
        match self {
            Self::Callback { id, .. } | Self::Endpoint { id, .. } => *id,
        }
    }

    /// The endpoint, if it is one.
    pub(crate) fn endpoint(&self) -> Option<(endpoint::Id, &Endpoint)> {
        match self {
            Self::Callback { .. } => None,
            Self::Endpoint { id, endpoint } => Some((id.endpoint(), endpoint)),
        }
    }

    /// Whose lane it takes, and what the log knows of it.
    pub(crate) fn lane(&self) -> (EndpointId, Standing) {
        match self {
            Self::Callback { lane, .. } => (*lane, Standing::default()),
            Self::Endpoint { id, endpoint } => (id.endpoint, Standing::of(endpoint)),
        }
    }

    /// What its lane allows.
    pub(crate) fn width(&self, settings: &Dispatcher) -> Width {
        let terms = self.endpoint().map(|(_, endpoint)| &endpoint.letter.terms);
        Width {
            at_once: terms.and_then(|terms| terms.at_once).unwrap_or(settings.at_once),
            per_second: terms.and_then(|terms| terms.per_second),
        }
    }

    /// Longest attempt.
    pub(crate) fn timeout(&self, settings: &Dispatcher) -> Duration {
        let own = self.endpoint().and_then(|(_, endpoint)| endpoint.letter.terms.timeout_ms);
        Duration::from_millis(own.unwrap_or(settings.timeout_ms).min(settings.timeout_ms))
    }

    /// When to try again.
    pub(crate) fn schedule<'a>(&'a self, settings: &'a Dispatcher) -> &'a Schedule {
        let own = self.endpoint().and_then(|(_, known)| known.letter.terms.retry_after_s.as_ref());
        own.unwrap_or(&settings.retry_after_s)
    }

    /// What it says.
    pub(crate) fn payload(&self) -> Payload {
        self.endpoint().map(|(_, endpoint)| endpoint.letter.terms.payload).unwrap_or_default()
    }

    /// Whether the beginning of answers is kept.
    pub(crate) fn keeps_answers(&self) -> bool {
        self.endpoint().is_some_and(|(_, endpoint)| endpoint.letter.terms.keeps_answers)
    }
}

/// What of a target is opened for an attempt.
pub(crate) struct Opened {
    pub(crate) url: HookUrl,
    pub(crate) headers: HeaderMap,
    pub(crate) keys: Vec<SigningSecret>,
}

impl Opened {
    /// What of it nobody else may learn: values of headers and of the URL's query, whole and in parts
    /// (a token without its `Bearer`), and names in its path that are too long to be words.
    pub(crate) fn secrets(&self) -> Vec<Cow<'_, str>> {
        let mut secrets = Vec::new();
        for value in self.headers.values().filter_map(|value| value.to_str().ok()) {
            secrets.push(Cow::Borrowed(value));
            secrets.extend(value.split_whitespace().filter(is_long::<PART>).map(Cow::Borrowed));
        }
        let url = self.url.expose();
        let (path, query) = url.split_once('?').unwrap_or((url, ""));
        secrets.push(Cow::Borrowed(query));
        secrets.extend(query.split(['&', '=']).filter(is_long::<PART>).map(Cow::Borrowed));
        let decoded = form_urlencoded::parse(query.as_bytes()).map(|(_, value)| value);
        secrets.extend(decoded.filter(|value| is_long::<PART>(&value.as_ref())));
        let names = path.split('/').skip(PATH_BEGINS);
        secrets.extend(names.filter(is_long::<PATH_NAME>).map(Cow::Borrowed));
        secrets
    }
}

/// The shortest part of a header or a query that is taken for a secret, in bytes.
const PART: usize = 8;
/// The shortest name in a path that is.
const PATH_NAME: usize = 16;
/// Which part of a URL is the first of its path, when it is split at `/`.
const PATH_BEGINS: usize = 3;

fn is_long<const LEAST: usize>(text: &&str) -> bool {
    text.len() >= LEAST
}

/// Why a target cannot be opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unopened {
    #[error("open what is known of the endpoint")]
    Custody(#[from] custody::Error),
    #[error("use its URL")]
    Url(#[from] egress::UrlError),
    #[error("use its secret")]
    Secret(#[from] BadSecret),
    #[error("the account has no webhook secret")]
    NoSecret,
    #[error("use its headers")]
    Headers,
}

/// Opens targets, and holds what it opened of endpoints for a while.
pub(crate) struct Opener {
    custody: custody::Custody,
    held: Mutex<HashMap<EndpointId, Held>>,
}

struct Held {
    endpoint: Arc<Endpoint>,
    opened: Arc<Opened>,
    /// From when it was opened until it is opened again: a secret that expires signs no more.
    during: Range<Timestamp>,
}

impl Opener {
    pub(crate) fn new(custody: custody::Custody) -> Self {
        Self { custody, held: Mutex::default() }
    }

    /// Opens a target for an attempt at `now`.
    pub(crate) async fn open(
        &self,
        target: &Target,
        account: &account::State,
        now: Timestamp,
    ) -> Result<Arc<Opened>, Unopened> {
        match target {
            Target::Callback { job, url, .. } => {
                self.callback(job, url, account).await.map(Arc::new)
            }
            Target::Endpoint { id, endpoint } => {
                if let Some(opened) = self.recall(id.endpoint, endpoint, now) {
                    return Ok(opened);
                }
                let opened = Arc::new(self.endpoint(id.endpoint(), endpoint, now).await?);
                let held = Held {
                    endpoint: Arc::clone(endpoint),
                    opened: Arc::clone(&opened),
                    during: now..fresh_until(endpoint, now),
                };
                let mut all = self.held.lock().unwrap_or_else(PoisonError::into_inner);
                if all.len() >= MAX_OPENED {
                    all.clear();
                }
                all.insert(id.endpoint, held);
                Ok(opened)
            }
        }
    }

    fn recall(
        &self,
        id: EndpointId,
        endpoint: &Arc<Endpoint>,
        now: Timestamp,
    ) -> Option<Arc<Opened>> {
        let all = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let held = all.get(&id)?;
        let same = Arc::ptr_eq(&held.endpoint, endpoint) && held.during.contains(&now);
        same.then(|| Arc::clone(&held.opened))
    }

    async fn callback(
        &self,
        job: &job::Id,
        url: &Sealed,
        account: &account::State,
    ) -> Result<Opened, Unopened> {
        let url = self.custody.open_text(job, field::CALLBACK_URL, url).await?;
        let secret = account.webhook_secret.as_ref().ok_or(Unopened::NoSecret)?;
        let secret =
            self.custody.open_credential(job.account, field::WEBHOOK_SECRET, secret).await?;
        let keys = vec![SigningSecret::read(secret.expose())?];
        Ok(Opened { url: parse(&url)?, headers: HeaderMap::new(), keys })
    }

    async fn endpoint(
        &self,
        id: endpoint::Id,
        endpoint: &Endpoint,
        now: Timestamp,
    ) -> Result<Opened, Unopened> {
        let letter = &endpoint.letter;
        let name = custody::endpoint_field(field::ENDPOINT_URL, id.endpoint);
        let url = self.custody.open_for_account(id.account, &name, &letter.url).await?;
        let url = parse(&url)?;
        let mut headers = HeaderMap::new();
        if let Some(sealed) = &letter.headers {
            let name = custody::endpoint_field(field::ENDPOINT_HEADERS, id.endpoint);
            let text = self.custody.open_credential(id.account, &name, sealed).await?;
            let pairs: HashMap<String, String> =
                serde_json::from_str(text.expose()).map_err(|_quotes_them| Unopened::Headers)?;
            for (name, value) in pairs {
                let (Ok(name), Ok(mut value)) =
                    (name.parse::<HeaderName>(), HeaderValue::from_str(&value))
                else {
                    return Err(Unopened::Headers);
                };
                value.set_sensitive(true);
                headers.insert(name, value);
            }
        }
        let mut keys = Vec::new();
        let name = custody::endpoint_field(field::ENDPOINT_SECRET, id.endpoint);
        for signing in endpoint.signings(now) {
            let secret = self.custody.open_credential(id.account, &name, &signing.secret).await?;
            keys.push(SigningSecret::read(secret.expose())?);
        }
        Ok(Opened { url, headers, keys })
    }
}

fn fresh_until(endpoint: &Endpoint, now: Timestamp) -> Timestamp {
    let expiries = endpoint.previous.iter().map(|previous| previous.until);
    let later = now.saturating_add(LIFETIME).unwrap_or(Timestamp::MAX);
    expiries.filter(|until| *until > now).fold(later, Timestamp::min)
}

/// The URL that a job named, as a target; nothing if it named none.
///
/// # Errors
/// When the URL cannot be opened.
pub(crate) async fn callback(
    custody: &custody::Custody,
    job_id: job::Id,
    job: &Job,
    id: delivery::Id,
) -> Result<Option<Target>, custody::Error> {
    let Some(url) = job.requested.callback_url.clone() else { return Ok(None) };
    let opened = custody.open_text(&job_id, field::CALLBACK_URL, &url).await?;
    let host = Url::parse(&opened).ok().and_then(|url| url.host_str().map(ToOwned::to_owned));
    let lane = EndpointId::derived(id.account.as_uuid(), host.unwrap_or_default().as_bytes());
    Ok(Some(Target::Callback { id, job: job_id, url, lane }))
}

/// Without TLS only to this very machine.
fn parse(text: &str) -> Result<HookUrl, egress::UrlError> {
    let plaintext = if is_loopback(text) { Plaintext::Accepted } else { Plaintext::Refused };
    HookUrl::parse(text, plaintext)
}

fn is_loopback(text: &str) -> bool {
    let url = Url::parse(text).ok();
    match url.as_ref().and_then(Url::host) {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_a_secret_is_known_in_parts() {
        let url =
            parse("https://hooks.example.com/services/T024BE7LD0XXXXXXXX?key=s3cr3t%2Fkey&a=b");
        let mut headers = HeaderMap::new();
        headers.insert("authorization", HeaderValue::from_static("Bearer t0ken-of-ours"));
        let opened = Opened { url: url.unwrap(), headers, keys: vec![] };
        let secrets = opened.secrets();
        for secret in [
            "Bearer t0ken-of-ours",
            "t0ken-of-ours",
            "key=s3cr3t%2Fkey&a=b",
            "s3cr3t%2Fkey",
            "s3cr3t/key",
            "T024BE7LD0XXXXXXXX",
        ] {
            assert!(secrets.iter().any(|known| known == secret), "{secret}: {secrets:?}");
        }
        for word in ["Bearer", "services", "hooks.example.com", "b"] {
            assert!(!secrets.iter().any(|known| known == word), "{word}");
        }
    }

    #[test]
    fn plain_http_is_for_this_machine_alone() {
        for (text, usable) in [
            ("https://hooks.example.com/x", true),
            ("http://hooks.example.com/x", false),
            ("http://127.0.0.1:8099/x", true),
            ("http://[::1]:8099/x", true),
            ("http://10.0.0.1/x", false),
            ("http://127.0.0.1.example.com/x", false),
            ("ftp://127.0.0.1/x", false),
            ("not a url", false),
        ] {
            assert_eq!(parse(text).is_ok(), usable, "{text}");
        }
    }
}
