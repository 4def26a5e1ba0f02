//! The keys that sign receipts: a private one in a file of its owner's, and the public halves of all
//! there ever were in a file for everybody.
//!
//! Both are PEM as `openssl` reads and writes it: PKCS #8 (RFC 8410) and SubjectPublicKeyInfo, one after
//! the other. A key's id is the SHA-256 of its SubjectPublicKeyInfo in DER, in hex.

use std::{
    fs::{self, File, OpenOptions, Permissions},
    io::{self, ErrorKind, Read as _, Write as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

/// What stands before the seed in PKCS #8 of an Ed25519 key (RFC 8410, section 7).
const PRIVATE_DER: [u8; 16] =
    [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
/// What stands before the key in its SubjectPublicKeyInfo (RFC 8410, section 4).
const PUBLIC_DER: [u8; 12] = [0x30, 0x2a, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 3, 0x21, 0];
const SEED_BYTES: usize = 32;

const PRIVATE: &str = "PRIVATE KEY";
const PUBLIC: &str = "PUBLIC KEY";
/// Largest file of keys that is read, in bytes: some 2,000 of them.
const MAX_BYTES: usize = 256 << 10;

/// Why keys cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// A file cannot be used.
    #[error("{operation} {}", path.display())]
    File {
        /// What was tried.
        operation: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// Others may read the private key.
    #[error("{} can be read by others (mode {mode:o}): chmod 600 it, or make a new key by moving it away", path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Others may write who is to be believed.
    #[error("{} can be written by others (mode {mode:o}): chmod 644 it", path.display())]
    Writable {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// It holds no key, or another kind of key.
    #[error(
        "{place} holds no {what}: expected Ed25519 in PEM, as `openssl genpkey -algorithm ed25519` makes it"
    )]
    Malformed {
        /// Where it came from.
        place: String,
        /// What was looked for.
        what: &'static str,
    },
}

/// A private key. Wiped when dropped.
pub struct SecretKey {
    key: SigningKey,
    public: PublicKey,
}

/// A public key and its id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    key: VerifyingKey,
    id: String,
}

/// All keys whose receipts are believed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PublicKeys(Vec<PublicKey>);

impl SecretKey {
    /// The key with this seed.
    #[must_use]
    pub fn from_seed(seed: &[u8; SEED_BYTES]) -> Self {
        let key = SigningKey::from_bytes(seed);
        let public = PublicKey::new(key.verifying_key());
        Self { key, public }
    }

    /// Reads the key from its file, or makes both where there is none, and sees that its public half is
    /// in the other file, beside those of earlier keys.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn keep(private_file: &Path, public_file: &Path) -> Result<Self, KeyError> {
        let pem = match read(private_file, 0o077) {
            Err(KeyError::File { source, .. }) if source.kind() == ErrorKind::NotFound => {
                create(private_file)?;
                read(private_file, 0o077)?
            }
            pem => pem?,
        };
        let malformed = || KeyError::Malformed { place: place(private_file), what: "private key" };
        let text = std::str::from_utf8(&pem).or(Err(malformed()))?;
        let key = Self::from_pem(text).ok_or_else(malformed)?;
        publish(public_file, key.public())?;
        Ok(key)
    }

    /// Reads PEM.
    #[must_use]
    pub fn from_pem(text: &str) -> Option<Self> {
        let der = blocks(text, PRIVATE).next()??;
        let seed: &[u8; SEED_BYTES] = der.strip_prefix(&PRIVATE_DER)?.try_into().ok()?;
        Some(Self::from_seed(seed))
    }

    /// Its public half.
    #[must_use]
    pub const fn public(&self) -> &PublicKey {
        &self.public
    }

    /// Its signature (RFC 8032).
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.key.sign(message).to_bytes()
    }
}

impl PublicKey {
    fn new(key: VerifyingKey) -> Self {
        let id = hex::encode(Sha256::digest(der(&key)));
        Self { key, id }
    }

    /// Its id: the SHA-256 of its SubjectPublicKeyInfo, in hex.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// In PEM, with a newline after it.
    #[must_use]
    pub fn to_pem(&self) -> String {
        pem(PUBLIC, &STANDARD.encode(der(&self.key)))
    }

    /// Whether it made this signature. Signatures that others might read differently are refused.
    #[must_use]
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        let signature = Signature::from_slice(signature);
        signature.is_ok_and(|signature| self.key.verify_strict(message, &signature).is_ok())
    }
}

impl PublicKeys {
    /// Reads keys in PEM, one after the other. What stands between them is a comment.
    ///
    /// # Errors
    /// [`KeyError::Malformed`] when one of them is none; `place` says where they came from.
    pub fn parse(text: &str, place: &str) -> Result<Self, KeyError> {
        let key = |der: Option<Zeroizing<Vec<u8>>>| {
            let der = der?;
            let bytes: &[u8; 32] = der.strip_prefix(&PUBLIC_DER)?.try_into().ok()?;
            Some(PublicKey::new(VerifyingKey::from_bytes(bytes).ok()?))
        };
        let malformed =
            || KeyError::Malformed { place: place.to_owned(), what: "public keys of receipts" };
        blocks(text, PUBLIC).map(|block| key(block).ok_or_else(malformed)).collect()
    }

    /// Reads the file that [`SecretKey::keep`] wrote; no keys where there is none.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn read(path: &Path) -> Result<Self, KeyError> {
        match read(path, 0o022) {
            Err(KeyError::File { source, .. }) if source.kind() == ErrorKind::NotFound => {
                Ok(Self::default())
            }
            bytes => Self::parse(&String::from_utf8_lossy(&bytes?), &place(path)),
        }
    }

    /// The key with this id.
    #[must_use]
    pub fn find(&self, id: &str) -> Option<&PublicKey> {
        self.0.iter().find(|key| key.id == id)
    }

    /// Each, in the order they were added.
    pub fn iter(&self) -> impl Iterator<Item = &PublicKey> {
        self.0.iter()
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<PublicKey> for PublicKeys {
    fn from_iter<I: IntoIterator<Item = PublicKey>>(keys: I) -> Self {
        let mut all = Self::default();
        for key in keys {
            if all.find(&key.id).is_none() {
                all.0.push(key);
            }
        }
        all
    }
}

fn der(key: &VerifyingKey) -> Vec<u8> {
    [&PUBLIC_DER[..], key.as_bytes()].concat()
}

/// Adds a public key to the file, unless it is there.
fn publish(path: &Path, key: &PublicKey) -> Result<(), KeyError> {
    let failed =
        |source| KeyError::File { operation: "list the key in", path: path.to_owned(), source };
    let folder = folder(path);
    fs::create_dir_all(folder).map_err(failed)?;
    // Of two who add a key at once the second would lose the key of the first.
    let lock = File::open(folder).map_err(failed)?;
    lock.lock().map_err(failed)?;
    let known = PublicKeys::read(path)?;
    if known.find(key.id()).is_some() {
        return Ok(());
    }
    let text: String = known.iter().chain([key]).map(PublicKey::to_pem).collect();
    let draft = draft(path, 0o644, text.as_bytes()).map_err(failed)?;
    fs::rename(&draft, path).and_then(|()| lock.sync_all()).map_err(failed)
}

/// Makes a private key, unless another process was faster.
fn create(path: &Path) -> Result<(), KeyError> {
    let failed = |source| KeyError::File { operation: "make", path: path.to_owned(), source };
    let folder = folder(path);
    fs::create_dir_all(folder).map_err(failed)?;
    let seed: Zeroizing<[u8; SEED_BYTES]> = random().map_err(failed)?;
    // Room for all of it at once: growing would leave copies behind.
    let mut der = Zeroizing::new([0; PRIVATE_DER.len() + SEED_BYTES]);
    let (head, tail) = der.split_at_mut(PRIVATE_DER.len());
    head.copy_from_slice(&PRIVATE_DER);
    tail.copy_from_slice(&*seed);
    let mut coded = Zeroizing::new(String::with_capacity(der.len().div_ceil(3) * 4));
    STANDARD.encode_string(der.as_slice(), &mut coded);
    let text = Zeroizing::new(pem(PRIVATE, &coded));
    let draft = draft(path, 0o600, text.as_bytes()).map_err(failed)?;
    // The link appears whole or not at all, and never replaces a key.
    let linked = match fs::hard_link(&draft, path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        linked => linked,
    };
    let removed = fs::remove_file(&draft);
    linked.and(removed).and_then(|()| File::open(folder)?.sync_all()).map_err(failed)
}

/// A synced file beside `path` that no other process uses.
fn draft(path: &Path, mode: u32, bytes: &[u8]) -> io::Result<PathBuf> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let draft = folder(path).join(format!(".{name}.{}", hex::encode(*random::<8>()?)));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&draft)?;
    // The mask of the process has no say in who may read public keys.
    file.set_permissions(Permissions::from_mode(mode))?;
    file.write_all(bytes)?;
    file.sync_all()?;
    Ok(draft)
}

fn random<const N: usize>() -> io::Result<Zeroizing<[u8; N]>> {
    let mut bytes = Zeroizing::new([0; N]);
    File::open("/dev/urandom")?.read_exact(&mut *bytes)?;
    Ok(bytes)
}

/// Reads a file that nobody else may use in the `forbidden` ways. Permissions are asked of the opened
/// file, so nobody can swap it in between.
fn read(path: &Path, forbidden: u32) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let failed = |source| KeyError::File { operation: "read", path: path.to_owned(), source };
    let file = File::open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    let mode = metadata.mode() & 0o7777;
    if !metadata.is_file() || metadata.len() > MAX_BYTES as u64 {
        return Err(KeyError::Malformed { place: place(path), what: "keys" });
    }
    if mode & forbidden != 0 {
        let path = path.to_owned();
        let only_written = forbidden & 0o044 == 0;
        return Err(if only_written {
            KeyError::Writable { path, mode }
        } else {
            KeyError::Exposed { path, mode }
        });
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_BYTES + 1));
    file.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

fn pem(label: &str, coded: &str) -> String {
    format!("-----BEGIN {label}-----\n{coded}\n-----END {label}-----\n")
}

/// What stands in the blocks with this label; `None` for one that is no base64.
fn blocks<'a>(
    text: &'a str,
    label: &str,
) -> impl Iterator<Item = Option<Zeroizing<Vec<u8>>>> + use<'a> {
    let (begin, end) = (format!("-----BEGIN {label}-----"), format!("-----END {label}-----"));
    let mut rest = text;
    std::iter::from_fn(move || {
        let (_, after) = rest.split_once(&begin)?;
        let Some((coded, after)) = after.split_once(&end) else {
            rest = "";
            return Some(None);
        };
        rest = after;
        let coded: Zeroizing<String> =
            Zeroizing::new(coded.chars().filter(|c| !c.is_ascii_whitespace()).collect());
        Some(STANDARD.decode(&*coded).ok().map(Zeroizing::new))
    })
}

fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

fn place(path: &Path) -> String {
    path.display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8410, section 10.
    const RFC_PRIVATE: &str = "-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC
-----END PRIVATE KEY-----
";
    const RFC_PUBLIC: &str = "-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=
-----END PUBLIC KEY-----
";

    #[test]
    fn the_keys_of_the_rfc_are_read_and_written_as_it_has_them() {
        let key = SecretKey::from_pem(RFC_PRIVATE).unwrap();
        assert_eq!(key.public().to_pem(), RFC_PUBLIC);
        let read = PublicKeys::parse(&format!("# a comment\n{RFC_PUBLIC}"), "here").unwrap();
        assert_eq!(read.iter().collect::<Vec<_>>(), [key.public()]);
        assert!(key.public().verifies(b"m", &key.sign(b"m")));
        assert!(!key.public().verifies(b"n", &key.sign(b"m")));
    }

    #[test]
    fn a_key_is_made_once_and_for_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let (private, public) = (folder.path().join("a/r.key"), folder.path().join("b/r.pub"));
        let made = SecretKey::keep(&private, &public).unwrap();
        let kept = SecretKey::keep(&private, &public).unwrap();
        assert_eq!(made.public(), kept.public());
        let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o777;
        assert_eq!((mode(&private), mode(&public)), (0o600, 0o644));
        assert_eq!(fs::read_to_string(&public).unwrap(), made.public().to_pem());
        assert_eq!(fs::read_dir(folder.path().join("a")).unwrap().count(), 1, "no draft is left");
    }

    #[test]
    fn a_new_key_stands_beside_the_earlier_ones() {
        let folder = tempfile::tempdir().unwrap();
        let (private, public) = (folder.path().join("r.key"), folder.path().join("r.pub"));
        let first = SecretKey::keep(&private, &public).unwrap();
        fs::rename(&private, folder.path().join("r.old")).unwrap();
        let second = SecretKey::keep(&private, &public).unwrap();
        assert_ne!(first.public(), second.public());
        let listed = PublicKeys::read(&public).unwrap();
        assert_eq!(listed.iter().collect::<Vec<_>>(), [first.public(), second.public()]);
    }

    #[test]
    fn files_that_others_could_use_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let (private, public) = (folder.path().join("r.key"), folder.path().join("r.pub"));
        SecretKey::keep(&private, &public).unwrap();
        let chmod = |path: &Path, mode| {
            fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
        };
        for mode in [0o640, 0o604, 0o644] {
            chmod(&private, mode);
            let refused = SecretKey::keep(&private, &public).map(drop);
            assert!(matches!(refused, Err(KeyError::Exposed { .. })), "{mode:o}: {refused:?}");
        }
        chmod(&private, 0o600);
        chmod(&public, 0o666);
        assert!(matches!(PublicKeys::read(&public), Err(KeyError::Writable { .. })));
    }

    #[test]
    fn what_is_no_key_is_not_taken_for_one() {
        let folder = tempfile::tempdir().unwrap();
        let private = folder.path().join("r.key");
        for wrong in
            ["", "nonsense", RFC_PUBLIC, &RFC_PRIVATE.replace("MC4", "MC5"), &RFC_PRIVATE[..40]]
        {
            drop(fs::remove_file(&private));
            draft(&private, 0o600, wrong.as_bytes())
                .and_then(|draft| fs::rename(draft, &private))
                .unwrap();
            let refused = SecretKey::keep(&private, &folder.path().join("r.pub")).map(drop);
            assert!(matches!(refused, Err(KeyError::Malformed { .. })), "{wrong}: {refused:?}");
        }
        assert!(PublicKeys::parse(&RFC_PUBLIC[..60], "here").is_err());
        assert!(PublicKeys::parse(&RFC_PUBLIC.replace("MCow", "MCox"), "here").is_err());
        assert_eq!(PublicKeys::parse("no keys", "here").unwrap(), PublicKeys::default());
    }
}
