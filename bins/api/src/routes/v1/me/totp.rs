//! `POST /v1/me/totp`: makes a secret of one-time codes. `PUT /v1/me/totp`: asks for them from now on. `POST /v1/me/totp/off`: no more.

use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use domain::{
    Timestamp,
    member::{self, Id},
};
use http::StatusCode;
use jiff::SignedDuration;
use passwords::totp;
use serde_json::json;
use warp::reply::Response;
use zeroize::Zeroizing;

use crate::{
    app::App,
    auth::Access,
    call::{self, Call},
    document::Doc,
    fields::Fields,
    members,
    problem::Problem,
    routes::{Endpoint, Verb},
    sessions::{log_in, settings::later},
};

/// What apps call us.
const ISSUER: &str = "Darkroom";
/// How long a member may take to show the first code.
const ENROLMENT: SignedDuration = SignedDuration::from_mins(15);

pub(crate) const POST: Endpoint = Endpoint {
    verb: Verb::Post,
    path: "/v1/me/totp",
    access: Access::Session,
    handler: |app, call| Box::pin(post(app, call)),
    doc: Doc {
        summary: "Makes a secret of one-time codes, shown once. Nothing changes before PUT.",
        parameters: &[],
        request: Some("Password"),
        status: 201,
        answer: "TotpEnrolment",
        streams: false,
    },
};

pub(crate) const PUT: Endpoint = Endpoint {
    verb: Verb::Put,
    path: "/v1/me/totp",
    access: Access::Session,
    handler: |app, call| Box::pin(put(app, call)),
    doc: Doc {
        summary: "Asks for one-time codes from the next log-in on; the first one shows that the caller can make them.",
        parameters: &[],
        request: Some("TotpConfirmation"),
        status: 200,
        answer: "Totp",
        streams: false,
    },
};

pub(crate) const OFF: Endpoint = Endpoint {
    verb: Verb::Post,
    path: "/v1/me/totp/off",
    access: Access::Session,
    handler: |app, call| Box::pin(off(app, call)),
    doc: Doc {
        summary: "Asks for one-time codes no more.",
        parameters: &[],
        request: Some("Password"),
        status: 200,
        answer: "Totp",
        streams: false,
    },
};

/// A secret that was made here for a member, and is taken back from them until some time.
struct Enrolment {
    secret: Zeroizing<[u8; totp::SECRET_BYTES]>,
    expires_at: Timestamp,
}

async fn post(app: Arc<App>, call: Call) -> Result<Response, Problem> {
    let row = members::own(&app, &call).await?;
    let password = Fields::read(&call.body, &["password"])?.text("password")?;
    members::confirm(&app, &call, &row, password).await?;
    let email = match &row.state.email {
        Some(sealed) => app.custody.open_email(&row.id, sealed).await?,
        None => row.id.member.to_string(),
    };
    let secret = custody::member::random()?;
    let enrolment = Enrolment { secret, expires_at: later(app.clock.now(), ENROLMENT) };
    let body = json!({
        "secret": totp::spelled(enrolment.secret.as_slice()),
        "url": totp::url(enrolment.secret.as_slice(), ISSUER, &email),
        "enrolment": enrolment.spell(&app, &row.id).as_str(),
        "expires_at": enrolment.expires_at.to_string(),
    });
    call::json(StatusCode::CREATED, &body)
}

async fn put(app: Arc<App>, call: Call) -> Result<Response, Problem> {
    let row = members::own(&app, &call).await?;
    app.sessions.admit(&call, app.clock.now())?;
    let mut fields = Fields::read(&call.body, &["enrolment", "code"])?;
    let (text, code) = (fields.text("enrolment")?, fields.text("code")?);
    let invalid = |field, message: &str| Problem::FieldInvalid { field, message: message.into() };
    let now = app.clock.now();
    let enrolment = Enrolment::read(&app, &row.id, &text, now)
        .ok_or_else(|| invalid("enrolment", "This is not, or no longer, valid: begin again."))?;
    let step = log_in::step(enrolment.secret.as_slice(), &code, now).ok_or_else(|| {
        invalid("code", "This is not the code of now: check the clock of the device.")
    })?;
    let sealed = app.custody.seal_totp_secret(&row.id, enrolment.secret.as_slice()).await?;
    let decision = |state: &member::State| Ok(member::set_totp(state, &sealed, step)?);
    members::decide(&app, &call, &row.id, decision).await?;
    call::json(StatusCode::OK, &json!({ "totp": true }))
}

async fn off(app: Arc<App>, call: Call) -> Result<Response, Problem> {
    let row = members::own(&app, &call).await?;
    let password = Fields::read(&call.body, &["password"])?.text("password")?;
    members::confirm(&app, &call, &row, password).await?;
    members::decide(&app, &call, &row.id, |state| Ok(member::clear_totp(state)?)).await?;
    call::json(StatusCode::OK, &json!({ "totp": false }))
}

impl Enrolment {
    /// `<secret>.<until when>.<digest>`: nothing is kept until it comes back.
    fn spell(&self, app: &App, id: &Id) -> Zeroizing<String> {
        let secret = Zeroizing::new(URL_SAFE_NO_PAD.encode(self.secret.as_slice()));
        let until = self.expires_at.as_second();
        let digest = Self::digest(app, id, &secret, until);
        Zeroizing::new(format!("{}.{until}.{digest}", *secret))
    }

    fn read(app: &App, id: &Id, text: &str, now: Timestamp) -> Option<Self> {
        let mut parts = text.split('.');
        let (secret, until, digest) = (parts.next()?, parts.next()?, parts.next()?);
        let expires_at = Timestamp::from_second(until.parse().ok()?).ok()?;
        let same = Self::digest(app, id, secret, expires_at.as_second()) == digest;
        if !same || parts.next().is_some() || now >= expires_at {
            return None;
        }
        let bytes = Zeroizing::new(URL_SAFE_NO_PAD.decode(secret).ok()?);
        let secret = Zeroizing::new(bytes.as_slice().try_into().ok()?);
        Some(Self { secret, expires_at })
    }

    fn digest(app: &App, id: &Id, secret: &str, until: i64) -> String {
        let bound = Zeroizing::new(format!("{}.{}.{secret}.{until}", id.account, id.member));
        app.custody.enrolment_digest(&bound)
    }
}
