//! Source code in colours: one pass over the text, in time that grows with its length alone.

use super::grammar::{Grammar, Sort};
use crate::page::cells::{Ink, Inks};

/// Where each part of the text begins, and in which ink.
pub(crate) fn inks(grammar: &Grammar, text: &str) -> Inks {
    let mut painter = Painter { inks: Vec::new(), grammar, text, at: 0 };
    match grammar.sort {
        Sort::Words => painter.words(),
        Sort::Markup => painter.markup(),
        Sort::Lines => painter.lines(),
        Sort::Settings => painter.settings(),
    }
    painter.inks
}

struct Painter<'a> {
    inks: Inks,
    grammar: &'a Grammar,
    text: &'a str,
    at: usize,
}

impl<'a> Painter<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// Paints the next bytes and goes behind them.
    fn paint(&mut self, bytes: usize, ink: Ink) {
        if self.inks.last().is_none_or(|(_, last)| *last != ink) {
            self.inks.push((self.at, ink));
        }
        self.at += bytes;
    }

    fn words(&mut self) {
        while let Some(first) = self.rest().chars().next() {
            let rest = self.rest();
            if let Some(bytes) = self.comment(rest) {
                self.paint(bytes, Ink::Comment);
            } else if let Some(bytes) = self.string(rest) {
                let is_name = self.grammar.names_are_strings
                    && rest
                        .get(bytes..)
                        .is_some_and(|rest| rest.trim_start_matches(' ').starts_with(':'));
                self.paint(bytes, if is_name { Ink::Name } else { Ink::Text });
            } else if first.is_ascii_digit() {
                let is_part =
                    |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '.' | '_');
                self.paint(length_while(rest, is_part), Ink::Number);
            } else if is_word_start(first) || self.grammar.marks.contains(first) {
                let marked = if is_word_start(first) { 0 } else { first.len_utf8() };
                let is_part = |letter: char| {
                    letter.is_alphanumeric()
                        || letter == '_'
                        || letter == '-' && self.grammar.dashes
                };
                let bytes = marked + length_while(rest.get(marked..).unwrap_or_default(), is_part);
                let ink = self.word(
                    rest.get(..bytes).unwrap_or_default(),
                    rest.get(bytes..).unwrap_or_default(),
                    marked > 0,
                );
                self.paint(bytes, ink);
            } else {
                self.paint(first.len_utf8(), Ink::Plain);
            }
        }
    }

    fn word(&self, word: &str, after: &str, is_marked: bool) -> Ink {
        let is_in = |list: &str| {
            let same = |other: &str| {
                if self.grammar.any_case { other.eq_ignore_ascii_case(word) } else { other == word }
            };
            list.split_ascii_whitespace().any(same)
        };
        if is_in(self.grammar.keywords) {
            Ink::Keyword
        } else if is_marked {
            Ink::Name
        } else if is_in(self.grammar.constants) {
            Ink::Number
        } else if after.starts_with('(') || after.starts_with("!(") {
            Ink::Function
        } else if self.grammar.properties && after.trim_start_matches(' ').starts_with(':') {
            Ink::Name
        } else if self.grammar.types && word.chars().next().is_some_and(char::is_uppercase) {
            Ink::Kind
        } else {
            Ink::Plain
        }
    }

    fn comment(&self, rest: &str) -> Option<usize> {
        let is_line = self.grammar.line_comments.iter().any(|mark| rest.starts_with(mark));
        // In a shell, `$#` and `a#b` begin no comment.
        let is_inside = rest.starts_with('#')
            && self.text.get(..self.at).is_some_and(|before| {
                before.ends_with(|letter: char| {
                    !letter.is_whitespace() && !matches!(letter, ';' | ')' | '}' | '{' | ',')
                })
            });
        if is_line && !is_inside {
            return Some(rest.find('\n').unwrap_or(rest.len()));
        }
        self.grammar.block_comments.iter().find(|(open, _)| rest.starts_with(open)).map(
            |(open, close)| {
                let inner = rest.get(open.len()..).unwrap_or_default();
                inner.find(close).map_or(rest.len(), |at| open.len() + at + close.len())
            },
        )
    }

    fn string(&self, rest: &str) -> Option<usize> {
        for triple in self.grammar.long_strings {
            if let Some(inner) = rest.strip_prefix(triple) {
                return Some(inner.find(triple).map_or(rest.len(), |at| at + 2 * triple.len()));
            }
        }
        let quote = rest.chars().next().filter(|first| self.grammar.strings.contains(*first))?;
        // A lifetime is no letter in quotes.
        if quote == '\'' && self.grammar.lifetimes {
            let mut letters = rest.chars().skip(1);
            let (first, second) = (letters.next()?, letters.next());
            if first != '\\' && second != Some('\'') {
                return None;
            }
        }
        let mut escaped = false;
        for (at, letter) in rest.char_indices().skip(1) {
            match letter {
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                '\n' if quote != '`' && !self.grammar.lifetimes => return Some(at),
                letter if letter == quote => return Some(at + 1),
                _ => {}
            }
        }
        Some(rest.len())
    }

    fn markup(&mut self) {
        let mut in_tag = false;
        while let Some(first) = self.rest().chars().next() {
            let rest = self.rest();
            if !in_tag && (rest.starts_with("<!--") || rest.starts_with("<![CDATA[")) {
                let end = if rest.starts_with("<!--") { "-->" } else { "]]>" };
                let bytes = rest.find(end).map_or(rest.len(), |at| at + end.len());
                self.paint(bytes, Ink::Comment);
            } else if !in_tag && first == '<' {
                let bytes = 1 + length_while(rest.get(1..).unwrap_or_default(), |letter| {
                    letter.is_alphanumeric()
                        || matches!(letter, '/' | '?' | '!' | ':' | '-' | '_' | '.')
                });
                self.paint(bytes, Ink::Keyword);
                in_tag = true;
            } else if in_tag && matches!(first, '>') {
                self.paint(1, Ink::Keyword);
                in_tag = false;
            } else if in_tag && matches!(first, '"' | '\'') {
                let inner = rest.get(1..).unwrap_or_default();
                let bytes = inner.find(first).map_or(rest.len(), |at| at + 2);
                self.paint(bytes, Ink::Text);
            } else if in_tag && matches!(first, '/' | '?') {
                self.paint(1, Ink::Keyword);
            } else if in_tag && is_word_start(first) {
                let bytes = length_while(rest, |letter| {
                    letter.is_alphanumeric() || matches!(letter, ':' | '-' | '_' | '.')
                });
                self.paint(bytes, Ink::Name);
            } else if !in_tag && first == '&' {
                let near = rest.bytes().take(12).position(|byte| byte == b';');
                let bytes = near.map_or(1, |at| at + 1);
                self.paint(bytes, Ink::Number);
            } else {
                self.paint(first.len_utf8(), Ink::Plain);
            }
        }
    }

    /// Differences: a line is of one colour.
    fn lines(&mut self) {
        for line in self.text.split_inclusive('\n') {
            let ink = match line.as_bytes().first() {
                Some(b'+') => Ink::Added,
                Some(b'-') => Ink::Removed,
                Some(b'@') => Ink::Function,
                Some(b' ' | b'\n') | None => Ink::Plain,
                Some(_) => Ink::Name,
            };
            self.paint(line.len(), ink);
        }
    }

    /// A name and a value a line, sections, comments.
    fn settings(&mut self) {
        for line in self.text.split_inclusive('\n') {
            let bare = line.trim_start();
            let indent = line.len() - bare.len();
            self.paint(indent, Ink::Plain);
            if self.grammar.line_comments.iter().any(|mark| bare.starts_with(mark)) {
                self.paint(bare.len(), Ink::Comment);
            } else if bare.starts_with('[') && bare.trim_end().ends_with(']') && !bare.contains('=')
            {
                self.paint(bare.len(), Ink::Keyword);
            } else if let Some(at) = bare
                .find(self.grammar.separator)
                .filter(|at| !bare.get(..*at).unwrap_or_default().contains(['"', '\'']))
            {
                self.paint(at, Ink::Name);
                self.paint(1, Ink::Plain);
                self.value(bare.get(at + 1..).unwrap_or_default());
            } else {
                self.value(bare);
            }
        }
    }

    fn value(&mut self, value: &str) {
        let comment = value.find(" #").unwrap_or(value.len());
        let (said, comment) = value.split_at_checked(comment).unwrap_or((value, ""));
        let word = said.trim();
        let ink = if word.starts_with(['"', '\'']) {
            Ink::Text
        } else if word.starts_with(|letter: char| letter.is_ascii_digit()) {
            Ink::Number
        } else if matches!(word, "true" | "false" | "null" | "yes" | "no") {
            Ink::Keyword
        } else {
            Ink::Plain
        };
        self.paint(said.len(), ink);
        if !comment.is_empty() {
            self.paint(comment.len(), Ink::Comment);
        }
    }
}

fn is_word_start(letter: char) -> bool {
    letter.is_alphabetic() || letter == '_'
}

fn length_while(text: &str, is_part: impl Fn(char) -> bool) -> usize {
    text.find(|letter: char| !is_part(letter)).unwrap_or(text.len())
}
