//! What is wrong with a setting, where it was set, and what to do about it. Values stay out: they may be secrets.

use std::fmt;
use std::path::PathBuf;

use figment::Figment;
use figment::error::{Actual, Kind};

/// Where a setting came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The defaults built into the executable.
    Defaults,
    /// The file of `--config`.
    File(PathBuf),
    /// A variable, by its full name.
    Variable(String),
    /// A flag, without its value.
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Defaults => f.write_str("the built-in defaults"),
            Self::File(path) => write!(f, "file {}", path.display()),
            Self::Variable(name) => write!(f, "environment variable {name}"),
            Self::Flag(flag) => write!(f, "flag {flag}"),
        }
    }
}

/// The settings cannot be used; nothing was started.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The file of `--config` cannot be read.
    #[error("cannot read the settings file {path}", path = path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// As the system said it.
        source: std::io::Error,
    },
    /// The file of `--config` is no settings file.
    #[error("the settings file {path} is larger than {limit_bytes} bytes", path = path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The limit.
        limit_bytes: u64,
    },
    /// Not TOML.
    #[error("{origin}, line {line}: {fault}")]
    Syntax {
        /// Which document.
        origin: Origin,
        /// Where in it, from 1.
        line: usize,
        /// What the parser says.
        fault: String,
    },
    /// A `--set` that is not `section.key=value`.
    #[error("`--set {flag}` is not of the form section.key=value")]
    Flag {
        /// What stands before the first `=`.
        flag: String,
    },
    /// A variable that names a section of ours but no key.
    #[error("environment variable {name} is not of the form DARKROOM__SECTION__KEY")]
    Variable {
        /// Its name.
        name: String,
    },
    /// A variable whose value is not UTF-8.
    #[error("environment variable {name} is not valid UTF-8")]
    NotUnicode {
        /// Its name.
        name: String,
    },
    /// A section or key that does not exist.
    #[error("unknown setting `{key}` in {origin}")]
    Unknown {
        /// Dotted.
        key: String,
        /// Where it was set.
        origin: String,
        /// What exists in its place.
        known: Vec<String>,
    },
    /// A key that must be set and is not.
    #[error("setting `{key}` is missing")]
    Missing {
        /// Dotted.
        key: String,
    },
    /// A value that does not fit.
    #[error("setting `{key}` in {origin} does not fit: {fault}")]
    Value {
        /// Dotted.
        key: String,
        /// Where it was set.
        origin: String,
        /// What is wrong, without the value.
        fault: String,
    },
}

impl SettingsError {
    /// What to try.
    #[must_use]
    pub fn remedy(&self) -> Option<String> {
        match self {
            Self::Unreadable { .. } => {
                Some("a path that exists and that this user may read".to_owned())
            }
            Self::Flag { .. } => Some("for example --set log.level=debug".to_owned()),
            Self::Variable { .. } => Some("for example DARKROOM__LOG__LEVEL=debug".to_owned()),
            Self::Unknown { key, known, .. } => Some(match nearest(key, known) {
                Some(near) => format!("`{near}`; known here: {}", known.join(", ")),
                None => format!("one of {}", known.join(", ")),
            }),
            Self::Missing { key } => {
                let variable = key.to_ascii_uppercase().replace('.', "__");
                Some(format!(
                    "--set {key}=VALUE, or {}{variable}=VALUE in the environment",
                    super::PREFIX
                ))
            }
            Self::Value { key, .. } => {
                Some(format!("another value; the defaults file explains `{key}`"))
            }
            Self::TooLarge { .. } | Self::Syntax { .. } | Self::NotUnicode { .. } => None,
        }
    }
}

/// Whether a value was refused for its type, so that the same text might do.
pub(super) fn is_of_type(error: &figment::Error) -> bool {
    matches!(error.kind, Kind::InvalidType(..) | Kind::Message(_))
}

/// Says it in our words, without the value.
pub(super) fn explain(error: &figment::Error, figment: &Figment) -> SettingsError {
    let key = error.path.join(".");
    let origin_of =
        |key: &str| figment.find_metadata(key).map(|metadata| metadata.name.to_string());
    match &error.kind {
        Kind::UnknownField(name, known) => {
            let key = if key.is_empty() { name.clone() } else { key };
            let origin = origin_of(&key).unwrap_or_else(|| Origin::Defaults.to_string());
            SettingsError::Unknown {
                key,
                origin,
                known: known.iter().map(|&name| name.to_owned()).collect(),
            }
        }
        Kind::MissingField(name) => SettingsError::Missing {
            key: if key.is_empty() { name.to_string() } else { format!("{key}.{name}") },
        },
        kind => SettingsError::Value {
            origin: error
                .metadata
                .as_ref()
                .map(|metadata| metadata.name.to_string())
                .or_else(|| origin_of(&key))
                .unwrap_or_else(|| Origin::Defaults.to_string()),
            fault: fault(kind),
            key,
        },
    }
}

fn fault(kind: &Kind) -> String {
    match kind {
        Kind::Message(text) => text.clone(),
        Kind::InvalidType(found, wanted) => format!("found {}, expected {wanted}", name(found)),
        Kind::InvalidValue(_, wanted) => format!("expected {wanted}"),
        Kind::InvalidLength(found, wanted) => format!("found {found} items, expected {wanted}"),
        Kind::UnknownVariant(_, known) => format!("expected one of {}", known.join(", ")),
        Kind::ISizeOutOfRange(_) | Kind::USizeOutOfRange(_) => "the number is too large".to_owned(),
        Kind::DuplicateField(name) => format!("`{name}` is set twice"),
        Kind::UnknownField(..)
        | Kind::MissingField(_)
        | Kind::Unsupported(_)
        | Kind::UnsupportedKey(..) => "this kind of value cannot stand here".to_owned(),
    }
}

/// The kind of a value, without the value.
const fn name(actual: &Actual) -> &'static str {
    match actual {
        Actual::Bool(_) => "true or false",
        Actual::Unsigned(_) | Actual::Signed(_) => "a whole number",
        Actual::Float(_) => "a number",
        Actual::Char(_) | Actual::Str(_) => "text",
        Actual::Seq => "a list",
        Actual::Map => "a table",
        _ => "something else",
    }
}

/// The known name that a mistyped one most likely meant.
fn nearest<'a>(key: &str, known: &'a [String]) -> Option<&'a String> {
    let name = key.rsplit('.').next().unwrap_or(key);
    known
        .iter()
        .map(|near| (distance(name, near), near))
        .filter(|(far, _)| *far <= 2)
        .min()
        .map(|(_, near)| near)
}

/// How many letters must be added, dropped or changed (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut left = i + 1;
        let mut next = vec![left];
        for ((y, diagonal), above) in b.chars().zip(&row).zip(row.iter().skip(1)) {
            left = (diagonal + usize::from(x != y)).min(above + 1).min(left + 1);
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}
