//! One source of settings: a whole document, or a single key from a variable or a flag.

use std::path::Path;

use figment::value::{Dict, Map, Value};
use figment::{Metadata, Profile, Provider};

use super::{Environment, Origin, PREFIX, SettingsError};

/// Largest settings file.
const FILE_MAX_BYTES: u64 = 1 << 20;

/// Settings from one place.
pub(super) struct Layer {
    origin: Origin,
    content: Content,
}

enum Content {
    Document(toml::Table),
    /// A single key: its path, its text, and its value if the text is TOML and was not meant as text.
    Key {
        path: Vec<String>,
        text: String,
        value: Option<toml::Value>,
    },
}

impl Layer {
    /// A TOML document.
    pub(super) fn text(
        origin: Origin,
        text: &str,
        sections: &[&str],
    ) -> Result<Self, SettingsError> {
        // The parser's full message quotes the line, and the line may hold a password.
        let table: toml::Table =
            text.parse().map_err(|error: toml::de::Error| SettingsError::Syntax {
                origin: origin.clone(),
                line: error
                    .span()
                    .and_then(|span| text.get(..span.start))
                    .map_or(1, |before| before.lines().count().max(1)),
                fault: error.message().to_owned(),
            })?;
        for section in table.keys() {
            known(section, &origin, sections)?;
        }
        Ok(Self { origin, content: Content::Document(table) })
    }

    /// The file of `--config`.
    pub(super) fn file(path: &Path, sections: &[&str]) -> Result<Self, SettingsError> {
        let unreadable = |source| SettingsError::Unreadable { path: path.to_owned(), source };
        let size_bytes = std::fs::metadata(path).map_err(unreadable)?.len();
        if size_bytes > FILE_MAX_BYTES {
            return Err(SettingsError::TooLarge {
                path: path.to_owned(),
                limit_bytes: FILE_MAX_BYTES,
            });
        }
        let text = std::fs::read_to_string(path).map_err(unreadable)?;
        Self::text(Origin::File(path.to_owned()), &text, sections)
    }

    /// One `--set section.key=value`.
    pub(super) fn flag(flag: &str, sections: &[&str]) -> Result<Self, SettingsError> {
        // Without the value, which may be a secret.
        let name = flag.split('=').next().unwrap_or_default();
        let Some((key, text)) = flag.split_once('=').filter(|(key, _)| is_path(key, ".")) else {
            return Err(SettingsError::Flag { flag: name.to_owned() });
        };
        let path: Vec<String> = key.split('.').map(str::to_owned).collect();
        let origin = Origin::Flag(format!("--set {key}"));
        known(path.first().map_or("", String::as_str), &origin, sections)?;
        Ok(Self::key(origin, path, text))
    }

    /// `--log LEVEL`.
    pub(super) fn log(level: &str) -> Self {
        Self {
            origin: Origin::Flag("--log".to_owned()),
            content: Content::Key {
                path: vec!["log".to_owned(), "level".to_owned()],
                text: level.to_owned(),
                value: None,
            },
        }
    }

    fn key(origin: Origin, path: Vec<String>, text: &str) -> Self {
        let value = text.parse::<toml::Value>().ok().filter(|value| !value.is_datetime());
        Self { origin, content: Content::Key { path, text: text.to_owned(), value } }
    }

    /// Whether this layer is the single key at `path`.
    pub(super) fn sets(&self, path: &[String]) -> bool {
        matches!(&self.content, Content::Key { path: own, .. } if own == path)
    }

    /// Takes the value as text from now on; false if it was text already.
    pub(super) fn take_as_text(&mut self) -> bool {
        match &mut self.content {
            Content::Key { value, .. } => value.take().is_some(),
            Content::Document(_) => false,
        }
    }
}

impl Provider for &Layer {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.origin.to_string())
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        let dict = match &self.content {
            Content::Document(table) => Value::serialize(table)?,
            Content::Key { path, text, value } => {
                let leaf = match value {
                    Some(value) => Value::serialize(value)?,
                    None => Value::from(text.as_str()),
                };
                path.iter()
                    .rev()
                    .fold(leaf, |inner, part| Value::from(Dict::from([(part.clone(), inner)])))
            }
        };
        Ok(Profile::Default.collect(dict.into_dict().unwrap_or_default()))
    }
}

/// A layer for each variable of a section that this executable has, in the order of their names.
pub(super) fn environment(
    environment: &Environment,
    sections: &[&str],
) -> Result<Vec<Layer>, SettingsError> {
    let mut variables = match environment {
        Environment::Given(variables) => variables.clone(),
        Environment::Process => of_process()?,
    };
    variables.sort();
    let mut layers = Vec::new();
    for (name, text) in &variables {
        let Some(key) = name.strip_prefix(PREFIX) else {
            continue;
        };
        let path: Vec<String> = key.split("__").map(str::to_ascii_lowercase).collect();
        let ours = |section: &String| sections.is_empty() || sections.contains(&section.as_str());
        if !path.first().is_some_and(ours) {
            continue;
        }
        if !is_path(key, "__") {
            return Err(SettingsError::Variable { name: name.clone() });
        }
        layers.push(Layer::key(Origin::Variable(name.clone()), path, text));
    }
    Ok(layers)
}

fn of_process() -> Result<Vec<(String, String)>, SettingsError> {
    let mut variables = Vec::new();
    for (name, value) in std::env::vars_os() {
        let Some(name) = name.to_str().filter(|name| name.starts_with(PREFIX)) else {
            continue;
        };
        let value = value.into_string();
        variables.push((
            name.to_owned(),
            value.map_err(|_text| SettingsError::NotUnicode { name: name.to_owned() })?,
        ));
    }
    Ok(variables)
}

/// Two parts or more, none empty.
fn is_path(key: &str, separator: &str) -> bool {
    key.contains(separator) && key.split(separator).all(|part| !part.is_empty())
}

fn known(section: &str, origin: &Origin, sections: &[&str]) -> Result<(), SettingsError> {
    if sections.is_empty() || sections.contains(&section) {
        return Ok(());
    }
    Err(SettingsError::Unknown {
        key: section.to_owned(),
        origin: origin.to_string(),
        known: sections.iter().map(|&name| name.to_owned()).collect(),
    })
}
