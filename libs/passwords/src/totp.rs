//! Time-based one-time codes (RFC 6238): HMAC-SHA1, six digits, steps of 30 seconds, as every app makes them.

use hmac::{Hmac, Mac};
use sha1::Sha1;

use crate::base32;

/// Bytes of a secret: as many as HMAC-SHA1 gives (RFC 4226, section 4, R6).
pub const SECRET_BYTES: usize = 20;
/// Seconds of a step.
pub const STEP_SECONDS: u64 = 30;
/// Digits of a code.
const DIGITS: u32 = 6;
/// How many steps a clock may be off, either way.
const OFF_BY: u64 = 1;

/// The step of a time, in seconds since 1970.
#[must_use]
pub const fn step(unix_seconds: u64) -> u64 {
    unix_seconds / STEP_SECONDS
}

/// The code of a step.
#[must_use]
pub fn code(secret: &[u8], step: u64) -> String {
    format!("{:06}", number(secret, step) % 10_u32.pow(DIGITS))
}

/// The step whose code this is, of those that a clock may show at `unix_seconds`. Spaces in the
/// code are passed over. Takes the same time whichever it is, or none.
#[must_use]
pub fn matching_step(secret: &[u8], shown: &str, unix_seconds: u64) -> Option<u64> {
    let shown: String = shown.chars().filter(|c| !c.is_whitespace()).take(16).collect();
    let now = step(unix_seconds);
    let steps = now.saturating_sub(OFF_BY)..=now.saturating_add(OFF_BY);
    // The latest wins, so that using it makes the others useless.
    steps.fold(
        None,
        |found, step| if equal(&code(secret, step), &shown) { Some(step) } else { found },
    )
}

/// What an app is shown, as a QR code or a link. `label` is who they are.
#[must_use]
pub fn url(secret: &[u8], issuer: &str, label: &str) -> String {
    let (issuer, label) = (escape(issuer), escape(label));
    let secret = spelled(secret);
    format!(
        "otpauth://totp/{issuer}:{label}?secret={secret}&issuer={issuer}&algorithm=SHA1&digits={DIGITS}&period={STEP_SECONDS}"
    )
}

/// A secret as people type it into an app.
#[must_use]
pub fn spelled(secret: &[u8]) -> String {
    base32::encode(secret)
}

/// HOTP before its digits are cut (RFC 4226, section 5.3).
fn number(secret: &[u8], step: u64) -> u32 {
    // HMAC takes keys of any length.
    let Ok(mac) = Hmac::<Sha1>::new_from_slice(secret) else { return 0 };
    let digest = mac.chain_update(step.to_be_bytes()).finalize().into_bytes();
    let offset = digest.last().map_or(0, |last| usize::from(last & 0xf));
    let part = digest.iter().skip(offset).take(4);
    part.fold(0, |number, byte| (number << 8) | u32::from(*byte)) & 0x7fff_ffff
}

fn equal(ours: &str, theirs: &str) -> bool {
    let (ours, theirs) = (ours.as_bytes(), theirs.as_bytes());
    let differ = ours.iter().zip(theirs).fold(0_u8, |seen, (a, b)| seen | (a ^ b));
    ours.len() == theirs.len() && std::hint::black_box(differ) == 0
}

/// Percent-encodes all but unreserved characters (RFC 3986, section 2.3).
fn escape(text: &str) -> String {
    let mut escaped = String::new();
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                escaped.push(char::from(byte));
            }
            _ => escaped.push_str(&format!("%{byte:02X}")),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6238, appendix B, and RFC 4226, appendix D.
    const SECRET: &[u8] = b"12345678901234567890";

    #[test]
    fn the_vectors_of_rfc_6238_hold() {
        for (seconds, eight_digits) in [
            (59, 94_287_082),
            (1_111_111_109, 7_081_804),
            (1_111_111_111, 14_050_471),
            (1_234_567_890, 89_005_924),
            (2_000_000_000, 69_279_037),
            (20_000_000_000, 65_353_130),
        ] {
            assert_eq!(number(SECRET, step(seconds)) % 100_000_000, eight_digits, "{seconds}");
            assert_eq!(code(SECRET, step(seconds)), format!("{:06}", eight_digits % 1_000_000));
        }
    }

    #[test]
    fn the_vectors_of_rfc_4226_hold() {
        let codes =
            ["755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583"];
        for (count, expected) in codes.into_iter().enumerate() {
            assert_eq!(code(SECRET, count as u64), expected);
        }
    }

    #[test]
    fn a_code_is_taken_one_step_early_or_late_and_no_further() {
        let (now, shown) = (1_000_000_000, code(SECRET, step(1_000_000_000)));
        for (off, taken) in [(-60, false), (-30, true), (0, true), (30, true), (60, false)] {
            let clock = u64::try_from(now + off).unwrap();
            let expected = taken.then_some(step(1_000_000_000));
            assert_eq!(matching_step(SECRET, &shown, clock), expected, "{off}");
        }
        let spaced = format!(" {} {}", &shown[..3], &shown[3..]);
        assert!(matching_step(SECRET, &spaced, 1_000_000_000).is_some());
        for wrong in ["", "000000", "12345", &format!("{shown}0"), "abcdef"] {
            assert_eq!(matching_step(SECRET, wrong, 1_000_000_000), None, "{wrong}");
        }
    }

    #[test]
    fn an_app_is_shown_who_and_what() {
        assert_eq!(
            url(SECRET, "Darkroom", "alice@example.com"),
            "otpauth://totp/Darkroom:alice%40example.com?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Darkroom&algorithm=SHA1&digits=6&period=30"
        );
    }
}
