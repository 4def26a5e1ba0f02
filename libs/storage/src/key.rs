//! What an object may be called, and how that is written into a URL.

/// The longest key, in bytes, as S3 has it.
pub(crate) const MAX_KEY_BYTES: usize = 1_024;

/// Why a key or a prefix is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKey {
    /// Nothing, or nothing between two slashes or beside one.
    #[error("it has an empty part")]
    Empty,
    /// `.` or `..`, which servers and browsers resolve away.
    #[error("it has a part that is '.' or '..'")]
    Dots,
    /// A control character.
    #[error("it has a control character")]
    Control,
    /// Too long.
    #[error("it is longer than {0} bytes")]
    TooLong(usize),
}

/// Accepts parts joined by `/`, none of them empty or a path's own dots.
pub(crate) fn check(key: &str) -> Result<(), InvalidKey> {
    if key.len() > MAX_KEY_BYTES {
        return Err(InvalidKey::TooLong(MAX_KEY_BYTES));
    }
    if key.chars().any(char::is_control) {
        return Err(InvalidKey::Control);
    }
    for part in key.split('/') {
        match part {
            "" => return Err(InvalidKey::Empty),
            "." | ".." => return Err(InvalidKey::Dots),
            _ => {}
        }
    }
    Ok(())
}

/// The key as a URL's path: every byte but the unreserved ones and `/` as `%XX`.
pub(crate) fn encode(key: &str) -> String {
    const HEX: [char; 16] =
        ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F'];
    let digit = |nibble: u8| HEX.get(usize::from(nibble)).copied().unwrap_or('0');
    let mut encoded = String::with_capacity(key.len());
    for byte in key.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'/') {
            encoded.push(char::from(byte));
        } else {
            encoded.extend(['%', digit(byte >> 4), digit(byte & 15)]);
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_could_climb_or_vanish_are_refused() {
        for (key, expected) in [
            ("a", Ok(())),
            ("a/b.jpg", Ok(())),
            ("..a/b..", Ok(())),
            ("ü ?#%/+", Ok(())),
            ("", Err(InvalidKey::Empty)),
            ("/a", Err(InvalidKey::Empty)),
            ("a/", Err(InvalidKey::Empty)),
            ("a//b", Err(InvalidKey::Empty)),
            ("..", Err(InvalidKey::Dots)),
            ("a/../b", Err(InvalidKey::Dots)),
            ("./a", Err(InvalidKey::Dots)),
            ("a\r\nb", Err(InvalidKey::Control)),
            ("a\u{85}", Err(InvalidKey::Control)),
        ] {
            assert_eq!(check(key), expected, "{key:?}");
        }
        assert_eq!(check(&"k".repeat(1_025)), Err(InvalidKey::TooLong(1_024)));
    }
}
