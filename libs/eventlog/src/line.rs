//! A stored message as one line, for programs: as JSON, or as a row of comma-separated values.

use std::io::Write as _;

use serde::{Serialize, Serializer};
use serde_json::{Value, value::RawValue};

use crate::envelope::{Hash, Raw};

/// A stored message, to be written as one line.
#[derive(Debug, Serialize)]
pub struct Line<'a> {
    stream: &'a str,
    seq: u64,
    subject: &'a str,
    #[serde(rename = "type")]
    kind: &'a str,
    id: Option<&'a str>,
    time: Option<&'a str>,
    traceparent: Option<&'a str>,
    prev: Option<&'a str>,
    #[serde(serialize_with = "as_text")]
    hash: Hash,
    data: Data<'a>,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Data<'a> {
    Stored(&'a RawValue),
    Told(Value),
}

impl<'a> Line<'a> {
    /// What such rows begin with: their names.
    pub const CSV_HEAD: &'static str =
        "stream,seq,time,subject,type,id,traceparent,prev,hash,data\r\n";

    /// The message as it is stored; `null` for a body that is no JSON.
    #[must_use]
    pub fn of(raw: &'a Raw, hash: Hash) -> Self {
        // Events are written without line breaks; others may not be.
        let broken = raw.body.contains(&b'\n');
        let data = match serde_json::from_slice(&raw.body) {
            Ok(stored) if !broken => Data::Stored(stored),
            _ => Data::Told(serde_json::from_slice(&raw.body).unwrap_or_default()),
        };
        Self::new(raw, hash, data)
    }

    /// The same with other words in place of the body.
    #[must_use]
    pub fn told(raw: &'a Raw, hash: Hash, data: Value) -> Self {
        Self::new(raw, hash, Data::Told(data))
    }

    fn new(raw: &'a Raw, hash: Hash, data: Data<'a>) -> Self {
        Self {
            stream: &raw.stream,
            seq: raw.seq,
            subject: &raw.subject,
            kind: raw.event_name(),
            id: raw.headers.get("ce-id"),
            time: raw.headers.get("ce-time"),
            traceparent: raw.traceparent(),
            prev: raw.headers.get(crate::envelope::PREV),
            hash,
            data,
        }
    }

    /// Writes it as JSON, with a line break behind it.
    pub fn write_json(&self, out: &mut Vec<u8>) {
        // Writing to memory does not fail, and everything here has a JSON form.
        let _written = serde_json::to_writer(&mut *out, self).is_ok();
        out.push(b'\n');
    }

    /// Writes it as a row of comma-separated values (RFC 4180).
    pub fn write_csv(&self, out: &mut Vec<u8>) {
        let told;
        let data = match &self.data {
            Data::Stored(stored) => stored.get(),
            Data::Told(value) => {
                told = value.to_string();
                &told
            }
        };
        let hash = self.hash.to_string();
        field(out, self.stream);
        let _written = write!(out, ",{}", self.seq).is_ok();
        let texts = [
            self.time,
            Some(self.subject),
            Some(self.kind),
            self.id,
            self.traceparent,
            self.prev,
            Some(&hash),
            Some(data),
        ];
        for text in texts {
            out.push(b',');
            field(out, text.unwrap_or_default());
        }
        out.extend_from_slice(b"\r\n");
    }
}

fn as_text<S: Serializer>(hash: &Hash, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(hash)
}

fn field(out: &mut Vec<u8>, text: &str) {
    // What a table would take for a formula is text here.
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    if !formula && !text.contains(['"', ',', '\n', '\r']) {
        return out.extend_from_slice(text.as_bytes());
    }
    out.push(b'"');
    if formula {
        out.push(b'\'');
    }
    for byte in text.bytes() {
        if byte == b'"' {
            out.push(b'"');
        }
        out.push(byte);
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use serde_json::json;

    use super::*;
    use crate::Headers;

    fn raw(body: &'static str) -> Raw {
        Raw {
            stream: "JOBS".into(),
            subject: "darkroom.job.a.j.started".into(),
            seq: 7,
            headers: Headers::from_iter([("ce-id", "=1+1"), ("darkroom-prev", "00")]),
            body: Bytes::from_static(body.as_bytes()),
        }
    }

    #[test]
    fn a_line_of_json_is_one_line_whatever_was_stored() {
        for (body, data) in [
            (r#"{"event":"started","attempt":1}"#, json!({"event": "started", "attempt": 1})),
            ("{\n\"event\":\"started\"}", json!({"event": "started"})),
            ("no JSON", Value::Null),
        ] {
            let (raw, mut out) = (raw(body), Vec::new());
            Line::of(&raw, Hash::default()).write_json(&mut out);
            let text = String::from_utf8(out).unwrap();
            assert_eq!(text.matches('\n').count(), 1, "{text}");
            let line: Value = serde_json::from_str(&text).unwrap();
            assert_eq!((&line["data"], &line["type"]), (&data, &json!("started")), "{text}");
            assert_eq!(line["hash"], "0".repeat(64));
        }
    }

    #[test]
    fn a_row_of_a_table_keeps_its_columns_and_is_no_formula() {
        let (raw, mut out) = (raw(r#"{"a":"x,y"}"#), Vec::new());
        Line::of(&raw, Hash::default()).write_csv(&mut out);
        let expected = format!(
            "JOBS,7,,darkroom.job.a.j.started,started,\"'=1+1\",,00,{},\"{{\"\"a\"\":\"\"x,y\"\"}}\"\r\n",
            "0".repeat(64)
        );
        assert_eq!(String::from_utf8(out).unwrap(), expected);
        assert_eq!(Line::CSV_HEAD.matches(',').count(), 9);
    }
}
