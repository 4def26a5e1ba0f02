//! Separated values: read without believing that they are regular, shown as a table.

use serde_json::{Map, Value, json};

use super::decode::Text;
use crate::page::grid::{Column, Grid, Row};
use crate::page::letters::{Face, Letters, Side};

/// Columns and rows that are ever kept.
const MOST_COLUMNS: usize = 64;
const MOST_ROWS: usize = 100_000;
/// Letters kept of a field.
const MOST_CHARS: usize = 200;

/// The table of a text; what is told of it goes into `about`.
pub(crate) fn grid<'a>(
    text: &Text,
    most_pages: u32,
    about: &mut Map<String, Value>,
    letters: &'a mut Letters,
) -> Grid<'a> {
    let separator = separator(&text.text);
    let (mut records, widest, total) = records(&text.text, separator);
    about.insert("rows".to_owned(), json!(total));
    about.insert("columns".to_owned(), json!(widest));
    let is_headed = is_headed(&records);
    about.insert("header".to_owned(), json!(is_headed));
    let shown = widest.min(MOST_COLUMNS);
    let names = if is_headed && !records.is_empty() { records.remove(0) } else { Vec::new() };
    let columns = (0..shown)
        .map(|at| {
            let name = match names.get(at) {
                Some(name) => name.clone(),
                None if is_headed => String::new(),
                None => letter_name(at),
            };
            let filled = || {
                records
                    .iter()
                    .take(200)
                    .filter_map(|record| record.get(at))
                    .filter(|field| !field.is_empty())
            };
            let numbers = filled().filter(|field| is_number(field)).count();
            let is_numeric = numbers > 0 && numbers * 10 >= filled().count() * 9;
            let side = if is_numeric { Side::End } else { Side::Start };
            Column { name, side, face: Face::Sans }
        })
        .collect();
    let rows = records.into_iter().map(|cells| Row { cells, sign: None, warning: None }).collect();
    Grid::new(columns, rows, None, most_pages, letters)
}

/// The one that gives the same number of fields most often.
fn separator(text: &str) -> char {
    let regularity = |separator: char| {
        let (records, ..) = records_of(text, separator, 50);
        let columns = records.first().map_or(0, Vec::len);
        let same = records.iter().filter(|record| record.len() == columns).count();
        if columns < 2 { 0 } else { same * 64 + columns.min(63) }
    };
    let mut best = (',', 0);
    for separator in ['\t', ',', ';', '|'] {
        let found = regularity(separator);
        if found > best.1 {
            best = (separator, found);
        }
    }
    best.0
}

fn records(text: &str, separator: char) -> (Vec<Vec<String>>, usize, usize) {
    records_of(text, separator, MOST_ROWS)
}

/// The first records, how many fields the widest has, and how many there are.
fn records_of(text: &str, separator: char, most: usize) -> (Vec<Vec<String>>, usize, usize) {
    let mut records = Vec::new();
    let (mut widest, mut total) = (0, 0);
    let mut record: Vec<String> = Vec::new();
    let (mut fields, mut field, mut chars) = (0_usize, String::new(), 0_usize);
    let (mut quoted, mut was_quoted) = (false, false);
    let mut letters = text.chars().peekable();
    loop {
        let letter = letters.next();
        match letter {
            Some('"') if quoted => {
                if letters.next_if_eq(&'"').is_some() {
                    field.push('"');
                } else {
                    quoted = false;
                }
            }
            Some('"') if chars == 0 && !was_quoted => {
                quoted = true;
                was_quoted = true;
            }
            Some(letter) if quoted || letter != separator && letter != '\n' => {
                if letter != '\r' && chars < MOST_CHARS {
                    field.push(letter);
                    chars += 1;
                }
            }
            ended => {
                fields += 1;
                if record.len() < MOST_COLUMNS {
                    record.push(std::mem::take(&mut field));
                }
                field.clear();
                (chars, was_quoted) = (0, false);
                if ended == Some(separator) {
                    continue;
                }
                let is_blank = fields == 1 && record.first().is_some_and(String::is_empty);
                if !is_blank {
                    total += 1;
                    widest = widest.max(fields);
                    if records.len() < most {
                        records.push(std::mem::take(&mut record));
                    }
                }
                record.clear();
                fields = 0;
                if ended.is_none() || records.len() == most && most < MOST_ROWS {
                    return (records, widest, total);
                }
            }
        }
    }
}

/// Whether the first row names the columns: no number, nothing twice, and unlike the rows below.
fn is_headed(records: &[Vec<String>]) -> bool {
    let Some((first, rest)) = records.split_first() else { return false };
    let named = first.iter().all(|field| !is_number(field) && field.chars().count() < 80);
    let distinct = first.iter().collect::<std::collections::BTreeSet<_>>().len() == first.len();
    named && distinct && !rest.is_empty() && first.iter().any(|field| !field.is_empty())
}

fn is_number(field: &str) -> bool {
    let field = field
        .trim()
        .trim_start_matches(['+', '-', '$', '\u{20ac}', '\u{a3}'])
        .trim_end_matches('%');
    !field.is_empty()
        && field.chars().any(|letter| letter.is_ascii_digit())
        && field.chars().all(|letter| {
            letter.is_ascii_digit()
                || matches!(letter, '.' | ',' | ' ' | '\'' | 'e' | 'E' | '-' | '+')
        })
}

/// A, B, ... Z, AA, as spreadsheets name columns.
fn letter_name(at: usize) -> String {
    let letter = |at: usize| char::from(b'A' + u8::try_from(at % 26).unwrap_or(0));
    if at < 26 { letter(at).to_string() } else { format!("{}{}", letter(at / 26 - 1), letter(at)) }
}
