//! The key ring file: JSON, for its owner's eyes only, made once and as a whole.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::cipher::{KEY_BYTES, KeyId, random};
use crate::digest::{self, DigestSecret};
use crate::error::{RingError, RingFault};
use crate::ring::Ring;
use crate::{DataKey, Secret};

/// Largest key ring file.
const FILE_MAX_BYTES: u64 = 64 << 10;
/// Most keys in a ring.
const KEYS_MAX: usize = 64;
/// The only format so far.
const FORMAT: u32 = 1;
/// Permission bits of everybody but the owner.
const OTHERS: u32 = 0o077;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RingFile {
    format: u32,
    current: String,
    keys: Vec<KeyEntry>,
    digest_secret: Secret,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyEntry {
    id: String,
    secret: Secret,
}

/// Reads the ring. Permissions are asked of the opened file, so nobody can swap it in between.
pub(crate) fn read(path: &Path) -> Result<Ring, RingError> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(source) if source.kind() == ErrorKind::NotFound => {
            return Err(RingError::Missing { path: path.to_owned(), source });
        }
        Err(source) => return Err(failed("open", path, source)),
    };
    let metadata = file.metadata().map_err(|source| failed("examine", path, source))?;
    if !metadata.is_file() {
        return Err(RingError::NotAFile { path: path.to_owned() });
    }
    if metadata.mode() & OTHERS != 0 {
        return Err(RingError::Exposed { path: path.to_owned(), mode: metadata.mode() & 0o7777 });
    }
    let malformed = |fault| RingError::Malformed { path: path.to_owned(), fault };
    if metadata.len() > FILE_MAX_BYTES {
        return Err(malformed(RingFault::TooLarge(FILE_MAX_BYTES)));
    }
    // Room for all of it at once: growing would leave copies behind.
    let mut bytes = Zeroizing::new(vec![0; FILE_MAX_BYTES as usize]);
    let mut length = 0;
    while let Some(rest) = bytes.get_mut(length..).filter(|rest| !rest.is_empty()) {
        match file.read(rest) {
            Ok(0) => break,
            Ok(more) => length += more,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(source) => return Err(failed("read", path, source)),
        }
    }
    parse(bytes.get(..length).unwrap_or_default()).map_err(malformed)
}

fn parse(bytes: &[u8]) -> Result<Ring, RingFault> {
    // The parser's own message may quote a secret.
    let file: RingFile = serde_json::from_slice(bytes)
        .map_err(|error| RingFault::Json { line: error.line(), column: error.column() })?;
    if file.format != FORMAT {
        return Err(RingFault::Format(file.format));
    }
    if file.keys.is_empty() || file.keys.len() > KEYS_MAX {
        return Err(RingFault::Count(KEYS_MAX));
    }
    let mut keys = HashMap::new();
    for entry in &file.keys {
        let id = key_id(&entry.id)?;
        let secret = decode(&entry.secret).ok_or(RingFault::Secret(KEY_BYTES))?;
        let key = DataKey::from_parts(id, &secret).ok_or(RingFault::Secret(KEY_BYTES))?;
        match keys.entry(id) {
            Entry::Occupied(_) => return Err(RingFault::Twice(id)),
            Entry::Vacant(free) => free.insert(key),
        };
    }
    let current = key_id(&file.current)?;
    let current = keys.remove(&current).ok_or(RingFault::Current(current))?;
    let digest_secret = decode(&file.digest_secret)
        .and_then(|secret| DigestSecret::new(&secret))
        .ok_or(RingFault::Secret(digest::SECRET_BYTES))?;
    Ok(Ring { current, earlier: keys, digest_secret })
}

fn key_id(text: &str) -> Result<KeyId, RingFault> {
    match text.parse() {
        Ok(id) => Ok(id),
        Err(_) => Err(RingFault::Id),
    }
}

fn decode(secret: &Secret) -> Option<Zeroizing<Vec<u8>>> {
    STANDARD.decode(secret.expose()).ok().map(Zeroizing::new)
}

/// Makes a ring with one new key, unless another process was faster; either way a whole, synced ring is there after.
pub(crate) fn create(path: &Path) -> Result<(), RingError> {
    let draft = draft_path(path);
    let written = write_draft(&draft).and_then(|()| match fs::hard_link(&draft, path) {
        // The link appears whole or not at all, and never replaces a ring.
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        linked => linked,
    });
    let removed = match fs::remove_file(&draft) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        removed => removed,
    };
    written
        .and(removed)
        .and_then(|()| File::open(parent(path))?.sync_all())
        .map_err(|source| failed("create", path, source))?;
    tracing::info!(path = %path.display(), "the master key ring is in place; keep a copy apart from the log");
    Ok(())
}

fn write_draft(draft: &Path) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(draft)?;
    file.write_all(new_ring().as_bytes())?;
    file.sync_all()
}

fn new_ring() -> Zeroizing<String> {
    let id = KeyId(random());
    let secret = Zeroizing::new(STANDARD.encode(Zeroizing::new(random::<KEY_BYTES>()).as_slice()));
    let digest = Zeroizing::new(
        STANDARD.encode(Zeroizing::new(random::<{ digest::SECRET_BYTES }>()).as_slice()),
    );
    Zeroizing::new(format!(
        "{{\n  \"format\": {FORMAT},\n  \"current\": \"{id}\",\n  \"keys\": [\n    {{ \"id\": \"{id}\", \"secret\": \"{}\" }}\n  ],\n  \"digest_secret\": \"{}\"\n}}\n",
        *secret, *digest
    ))
}

/// A name beside the ring that no other process uses.
fn draft_path(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    parent(path).join(format!(".{name}.{}", hex::encode(random::<8>())))
}

fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

fn failed(operation: &'static str, path: &Path, source: io::Error) -> RingError {
    RingError::File { operation, path: path.to_owned(), source }
}

#[cfg(test)]
#[path = "ring_tests.rs"]
mod tests;
