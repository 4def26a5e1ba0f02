//! Base 32 (RFC 4648, section 6) without padding: how apps take the secret of one-time codes.

const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// The text that stands for these bytes.
pub(crate) fn encode(bytes: &[u8]) -> String {
    bytes
        .chunks(5)
        .flat_map(|chunk| {
            let mut group = [0; 8];
            for (to, from) in group.iter_mut().skip(3).zip(chunk) {
                *to = *from;
            }
            let group = u64::from_be_bytes(group);
            let digits = (chunk.len() * 8).div_ceil(5);
            (0..digits).map(move |place| (group >> (35 - 5 * place)) & 31)
        })
        .filter_map(|digit| ALPHABET.get(usize::try_from(digit).ok()?))
        .map(|letter| char::from(*letter))
        .collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_vectors_of_the_rfc_hold() {
        for (bytes, text) in [
            ("", ""),
            ("f", "MY"),
            ("fo", "MZXQ"),
            ("foo", "MZXW6"),
            ("foob", "MZXW6YQ"),
            ("fooba", "MZXW6YTB"),
            ("foobar", "MZXW6YTBOI"),
        ] {
            assert_eq!(super::encode(bytes.as_bytes()), text);
        }
    }
}
