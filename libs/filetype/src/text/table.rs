//! Tables: the same number of separators in every line.

use crate::filetype::Filetype;
use crate::kind::Kind;
use crate::text::Text;

/// Records looked at, at most.
const MOST_RECORDS: usize = 50;

/// Looks for a table of at least two columns and two rows.
pub(crate) fn look(text: &Text<'_>) -> Option<Filetype> {
    let tabs = fields(text, '\t');
    if is_regular(&tabs) {
        return Some(Filetype::of(Kind::Text, "text/tab-separated-values", "tsv"));
    }
    let csv = Filetype::of(Kind::Text, "text/csv", "csv");
    [',', ';', '|'].into_iter().any(|separator| is_regular(&fields(text, separator))).then_some(csv)
}

/// How many fields each record has.
fn fields(text: &Text<'_>, separator: char) -> Vec<(usize, usize)> {
    let mut records = Vec::new();
    let (mut count, mut length, mut quoted, mut at_start) = (1, 0, false, true);
    for letter in text.text.chars() {
        match letter {
            '"' if quoted || at_start => {
                quoted = !quoted;
                at_start = false;
                length += 1;
                continue;
            }
            '\n' if !quoted => {
                if length > 0 {
                    records.push((count, length));
                }
                if records.len() == MOST_RECORDS {
                    return records;
                }
                (count, length, at_start) = (1, 0, true);
                continue;
            }
            letter if letter == separator && !quoted => {
                count += 1;
                at_start = true;
            }
            '\r' => continue,
            _ => at_start = false,
        }
        length += 1;
    }
    if length > 0 && !text.is_cut {
        records.push((count, length));
    }
    records
}

fn is_regular(records: &[(usize, usize)]) -> bool {
    let Some((columns, _)) = records.first().copied().filter(|(columns, _)| *columns > 1) else {
        return false;
    };
    let same = records.iter().filter(|(count, _)| *count == columns).count();
    // Prose has commas, too: of few rows or columns more must fit, and cells are short.
    let cells: usize = records.iter().map(|(count, _)| count).sum();
    let letters: usize = records.iter().map(|(_, length)| length).sum();
    let enough = records.len() >= 3 || records.len() == 2 && columns >= 3;
    let is_even = same * 20 >= records.len() * 19;
    // Some leave out what is empty at the end of a row.
    let is_ragged = columns >= 4
        && records.iter().all(|(count, _)| (2..=columns).contains(count))
        && same * 2 >= records.len();
    enough && (is_even || is_ragged) && letters / cells <= 40
}
