//! The fields of a small JSON body. What is wrong is said without quoting any value, which may be a secret.

use domain::Timestamp;
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use crate::{
    call::{self, quote},
    problem::Problem,
};

/// Most bytes of a text.
const MAX_TEXT_BYTES: usize = 4_096;

/// The fields of a body.
pub(crate) struct Fields(Map<String, Value>);

impl Fields {
    /// Reads an object that has no other fields than these.
    pub(crate) fn read(body: &[u8], known: &[&'static str]) -> Result<Self, Problem> {
        let wanted = || {
            Problem::Malformed(format!("The body must be a JSON object of {}.", known.join(", ")))
        };
        let Ok(Value::Object(fields)) = serde_json::from_slice(body) else { return Err(wanted()) };
        match fields.keys().find(|field| !known.contains(&field.as_str())) {
            None => Ok(Self(fields)),
            Some(odd) => Err(Problem::Malformed(format!(
                "There is no field \"{}\"; this path takes {}.",
                quote(odd),
                known.join(", ")
            ))),
        }
    }

    /// A text that must be there and say something.
    pub(crate) fn text(&mut self, name: &'static str) -> Result<Zeroizing<String>, Problem> {
        let text = self.optional_text(name)?.ok_or(Problem::FieldMissing(name))?;
        if text.is_empty() { Err(Problem::FieldBlank(name)) } else { Ok(text) }
    }

    /// A text that may be left out.
    pub(crate) fn optional_text(
        &mut self,
        name: &'static str,
    ) -> Result<Option<Zeroizing<String>>, Problem> {
        match self.0.remove(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) if text.len() <= MAX_TEXT_BYTES => Ok(Some(text.into())),
            Some(_) => Err(Problem::FieldInvalid {
                field: name,
                message: format!("This must be a text of at most {MAX_TEXT_BYTES} bytes."),
            }),
        }
    }

    /// A time that may be left out.
    pub(crate) fn optional_time(
        &mut self,
        name: &'static str,
    ) -> Result<Option<Timestamp>, Problem> {
        self.optional_text(name)?.map(|text| call::time(name, &text)).transpose()
    }

    /// What a field says, of whatever kind, if the body speaks of it.
    pub(crate) fn value(&mut self, name: &'static str) -> Option<Value> {
        self.0.remove(name)
    }

    /// Yes or no; no if left out.
    pub(crate) fn flag(&mut self, name: &'static str) -> Result<bool, Problem> {
        Ok(self.optional_flag(name)?.unwrap_or(false))
    }

    /// Yes or no, if it is said.
    pub(crate) fn optional_flag(&mut self, name: &'static str) -> Result<Option<bool>, Problem> {
        match self.0.remove(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(flag)),
            Some(_) => Err(Problem::FieldInvalid {
                field: name,
                message: "This must be true or false.".to_owned(),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_said_without_a_value() {
        let known = ["email", "password"];
        for (body, problem) in [
            ("", "malformed_request"),
            ("[]", "malformed_request"),
            (r#"{"pasword": "hunter2"}"#, "malformed_request"),
            (r#"{"email": "x"}"#, "field_missing"),
            (r#"{"password": ""}"#, "field_blank"),
            (r#"{"password": ["hunter2"]}"#, "field_invalid"),
            (r#"{"password": null}"#, "field_missing"),
        ] {
            let read = Fields::read(body.as_bytes(), &known);
            let read = read.and_then(|mut fields| fields.text("password"));
            let refused = read.unwrap_err();
            assert_eq!(refused.code(), problem, "{body}");
            assert!(!format!("{refused:?}").contains("hunter2"), "{refused:?}");
        }
        let mut fields = Fields::read(br#"{"password": "a\u0000b"}"#, &known).unwrap();
        assert_eq!(fields.text("password").unwrap().as_str(), "a\0b");
        assert_eq!(fields.flag("email"), Ok(false));
    }
}
