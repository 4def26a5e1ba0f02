//! How `docs/WEBHOOKS.md` verifies a delivery in Rust, to the letter.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, Mac as _};
use http::HeaderMap;
use sha2::Sha256;

/// `now_s`: seconds since 1970.
pub(crate) fn verify(
    secret: &str,
    headers: &HeaderMap,
    body: &[u8],
    now_s: u64,
) -> Result<(), &'static str> {
    let header = |name| headers.get(name).and_then(|value| value.to_str().ok()).ok_or(name);
    let (id, stamp) = (header("webhook-id")?, header("webhook-timestamp")?);
    let sent_s: u64 = stamp.parse().ok().ok_or("webhook-timestamp")?;
    if now_s.abs_diff(sent_s) > 300 {
        return Err("too old");
    }
    let key = STANDARD.decode(secret.trim_start_matches("whsec_")).ok().ok_or("no secret")?;
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).ok().ok_or("no secret")?;
    mac.update(format!("{id}.{stamp}.").as_bytes());
    mac.update(body);
    let signatures = header("webhook-signature")?.split(' ');
    let mut known = signatures.filter_map(|one| STANDARD.decode(one.strip_prefix("v1,")?).ok());
    let signed = known.any(|one| mac.clone().verify_slice(&one).is_ok());
    signed.then_some(()).ok_or("not signed with this secret")
}
