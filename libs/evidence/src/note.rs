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
mod tests;
