//! Signed notes: text, a blank line, and a line for each signature (<https://c2sp.org/signed-note>).

use std::{fmt, str::FromStr};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ed25519_dalek::{
    PUBLIC_KEY_LENGTH, SECRET_KEY_LENGTH, Signature as Ed25519, Signer as _, SigningKey,
    VerifyingKey,
};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::cosign;

/// The longest note that is read.
pub const LONGEST_BYTES: usize = 64 << 10;
/// The most signatures that are read; a reader must bear 16.
pub const MOST_SIGNATURES: usize = 64;

/// Between the text and the signatures, and before each of these.
const SIGNATURE: &str = "\u{2014} ";
const PRIVATE: [&str; 2] = ["PRIVATE", "KEY"];

/// What a key signs, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The text of a note, with Ed25519: what a log says.
    Note,
    /// That a checkpoint continues what was seen of its log before, and when: what a witness says
    /// (<https://c2sp.org/tlog-cosignature>).
    Cosignature,
}

impl Kind {
    /// The identifier that the specification gives it.
    const fn byte(self) -> u8 {
        match self {
            Self::Note => 1,
            Self::Cosignature => 4,
        }
    }

    const fn of(byte: u8) -> Option<Self> {
        match byte {
            1 => Some(Self::Note),
            4 => Some(Self::Cosignature),
            _ => None,
        }
    }
}

/// The text is no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadKey {
    /// It is built in another way.
    #[error(
        "a verifier key is NAME+HASH+KEY, eight hex digits in the middle and base64 at the end"
    )]
    Verifier,
    /// It is built in another way.
    #[error("a signer key is PRIVATE+KEY+NAME+HASH+KEY, as the notary wrote it")]
    Signer,
    /// No key can be called that.
    #[error("a key's name has neither spaces nor a plus sign, and is not empty")]
    Name,
    /// It is of an algorithm that is not known here.
    #[error("the key is none of Ed25519: types 01 and 04 are known")]
    Kind,
    /// Its hash is that of another key, or name.
    #[error("the key's hash does not fit its name and the key: it was changed, or cut off")]
    Id,
}

/// The text is no signed note.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadNote {
    /// It is too long, has characters that notes never have, or no signatures.
    #[error("a signed note is text, an empty line, and lines of signatures")]
    Form,
    /// A line behind the empty one is no signature.
    #[error("line {line} of the signatures is none")]
    Signature {
        /// Which, from 1.
        line: usize,
    },
}

/// A note is not signed as it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unsigned {
    /// None of the keys signed it.
    #[error("the note is signed by none of the known keys, but by {by}")]
    Unknown {
        /// The names that stand there.
        by: String,
    },
    /// A known key's signature does not fit the text.
    #[error("the signature of {name} does not fit the note: it was changed after it was signed")]
    Forged {
        /// The key's name.
        name: String,
    },
}

/// A name that a key can have.
fn is_name(name: &str) -> bool {
    let odd = |c: char| c.is_whitespace() || c.is_control() || c == '+';
    !name.is_empty() && !name.contains(odd)
}

fn key_id(name: &str, kind: Kind, public: &[u8; PUBLIC_KEY_LENGTH]) -> u32 {
    let mut digest = Sha256::new_with_prefix(name);
    digest.update([b'\n', kind.byte()]);
    digest.update(public);
    let [a, b, c, d, ..]: [u8; 32] = digest.finalize().into();
    u32::from_be_bytes([a, b, c, d])
}

/// Checks signatures of one key. Its text is `NAME+HASH+KEY`.
#[derive(Clone, PartialEq, Eq)]
pub struct Verifier {
    name: String,
    kind: Kind,
    key: VerifyingKey,
}

impl Verifier {
    /// What the key is called.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it signs.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// The number by which its signatures are found.
    #[must_use]
    pub fn id(&self) -> u32 {
        key_id(&self.name, self.kind, self.key.as_bytes())
    }

    /// The same key under another name. A deployment signs with one key, which in the notes of
    /// each of its logs is called as the log is.
    #[must_use]
    pub fn named(&self, name: impl Into<String>) -> Self {
        Self { name: name.into(), ..self.clone() }
    }

    /// Whether it is the same key as `other`'s, whatever they are called.
    #[must_use]
    pub fn is_same_key(&self, other: &Self) -> bool {
        self.key == other.key
    }

    /// Whether `signature` is one of this key's, by its name and number alone.
    fn made(&self, signature: &Signature) -> bool {
        signature.name == self.name && signature.id == self.id()
    }

    /// The time it was signed at, where it says so; nothing when it does not fit.
    fn check(&self, text: &str, bytes: &[u8]) -> Option<Option<u64>> {
        let fits = |message: &[u8], bytes: &[u8]| {
            let signature = Ed25519::from_slice(bytes).ok()?;
            self.key.verify_strict(message, &signature).ok()
        };
        match self.kind {
            Kind::Note => fits(text.as_bytes(), bytes).map(|()| None),
            Kind::Cosignature => {
                let (time, bytes) = cosign::unpack(bytes)?;
                fits(cosign::message(time, text).as_bytes(), bytes).map(|()| Some(time))
            }
        }
    }
}

impl fmt::Display for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut key = vec![self.kind.byte()];
        key.extend(self.key.as_bytes());
        write!(f, "{}+{:08x}+{}", self.name, self.id(), STANDARD.encode(key))
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Verifier {
    type Err = BadKey;

    fn from_str(text: &str) -> Result<Self, BadKey> {
        let mut parts = text.splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(BadKey::Verifier);
        };
        let (kind, public) = unpack_key(key, BadKey::Verifier)?;
        if !is_name(name) {
            return Err(BadKey::Name);
        }
        if parse_id(id) != Some(key_id(name, kind, &public)) {
            return Err(BadKey::Id);
        }
        let key = VerifyingKey::from_bytes(&public).or(Err(BadKey::Verifier))?;
        Ok(Self { name: name.to_owned(), kind, key })
    }
}

fn parse_id(text: &str) -> Option<u32> {
    let lower = text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    if text.len() == 8 && lower { u32::from_str_radix(text, 16).ok() } else { None }
}

fn unpack_key(text: &str, bad: BadKey) -> Result<(Kind, [u8; 32]), BadKey> {
    let bytes = Zeroizing::new(STANDARD.decode(text).or(Err(bad))?);
    let (kind, key) = bytes.split_first().ok_or(bad)?;
    let kind = Kind::of(*kind).ok_or(BadKey::Kind)?;
    Ok((kind, key.try_into().or(Err(bad))?))
}

/// Signs notes. Wiped when dropped, and without a textual form but the one that is asked for.
pub struct Signer {
    name: String,
    kind: Kind,
    key: SigningKey,
}

impl Signer {
    /// The key of this seed, under a name.
    ///
    /// # Errors
    /// [`BadKey::Name`].
    pub fn new(
        name: impl Into<String>,
        kind: Kind,
        seed: &[u8; SECRET_KEY_LENGTH],
    ) -> Result<Self, BadKey> {
        let name = name.into();
        if !is_name(&name) {
            return Err(BadKey::Name);
        }
        Ok(Self { name, kind, key: SigningKey::from_bytes(seed) })
    }

    /// Reads `PRIVATE+KEY+NAME+HASH+KEY`.
    ///
    /// # Errors
    /// [`BadKey`].
    pub fn parse(text: &str) -> Result<Self, BadKey> {
        let mut parts = text.splitn(5, '+');
        if [parts.next(), parts.next()] != PRIVATE.map(Some) {
            return Err(BadKey::Signer);
        }
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(BadKey::Signer);
        };
        let (kind, seed) = unpack_key(key, BadKey::Signer)?;
        let signer = Self::new(name, kind, &Zeroizing::new(seed))?;
        if parse_id(id) != Some(signer.verifier().id()) {
            return Err(BadKey::Id);
        }
        Ok(signer)
    }

    /// Its text, for the one file that holds it.
    #[must_use]
    pub fn expose(&self) -> Zeroizing<String> {
        let mut key = Zeroizing::new(vec![self.kind.byte()]);
        key.extend(Zeroizing::new(self.key.to_bytes()).iter());
        let id = self.verifier().id();
        let key = Zeroizing::new(STANDARD.encode(key.as_slice()));
        Zeroizing::new(format!("PRIVATE+KEY+{}+{id:08x}+{}", self.name, key.as_str()))
    }

    /// The same key under another name.
    ///
    /// # Errors
    /// [`BadKey::Name`].
    pub fn named(&self, name: impl Into<String>) -> Result<Self, BadKey> {
        Self::new(name, self.kind, &Zeroizing::new(self.key.to_bytes()))
    }

    /// What the key is called.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The half of it that everybody may have.
    #[must_use]
    pub fn verifier(&self) -> Verifier {
        Verifier { name: self.name.clone(), kind: self.kind, key: self.key.verifying_key() }
    }

    /// Signs a text, which ends with a newline; `time`, in Unix seconds, is said by a cosignature alone.
    #[must_use]
    pub fn sign(&self, text: &str, time: u64) -> Signature {
        let bytes = match self.kind {
            Kind::Note => self.key.sign(text.as_bytes()).to_bytes().to_vec(),
            Kind::Cosignature => {
                let signature = self.key.sign(cosign::message(time, text).as_bytes());
                cosign::pack(time, &signature.to_bytes())
            }
        };
        Signature { name: self.name.clone(), id: self.verifier().id(), bytes }
    }
}

/// One signature of a note. Its text is the whole line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// Whose it is said to be.
    pub name: String,
    /// The number of the key.
    pub id: u32,
    /// The signature itself.
    pub bytes: Vec<u8>,
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = self.id.to_be_bytes().to_vec();
        bytes.extend(&self.bytes);
        writeln!(f, "{SIGNATURE}{} {}", self.name, STANDARD.encode(bytes))
    }
}

impl Signature {
    /// Reads one line, without its newline.
    #[must_use]
    pub fn parse(line: &str) -> Option<Self> {
        let (name, bytes) = line.strip_prefix(SIGNATURE)?.split_once(' ')?;
        let bytes = STANDARD.decode(bytes).ok()?;
        let (id, bytes) = bytes.split_first_chunk()?;
        let whole = is_name(name) && !bytes.is_empty();
        whole.then(|| Self {
            name: name.to_owned(),
            id: u32::from_be_bytes(*id),
            bytes: bytes.into(),
        })
    }
}

/// Which known key signed a note, and when, if it says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// The key.
    pub by: Verifier,
    /// In Unix seconds; of cosignatures alone.
    pub time: Option<u64>,
}

/// A text and its signatures; nothing of it counts before [`Note::verify`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// The text, with its last newline.
    pub text: String,
    /// The signatures, in order.
    pub signatures: Vec<Signature>,
}

impl Note {
    /// Reads a note, and believes nothing of it.
    ///
    /// # Errors
    /// [`BadNote`].
    pub fn parse(note: &str) -> Result<Self, BadNote> {
        let odd = note.chars().any(|c| c < ' ' && c != '\n');
        if note.len() > LONGEST_BYTES || odd || !note.ends_with('\n') {
            return Err(BadNote::Form);
        }
        let (text, lines) = note.rsplit_once("\n\n").ok_or(BadNote::Form)?;
        let read =
            |(number, line)| Signature::parse(line).ok_or(BadNote::Signature { line: number });
        let signatures: Vec<Signature> =
            (1..).zip(lines.lines()).map(read).collect::<Result<_, _>>()?;
        if signatures.is_empty() || signatures.len() > MOST_SIGNATURES {
            return Err(BadNote::Form);
        }
        Ok(Self { text: format!("{text}\n"), signatures })
    }

    /// Which of these keys signed it: at least one.
    ///
    /// # Errors
    /// [`Unsigned`] when none did, or when a signature of one does not fit.
    pub fn verify(&self, keys: &[Verifier]) -> Result<Vec<Signed>, Unsigned> {
        let mut signed: Vec<Signed> = Vec::new();
        for signature in &self.signatures {
            let Some(by) = keys.iter().find(|key| key.made(signature)) else { continue };
            let forged = || Unsigned::Forged { name: by.name.clone() };
            let time = by.check(&self.text, &signature.bytes).ok_or_else(forged)?;
            if !signed.iter().any(|known| known.by == *by) {
                signed.push(Signed { by: by.clone(), time });
            }
        }
        if signed.is_empty() {
            let names: Vec<&str> = self.signatures.iter().map(|it| it.name.as_str()).collect();
            return Err(Unsigned::Unknown { by: names.join(", ") });
        }
        Ok(signed)
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        self.signatures.iter().try_for_each(|signature| write!(f, "{signature}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of <https://c2sp.org/signed-note>.
    const EXAMPLE_KEY: &str =
        "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
    const EXAMPLE: &str = "This is an example message.\n\n\u{2014} example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n";

    /// The example of Go's golang.org/x/mod/sumdb/note, where the form comes from.
    const GO_SIGNER: &str =
        "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
    const GO_VERIFIER: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    const GO_TEXT: &str = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n";
    const GO_SIGNATURE: &str = "\u{2014} PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";

    fn keys(texts: &[&str]) -> Vec<Verifier> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn the_specifications_example_is_verified_by_its_key() {
        let note = Note::parse(EXAMPLE).unwrap();
        assert_eq!(note.text, "This is an example message.\n");
        let signed = note.verify(&keys(&[EXAMPLE_KEY])).unwrap();
        assert_eq!(signed[0].by.to_string(), EXAMPLE_KEY);
        assert_eq!(note.to_string(), EXAMPLE);
    }

    #[test]
    fn a_note_is_signed_as_gos_implementation_signs_it() {
        let signer = Signer::parse(GO_SIGNER).unwrap();
        assert_eq!(signer.verifier().to_string(), GO_VERIFIER);
        assert_eq!(signer.expose().as_str(), GO_SIGNER);
        assert_eq!(signer.sign(GO_TEXT, 0).to_string(), GO_SIGNATURE);
        let note = Note::parse(&format!("{GO_TEXT}\n{GO_SIGNATURE}")).unwrap();
        assert!(note.verify(&keys(&[GO_VERIFIER])).is_ok());
    }

    #[test]
    fn a_changed_note_is_forged_and_one_of_a_strangers_key_unknown() {
        let keys = keys(&[EXAMPLE_KEY]);
        let changed = Note::parse(&EXAMPLE.replace("This", "That")).unwrap();
        let forged = Unsigned::Forged { name: "example.com/foo".to_owned() };
        assert_eq!(changed.verify(&keys), Err(forged));
        for other in [EXAMPLE.replace("foo", "bar"), EXAMPLE.replace("Uw2QO", "Uw2QA")] {
            let unknown = Note::parse(&other).unwrap().verify(&keys);
            assert!(matches!(unknown, Err(Unsigned::Unknown { .. })), "{other}");
        }
        assert!(Note::parse(EXAMPLE).unwrap().verify(&[]).is_err());
    }

    #[test]
    fn signatures_of_strangers_are_ignored_and_one_bad_of_a_known_key_spoils_the_note() {
        let stranger = Signer::new("stranger.example", Kind::Note, &[9; 32]).unwrap();
        let mut note = Note::parse(EXAMPLE).unwrap();
        note.signatures.insert(0, stranger.sign("another text\n", 0));
        assert_eq!(note.verify(&keys(&[EXAMPLE_KEY])).unwrap().len(), 1);
        let both = [keys(&[EXAMPLE_KEY]), vec![stranger.verifier()]].concat();
        assert!(matches!(note.verify(&both), Err(Unsigned::Forged { .. })));
    }

    #[test]
    fn what_is_no_note_is_refused() {
        for odd in [
            "",
            "text\n",
            "text\n\n",
            "text\n\n\u{2014} name\n",
            "text\n\n\u{2014} name AAAA\n",
            "text\n\n- name AAAAAAAA\n",
            "text\n\n\u{2014} name !!!!\n",
            "te\txt\n\n\u{2014} name AAAAAAAA\n",
            "text\r\n\n\u{2014} name AAAAAAAA\n",
            EXAMPLE.trim_end(),
        ] {
            assert!(Note::parse(odd).is_err(), "{odd:?}");
        }
        let many = "\u{2014} name AAAAAAAA\n".repeat(MOST_SIGNATURES + 1);
        assert_eq!(Note::parse(&format!("text\n\n{many}")), Err(BadNote::Form));
        let long = "x".repeat(LONGEST_BYTES);
        assert_eq!(Note::parse(&EXAMPLE.replace("This", &long)), Err(BadNote::Form));
    }

    #[test]
    fn keys_that_were_changed_or_are_of_another_kind_are_refused() {
        let bad = |text: &str| text.parse::<Verifier>().unwrap_err();
        assert_eq!(bad(&EXAMPLE_KEY.replace("530d", "530e")), BadKey::Id);
        assert_eq!(bad(&EXAMPLE_KEY.replace("530d", "530D")), BadKey::Id);
        assert_eq!(bad(&EXAMPLE_KEY.replace("/foo", "/bar")), BadKey::Id);
        assert_eq!(bad(&EXAMPLE_KEY.replace("AekyeR", "AukyeR")), BadKey::Kind);
        assert_eq!(bad(&EXAMPLE_KEY.replace("example.com", "exa mple")), BadKey::Name);
        assert_eq!(bad("name+530d903a"), BadKey::Verifier);
        assert_eq!(bad("name+530d903a+AQ=="), BadKey::Verifier);
        let signer = |text: &str| Signer::parse(text).err();
        assert_eq!(signer(&GO_SIGNER.replace("c74f", "c74e")), Some(BadKey::Id));
        assert_eq!(signer(GO_VERIFIER), Some(BadKey::Signer));
        assert_eq!(Signer::new("a b", Kind::Note, &[1; 32]).err(), Some(BadKey::Name));
    }

    #[test]
    fn a_cosignature_says_when_and_is_no_signature_of_the_log() {
        let text =
            "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";
        let witness = Signer::new("witness.example/w1", Kind::Cosignature, &[3; 32]).unwrap();
        let note =
            Note { text: text.to_owned(), signatures: vec![witness.sign(text, 1_679_315_147)] };
        let again = Note::parse(&note.to_string()).unwrap();
        let signed = again.verify(&[witness.verifier()]).unwrap();
        assert_eq!(signed[0].time, Some(1_679_315_147));
        let parsed: Verifier = witness.verifier().to_string().parse().unwrap();
        assert_eq!(parsed.kind(), Kind::Cosignature);
        // Another time than the one that was signed.
        let mut later = note.clone();
        later.signatures[0].bytes[7] ^= 1;
        assert!(later.verify(&[witness.verifier()]).is_err());
        let as_log = Signer::new("witness.example/w1", Kind::Note, &[3; 32]).unwrap();
        assert!(matches!(note.verify(&[as_log.verifier()]), Err(Unsigned::Unknown { .. })));
    }

    #[test]
    fn the_specifications_cosignature_has_the_time_that_it_shows() {
        let line = "\u{2014} witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==";
        let signature = Signature::parse(line).unwrap();
        assert_eq!(cosign::unpack(&signature.bytes).unwrap().0, 1_679_315_147);
        assert_eq!(signature.to_string(), format!("{line}\n"));
    }

    #[test]
    fn a_signer_is_wiped_and_cannot_be_printed() {
        trait Lacks<Which> {
            fn proof() {}
        }
        impl<T> Lacks<()> for T {}
        impl<T: fmt::Debug> Lacks<u8> for T {}
        impl<T: fmt::Display> Lacks<u16> for T {}
        impl<T: Clone> Lacks<u32> for T {}
        <Signer as Lacks<_>>::proof();
        fn wiped<T: zeroize::ZeroizeOnDrop>() {}
        wiped::<SigningKey>();
    }
}
