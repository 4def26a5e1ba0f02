//! `options` of a request: what Darkroom adds to the v2 contract. Unlike beside it, a key that is
//! not known is refused here, since it can only be a slip.

use std::collections::BTreeSet;

use domain::wish::{
    Background, Crop, Embedded, Extra, Language, MAX_LANGUAGES, MAX_MOMENTS, Moment, Options,
    Quality,
};
use serde_json::Value;

use super::{Fields, invalid, kind, list, text};
use crate::{call::quote, problem::Problem};

const KNOWN: &str = "renditions, quality, background, crop, embedded, at, extras, languages";

/// Which of the renditions are made. Kept as the sizes of the wish, of which there may be none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Renditions {
    /// One of each size.
    #[default]
    All,
    /// None.
    None,
}

/// Reads the object.
pub(super) fn options(value: Option<Value>) -> Result<(Options, Renditions), Problem> {
    let mut fields = match value {
        None => return Ok((Options::default(), Renditions::All)),
        Some(Value::Object(fields)) => Fields(fields),
        Some(other) => {
            let message = format!(
                "This field must be an object such as {{\"quality\": 85}}, not {}.",
                kind(&other)
            );
            return Err(invalid("options", message));
        }
    };
    let renditions = choice("options.renditions", fields.take("renditions"), &RENDITIONS)?;
    let options = Options {
        quality: fields.take("quality").as_ref().map(quality).transpose()?,
        background: fields.take("background").map(background).transpose()?,
        crop: choice("options.crop", fields.take("crop"), &CROPS)?,
        embedded: choice("options.embedded", fields.take("embedded"), &EMBEDDED)?,
        at: moments(fields.take("at"))?,
        extras: extras(fields.take("extras"))?,
        languages: languages(fields.take("languages"))?,
    };
    match fields.0.keys().next() {
        None => Ok((options, renditions)),
        Some(key) => {
            let message = format!("\"{}\" is not an option: use {KNOWN}.", quote(key));
            Err(invalid("options", message))
        }
    }
}

const RENDITIONS: [(&str, Renditions); 2] = [("all", Renditions::All), ("none", Renditions::None)];
const CROPS: [(&str, Crop); 2] = [("fit", Crop::Fit), ("fill", Crop::Fill)];
const EMBEDDED: [(&str, Embedded); 2] = [("strip", Embedded::Strip), ("keep", Embedded::Keep)];

fn choice<T: Copy + Default>(
    field: &'static str,
    value: Option<Value>,
    choices: &[(&str, T)],
) -> Result<T, Problem> {
    let Some(value) = value else { return Ok(T::default()) };
    let word = text(field, value)?;
    match choices.iter().find(|(name, _)| word.trim().eq_ignore_ascii_case(name)) {
        Some((_, choice)) => Ok(*choice),
        None => {
            let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
            let names = names.join(" or ");
            Err(invalid(field, format!("\"{}\" is no choice here: use {names}.", quote(&word))))
        }
    }
}

fn quality(value: &Value) -> Result<Quality, Problem> {
    let number = match value {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    number
        .and_then(|number| u8::try_from(number).ok())
        .and_then(|number| Quality::try_from(number).ok())
        .ok_or_else(|| {
            invalid("options.quality", "This field must be a whole number from 1 to 100.")
        })
}

fn background(value: Value) -> Result<Background, Problem> {
    const FIELD: &str = "options.background";
    Background::parse(&text(FIELD, value)?).map_err(|error| invalid(FIELD, format!("{error}.")))
}

fn moments(value: Option<Value>) -> Result<Vec<Moment>, Problem> {
    const FIELD: &str = "options.at";
    let elements = match value {
        Some(one @ (Value::String(_) | Value::Number(_))) => vec![one],
        value => list(FIELD, value, "[1.5, \"0:30\", \"50%\"]")?,
    };
    if elements.len() > MAX_MOMENTS {
        return Err(invalid(FIELD, format!("This field takes at most {MAX_MOMENTS} moments.")));
    }
    let moment = |element: Value| {
        let spelling = match &element {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        Moment::parse(&spelling)
            .map_err(|error| invalid(FIELD, format!("\"{}\": {error}.", quote(&spelling))))
    };
    elements.into_iter().map(moment).collect()
}

fn extras(value: Option<Value>) -> Result<BTreeSet<Extra>, Problem> {
    const FIELD: &str = "options.extras";
    let extra = |element: Value| {
        let word = text(FIELD, element)?;
        Extra::parse(word.trim()).ok_or_else(|| {
            let names: Vec<&str> = Extra::ALL.iter().map(|extra| extra.name()).collect();
            let message = format!("\"{}\" is no extra: use {}.", quote(&word), names.join(", "));
            invalid(FIELD, message)
        })
    };
    list(FIELD, value, "[\"storyboard\", \"clip\"]")?.into_iter().map(extra).collect()
}

fn languages(value: Option<Value>) -> Result<Vec<Language>, Problem> {
    const FIELD: &str = "options.languages";
    let elements = list(FIELD, value, "[\"eng\", \"deu\"]")?;
    if elements.len() > MAX_LANGUAGES {
        return Err(invalid(FIELD, format!("This field takes at most {MAX_LANGUAGES} languages.")));
    }
    let language = |element: Value| {
        let name = text(FIELD, element)?;
        Language::parse(name.trim())
            .map_err(|error| invalid(FIELD, format!("\"{}\": {error}.", quote(&name))))
    };
    elements.into_iter().map(language).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_option_is_read() {
        let read = options(Some(json!({
            "renditions": "none", "quality": "85", "background": "#102030", "crop": "Fill", "embedded": "keep",
            "at": [1.5, "0:30", "50%"], "extras": ["storyboard", "clip"], "languages": ["eng"],
        })));
        let Ok((read, renditions)) = read else { panic!("refused") };
        assert_eq!(renditions, Renditions::None);
        assert_eq!(read.quality.map(Quality::get), Some(85));
        assert_eq!(read.background, Some(Background([16, 32, 48])));
        assert_eq!((read.crop, read.embedded), (Crop::Fill, Embedded::Keep));
        let at = [Moment::Ms(1_500), Moment::Ms(30_000), Moment::Permille(500)];
        assert_eq!(read.at, at);
        assert_eq!(read.extras, BTreeSet::from([Extra::Storyboard, Extra::Clip]));
        assert_eq!(read.languages.len(), 1);
    }

    #[test]
    fn absent_null_and_empty_options_are_the_defaults() {
        for value in [None, Some(json!({})), Some(json!({"quality": null, "at": [], "crop": ""}))] {
            let defaults = |(options, renditions): (Options, _)| {
                options.is_default() && renditions == Renditions::All
            };
            assert!(options(value).is_ok_and(defaults));
        }
    }

    #[test]
    fn a_slip_is_refused_and_named() {
        for (value, field) in [
            (json!([]), "options"),
            (json!({"qualty": 5}), "options"),
            (json!({"quality": 0}), "options.quality"),
            (json!({"quality": 101}), "options.quality"),
            (json!({"quality": 80.5}), "options.quality"),
            (json!({"background": "red"}), "options.background"),
            (json!({"crop": "cover"}), "options.crop"),
            (json!({"renditions": "some"}), "options.renditions"),
            (json!({"renditions": false}), "options.renditions"),
            (json!({"embedded": true}), "options.embedded"),
            (json!({"at": ["soon"]}), "options.at"),
            (json!({"at": vec![1; 101]}), "options.at"),
            (json!({"extras": ["sound"]}), "options.extras"),
            (json!({"extras": "clip"}), "options.extras"),
            (json!({"languages": ["../eng"]}), "options.languages"),
            (json!({"languages": vec!["eng"; 9]}), "options.languages"),
        ] {
            let refused = options(Some(value.clone()));
            let named = match refused {
                Err(Problem::FieldInvalid { field, .. }) => field,
                _ => "nothing",
            };
            assert_eq!(named, field, "{value}");
        }
    }
}
