//! Questions of the server and our answers, as the tokens they travel in (JWT, signed by nkeys).

use async_nats::Message;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::Timestamp;
use nkeys::{KeyPair, XKey};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Admission, Claim, rights::Rights};
use crate::settings::Secret;

/// The account that customers are let into.
pub(super) const CUSTOMERS: &str = "CUSTOMERS";
/// Where the server says with which key it sealed a question.
const SERVER_XKEY: &str = "Nats-Server-Xkey";
/// What a client is told who is not let in; nats-server adds nothing to it.
const REFUSED: &str = "not let in";
/// Largest question, in bytes.
const MAX_QUESTION: usize = 64 << 10;

/// What the server wants to know.
pub(super) struct Question {
    asked: Asked,
    server: XKey,
}

#[derive(Deserialize)]
struct Asked {
    nats: Body,
}

#[derive(Deserialize)]
struct Body {
    server_id: Server,
    user_nkey: String,
    client_info: Client,
    connect_opts: Shown,
}

#[derive(Deserialize)]
struct Server {
    id: String,
}

#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct Client {
    host: String,
    kind: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Shown {
    user: String,
    pass: Secret,
}

#[derive(Serialize)]
struct Claims<'a> {
    jti: String,
    iss: String,
    sub: &'a str,
    aud: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exp: Option<i64>,
    nats: Value,
}

impl Question {
    /// Opens and reads one. Only servers can ask: nobody else may publish there.
    pub(super) fn read(message: &Message, xkey: &XKey) -> Result<Self, &'static str> {
        if message.payload.len() > MAX_QUESTION {
            return Err("the question is too long");
        }
        let headers = message.headers.as_ref();
        let server = headers
            .and_then(|headers| headers.get(SERVER_XKEY))
            .ok_or("the server does not seal its questions: set `xkey` in users.conf")?;
        let server =
            XKey::from_public_key(server.as_str()).map_err(|_it| "the server's key is none")?;
        let token = xkey
            .open(&message.payload, &server)
            .map_err(|_it| "the question is sealed to another key than subscribers.xkey_seed")?;
        let claims = std::str::from_utf8(&token).ok().and_then(|token| token.split('.').nth(1));
        let claims = claims.and_then(|claims| URL_SAFE_NO_PAD.decode(claims).ok());
        let asked = claims.and_then(|claims| serde_json::from_slice(&claims).ok());
        Ok(Self {
            asked: asked.ok_or("the question is none that this release understands")?,
            server,
        })
    }

    /// What a client shows; nothing where it is no client, or shows nothing.
    pub(super) fn claim(&self) -> Option<Claim> {
        let Body { client_info: client, connect_opts: shown, .. } = &self.asked.nats;
        let shows = !shown.user.is_empty() && !shown.pass.is_empty();
        (client.kind == "Client" && shows).then(|| Claim {
            key: shown.user.clone(),
            secret: shown.pass.clone(),
            host: client.host.clone(),
        })
    }

    /// The answer: who it is, or that nobody is let in. Sealed to the server that asked.
    pub(super) fn answer(
        &self,
        admission: Option<&Admission>,
        issuer: &KeyPair,
        xkey: &XKey,
    ) -> Result<Vec<u8>, &'static str> {
        let Body { server_id, user_nkey, .. } = &self.asked.nats;
        let user = admission.map(|admission| self.user(admission, issuer)).transpose()?;
        let (type_, version) = ("authorization_response", 2);
        let nats = match user {
            Some(user) => json!({ "type": type_, "version": version, "jwt": user }),
            None => json!({ "type": type_, "version": version, "error": REFUSED }),
        };
        let claims = Claims {
            jti: id(),
            iss: issuer.public_key(),
            sub: user_nkey,
            aud: &server_id.id,
            name: None,
            exp: None,
            nats,
        };
        let token = sign(&claims, issuer)?;
        xkey.seal(token.as_bytes(), &self.server).map_err(|_it| "the answer cannot be sealed")
    }

    fn user(&self, admission: &Admission, issuer: &KeyPair) -> Result<String, &'static str> {
        let rights = Rights::of(admission.account, admission.sees);
        let nats = serde_json::to_value(rights).map_err(|_it| "rights have no JSON form")?;
        let claims = Claims {
            jti: id(),
            iss: issuer.public_key(),
            sub: &self.asked.nats.user_nkey,
            aud: CUSTOMERS,
            name: Some(&admission.guest),
            exp: admission.until.map(Timestamp::as_second),
            nats,
        };
        sign(&claims, issuer)
    }
}

fn sign(claims: &Claims<'_>, issuer: &KeyPair) -> Result<String, &'static str> {
    let head = URL_SAFE_NO_PAD.encode(r#"{"typ":"JWT","alg":"ed25519-nkey"}"#);
    let body = serde_json::to_vec(claims).map_err(|_it| "claims have no JSON form")?;
    let signed = format!("{head}.{}", URL_SAFE_NO_PAD.encode(body));
    let signature = issuer.sign(signed.as_bytes()).map_err(|_it| "the issuer cannot sign")?;
    Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
}

fn id() -> String {
    hex::encode(rand::random::<[u8; 16]>())
}
