//! Verifier keys as they are given on a command line: the key itself, or a file with some.

use std::{fs::File, io::Read as _, path::Path};

use evidence::{note::Verifier, verify::Trust};
use service::{Failure, OrTry};

use crate::{backup::failed, connection::Connection};

/// The name under which it is known whose signatures count, where nothing else says it.
const NAME: &str = "DARKROOM_NOTARY_KEY";

/// The largest file of keys that is read, in bytes: thousands of them.
const KEYS_BYTES: u64 = 1 << 20;

#[derive(Debug, thiserror::Error)]
enum KeyError {
    #[error("`{text}` is no verifier key")]
    Key {
        text: String,
        #[source]
        source: evidence::note::BadKey,
    },
    #[error("there is no key in {0}")]
    Empty(String),
    #[error("{path} has more than {} KiB, which is the most that is read", KEYS_BYTES >> 10)]
    TooLarge { path: String },
}

/// What is asked for where a key cannot be read.
const REMEDY: &str =
    "NAME+HASH+KEY as the notary's operator publishes it, or a file with one on each line";

/// The keys that were named; none if none were.
pub(super) fn given(texts: &[String]) -> Result<Option<Trust>, Failure> {
    let mut keys: Vec<Verifier> = Vec::new();
    for text in texts {
        match text.parse() {
            Ok(key) => keys.push(key),
            Err(source) if !Path::new(text).is_file() => {
                return Err(KeyError::Key { text: text.clone(), source }).or_try(REMEDY);
            }
            Err(_) => keys.extend(of_file(text)?),
        }
    }
    Ok((!keys.is_empty()).then(|| Trust::given(keys)))
}

/// The keys that were named, or else the one that whoever runs this names beside the log's address.
pub(super) fn known(texts: &[String], connection: &Connection) -> Result<Option<Trust>, Failure> {
    match (given(texts)?, connection.find(NAME)) {
        (None, Some(key)) => given(&[key.to_owned()]),
        (trust, _) => Ok(trust),
    }
}

fn of_file(path: &str) -> Result<Vec<Verifier>, Failure> {
    let mut text = String::new();
    let file = File::open(path).map_err(failed("open", Path::new(path)))?;
    file.take(KEYS_BYTES + 1).read_to_string(&mut text).map_err(failed("read", Path::new(path)))?;
    if text.len() as u64 > KEYS_BYTES {
        return Err(KeyError::TooLarge { path: path.to_owned() }).or_try(REMEDY);
    }
    let lines =
        text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let keys: Vec<Verifier> = lines
        .map(|line| line.parse().map_err(|source| KeyError::Key { text: line.to_owned(), source }))
        .collect::<Result<_, _>>()
        .or_try(REMEDY)?;
    if keys.is_empty() {
        return Err(KeyError::Empty(path.to_owned())).or_try(REMEDY);
    }
    Ok(keys)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_keys_is_read_up_to_its_limit_and_no_further() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys");
        let key = evidence::note::Signer::new("here.example", evidence::note::Kind::Note, &[1; 32]);
        let key = key.unwrap().verifier();
        std::fs::write(&path, format!("# of the notary\n{key}\n")).unwrap();
        let name = path.to_string_lossy().into_owned();
        assert_eq!(of_file(&name).unwrap(), [key]);
        std::fs::File::create(&path).unwrap().set_len(KEYS_BYTES + 1).unwrap();
        let refused = of_file(&name).unwrap_err().to_string();
        assert!(refused.contains("more than 1024 KiB"), "{refused}");
    }
}
