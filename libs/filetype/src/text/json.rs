//! JSON, whole or cut, and one value a line.

use crate::filetype::Filetype;
use crate::kind::Kind;
use crate::text::Text;

/// Looks for an object or a list, correct as far as it goes.
pub(crate) fn look(text: &Text<'_>) -> Option<Filetype> {
    let start = text.text.trim();
    let first = start.chars().next().filter(|first| matches!(first, '{' | '['))?;
    let mut scanner = Scanner { rest: start.as_bytes(), open: Vec::new() };
    match scanner.value() {
        Scan::Cut if text.is_cut && start.contains('"') => {}
        Scan::Whole => {
            let rest = scanner.rest.trim_ascii();
            if !rest.is_empty() {
                let is_next = matches!(rest.first(), Some(b'{' | b'['));
                return is_next.then(|| Filetype::of(Kind::Text, "application/x-ndjson", "ndjson"));
            }
            // A single word in brackets begins an INI file or a line of prose.
            if first == '[' && start.len() < 3 {
                return None;
            }
        }
        Scan::Cut | Scan::Wrong => return None,
    }
    if start.contains("\"nbformat\"") && start.contains("\"cells\"") {
        return Some(Filetype::of(Kind::Text, "application/x-ipynb+json", "ipynb"));
    }
    if start.contains("\"FeatureCollection\"") && start.contains("\"type\"") {
        return Some(Filetype::of(Kind::Text, "application/geo+json", "geojson"));
    }
    Some(Filetype::of(Kind::Text, "application/json", "json"))
}

enum Scan {
    Whole,
    Cut,
    Wrong,
}

/// Checks the grammar without recursion.
struct Scanner<'a> {
    rest: &'a [u8],
    /// For every open bracket, whether it is an object's.
    open: Vec<bool>,
}

/// What may come next.
#[derive(Clone, Copy, PartialEq)]
enum Next {
    Value,
    ValueOrEnd,
    Name,
    NameOrEnd,
    CommaOrEnd,
}

impl Scanner<'_> {
    fn value(&mut self) -> Scan {
        let mut next = Next::Value;
        loop {
            self.rest = self.rest.trim_ascii_start();
            let Some((first, rest)) = self.rest.split_first() else { return Scan::Cut };
            let after = match (next, first) {
                (Next::ValueOrEnd, b']') | (Next::NameOrEnd, b'}') => self.close(rest),
                (Next::CommaOrEnd, b'}') if self.open.last() == Some(&true) => self.close(rest),
                (Next::CommaOrEnd, b']') if self.open.last() == Some(&false) => self.close(rest),
                (Next::CommaOrEnd, b',') => {
                    self.rest = rest;
                    Ok(if self.open.last() == Some(&true) { Next::Name } else { Next::Value })
                }
                (Next::Name | Next::NameOrEnd, b'"') => {
                    self.string(rest).and_then(|()| self.colon())
                }
                (Next::Value | Next::ValueOrEnd, b'{' | b'[') => {
                    self.rest = rest;
                    self.open.push(*first == b'{');
                    Ok(if *first == b'{' { Next::NameOrEnd } else { Next::ValueOrEnd })
                }
                (Next::Value | Next::ValueOrEnd, b'"') => {
                    self.string(rest).map(|()| Next::CommaOrEnd)
                }
                (Next::Value | Next::ValueOrEnd, _) => self.word().map(|()| Next::CommaOrEnd),
                _ => Err(Scan::Wrong),
            };
            match after {
                Ok(after) => next = after,
                Err(scan) => return scan,
            }
            if self.open.is_empty() {
                return Scan::Whole;
            }
        }
    }

    fn close(&mut self, rest: &[u8]) -> Result<Next, Scan> {
        // Only the tail of what is there is ever handed in.
        self.rest = self.rest.get(self.rest.len() - rest.len()..).unwrap_or_default();
        self.open.pop();
        Ok(Next::CommaOrEnd)
    }

    fn colon(&mut self) -> Result<Next, Scan> {
        self.rest = self.rest.trim_ascii_start();
        match self.rest.split_first() {
            None => Err(Scan::Cut),
            Some((b':', rest)) => {
                self.rest = rest;
                Ok(Next::Value)
            }
            Some(_) => Err(Scan::Wrong),
        }
    }

    fn string(&mut self, rest: &[u8]) -> Result<(), Scan> {
        let mut escaped = false;
        for (at, byte) in rest.iter().enumerate() {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => {
                    let from = self.rest.len() - rest.len() + at + 1;
                    self.rest = self.rest.get(from..).unwrap_or_default();
                    return Ok(());
                }
                b'\n' => return Err(Scan::Wrong),
                _ => {}
            }
        }
        Err(Scan::Cut)
    }

    fn word(&mut self) -> Result<(), Scan> {
        let is_word =
            |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'+' | b'.');
        let end = self.rest.iter().position(|byte| !is_word(byte));
        let word = self.rest.get(..end.unwrap_or(self.rest.len())).unwrap_or_default();
        let is_number = word.first().is_some_and(|first| first.is_ascii_digit() || *first == b'-');
        if !is_number && !matches!(word, b"true" | b"false" | b"null") {
            return Err(if end.is_none() && !word.is_empty() { Scan::Cut } else { Scan::Wrong });
        }
        self.rest = self.rest.get(word.len()..).unwrap_or_default();
        Ok(())
    }
}
