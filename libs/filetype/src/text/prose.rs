//! Markdown: several of its signs, of different sorts.

use crate::filetype::Filetype;
use crate::kind::Kind;
use crate::text::Text;

/// Lines looked at, at most.
const MOST_LINES: usize = 400;

/// Looks for Markdown.
pub(crate) fn markdown(text: &Text<'_>) -> Option<Filetype> {
    let (mut headings, mut fences, mut links, mut lists, mut strong, mut rules, mut quotes) =
        (0_u32, 0_u32, 0_u32, 0_u32, 0_u32, 0_u32, 0_u32);
    let (mut prose, mut code) = (0_u32, 0_u32);
    let mut before = "";
    for line in text.lines().take(MOST_LINES) {
        let trimmed = line.trim();
        // One right below another is a comment.
        let is_heading = is_heading(trimmed) && !before.starts_with("# ");
        headings += u32::from(is_heading);
        fences += u32::from(line.starts_with("```") || line.starts_with("~~~"));
        links += u32::from(trimmed.contains("](") || is_reference(trimmed));
        lists += u32::from(is_item(trimmed));
        strong += u32::from(is_strong(trimmed));
        quotes += u32::from(trimmed.starts_with("> "));
        let is_line =
            |sign: char| trimmed.len() > 2 && trimmed.chars().all(|letter| letter == sign);
        // Underlined headings, rules and the second line of a table.
        rules += u32::from(!before.is_empty() && (is_line('=') || is_line('-')));
        rules += u32::from(trimmed.starts_with('|') && trimmed.contains("---"));
        prose += u32::from(trimmed.split(' ').count() > 5 && !is_heading);
        code += u32::from(is_code(trimmed) && fences.is_multiple_of(2));
        before = trimmed;
    }
    let sorts = [headings, fences / 2, links, strong, rules, quotes.min(1)];
    let sorts = u32::try_from(sorts.iter().filter(|count| **count > 0).count()).unwrap_or(0)
        + u32::from(lists > 1);
    // A heading alone is a comment in many languages.
    let is_titled = headings > 0 && text.text.trim_start().starts_with("# ") && prose > 0;
    let is_one = (sorts >= 3
        || sorts == 2 && (headings + rules + links > 0) && (is_titled || links > 0 || fences > 1))
        && code <= prose + lists + headings + links;
    is_one.then(|| Filetype::of(Kind::Text, "text/markdown", "md"))
}

fn is_heading(line: &str) -> bool {
    let rest = line.trim_start_matches('#');
    (1..=6).contains(&(line.len() - rest.len())) && rest.starts_with(' ') && !rest.trim().is_empty()
}

fn is_code(line: &str) -> bool {
    line.ends_with([';', '{', '}', '(', '['])
        || line.ends_with("):")
        || ["import ", "def ", "class "].iter().any(|word| line.starts_with(word))
}

fn is_item(line: &str) -> bool {
    let numbered = line.split_once(". ").is_some_and(|(number, _)| {
        !number.is_empty() && number.len() < 4 && number.bytes().all(|byte| byte.is_ascii_digit())
    });
    numbered || ["- ", "* ", "+ "].iter().any(|sign| line.starts_with(sign))
}

/// `[name]: address`
fn is_reference(line: &str) -> bool {
    line.starts_with('[')
        && line.split_once("]: ").is_some_and(|(_, address)| address.contains('/'))
}

fn is_strong(line: &str) -> bool {
    line.split_once("**").is_some_and(|(_, rest)| {
        rest.split_once("**").is_some_and(|(inner, _)| {
            !inner.is_empty() && !inner.starts_with(' ') && !inner.ends_with(' ')
        })
    })
}
