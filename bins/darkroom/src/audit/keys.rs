//! Verifier keys as they are given on a command line: the key itself, or a file with some.

use std::{fs, path::Path};

use evidence::{note::Verifier, verify::Trust};
use service::{Failure, OrTry};

use crate::{backup::failed, connection::Connection};

/// The name under which it is known whose signatures count, where nothing else says it.
const NAME: &str = "DARKROOM_NOTARY_KEY";

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
    let text = fs::read_to_string(path).map_err(failed("read", Path::new(path)))?;
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
