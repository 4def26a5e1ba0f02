//! Versions of engines, and conditions on them: `libwebp<1.3.2`.
//!
//! Engines come from everywhere and spell their versions as they like (`7.1`, `n7.1.1`, `24.02.0`,
//! `1.1.1w`, `2.0-rc1`, `1:4.4.2-0ubuntu0.22.04.1`). What is compared is what their authors numbered:
//! numbers as numbers, missing ones as 0, pre-releases before the release, letters after it; epochs and
//! what a distribution added are left out.

use std::{cmp::Ordering, fmt, str::FromStr};

/// Words that come before the release that they name.
const BEFORE: [&str; 8] = ["alpha", "beta", "rc", "pre", "preview", "dev", "snapshot", "git"];
/// The longest version that is looked at.
const MAX_CHARS: usize = 96;
/// The most conditions on one engine.
const MAX_BOUNDS: usize = 8;

/// A version that can be compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Version(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    /// Digits without leading zeros: as long as they like.
    Number(String),
    /// Comes before the release.
    Before(String),
    /// Comes after it.
    After(String),
}

impl Version {
    /// Reads a version; nothing where there is no number in it.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let text: String = text.trim().chars().take(MAX_CHARS).collect();
        let text = match text.split_once(':') {
            Some((epoch, rest)) if is_number(epoch) => rest,
            _ => &text,
        };
        let from = text.find(|c: char| c.is_ascii_digit())?;
        let runs = runs(own(text.get(from..)?));
        let mut parts = Vec::with_capacity(runs.len());
        for (index, run) in runs.iter().enumerate() {
            let followed = runs.get(index + 1).is_some_and(|next| is_number(next));
            parts.push(if is_number(run) {
                Part::Number(run.trim_start_matches('0').to_owned())
            } else if BEFORE.contains(&run.as_str())
                || (followed && ["a", "b"].contains(&run.as_str()))
            {
                Part::Before(run.clone())
            } else {
                Part::After(run.clone())
            });
        }
        Some(Self(parts))
    }
}

/// What its authors numbered: without build metadata and what a distribution added.
fn own(text: &str) -> &str {
    let mut end = text.len();
    let mut before = None;
    for (at, c) in text.char_indices() {
        let revision = before == Some('-') && c.is_ascii_digit();
        if revision {
            return text.get(..at - 1).unwrap_or(text);
        }
        if !(c.is_ascii_alphanumeric() || "._-~".contains(c)) {
            end = at;
            break;
        }
        before = Some(c);
    }
    text.get(..end).unwrap_or(text)
}

/// Digits and letters that stand together, in lower case.
fn runs(text: &str) -> Vec<String> {
    let mut runs: Vec<String> = Vec::new();
    let mut before: Option<bool> = None;
    for c in text.chars() {
        if !c.is_ascii_alphanumeric() {
            before = None;
            continue;
        }
        let digit = c.is_ascii_digit();
        match runs.last_mut().filter(|_| before == Some(digit)) {
            Some(run) => run.push(c.to_ascii_lowercase()),
            None => runs.push(c.to_ascii_lowercase().to_string()),
        }
        before = Some(digit);
    }
    runs
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        let longest = self.0.len().max(other.0.len());
        let parts = (0..longest).map(|at| (self.0.get(at), other.0.get(at)));
        parts
            .map(|(ours, theirs)| compare(ours, theirs))
            .find(|order| order.is_ne())
            .unwrap_or(Ordering::Equal)
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// A part that is not there is a 0, or the release itself.
fn compare(ours: Option<&Part>, theirs: Option<&Part>) -> Ordering {
    let zero = Part::Number(String::new());
    let (ours, theirs) = (ours.unwrap_or(&zero), theirs.unwrap_or(&zero));
    match (ours, theirs) {
        (Part::Number(ours), Part::Number(theirs)) => {
            ours.len().cmp(&theirs.len()).then_with(|| ours.cmp(theirs))
        }
        (Part::Before(ours), Part::Before(theirs)) | (Part::After(ours), Part::After(theirs)) => {
            ours.cmp(theirs)
        }
        (Part::Before(_), _) => Ordering::Less,
        (_, Part::Before(_)) => Ordering::Greater,
        // 1.1.1w is after 1.1.1 and before 1.1.1.1, which nobody has.
        (Part::After(_), Part::Number(theirs)) if theirs.is_empty() => Ordering::Greater,
        (Part::Number(ours), Part::After(_)) if ours.is_empty() => Ordering::Less,
        (Part::After(_), Part::Number(_)) => Ordering::Less,
        (Part::Number(_), Part::After(_)) => Ordering::Greater,
    }
}

/// An engine, and which of its versions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Condition {
    /// As it stands in `completed`; in any case.
    pub(super) engine: String,
    bounds: Vec<Bound>,
    text: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Bound {
    comparison: Comparison,
    version: Version,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Below,
    AtMost,
    Exactly,
    Not,
    AtLeast,
    Above,
}

/// Longer spellings first.
const COMPARISONS: [(&str, Comparison); 7] = [
    ("<=", Comparison::AtMost),
    (">=", Comparison::AtLeast),
    ("==", Comparison::Exactly),
    ("!=", Comparison::Not),
    ("<", Comparison::Below),
    (">", Comparison::Above),
    ("=", Comparison::Exactly),
];

/// Whether a version is one of those looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Match {
    Yes,
    No,
    /// It cannot be compared, and so might be.
    Unclear,
}

/// The text is no condition.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum BadCondition {
    #[error("begin with the name of an engine, as in libwebp<1.3.2")]
    Engine,
    #[error(
        "after the engine come <, <=, =, !=, >= or > and a version, as in libwebp<1.3.2 or libwebp>=1.0,<1.3.2"
    )]
    Comparison,
    #[error("`{0}` is no version: it has no number")]
    Version(String),
    #[error("at most {MAX_BOUNDS} conditions")]
    Many,
}

impl Condition {
    /// Whether an engine's version is one of those looked for.
    pub(super) fn holds(&self, version: &str) -> Match {
        if self.bounds.is_empty() {
            return Match::Yes;
        }
        let Some(version) = Version::parse(version) else { return Match::Unclear };
        let holds = |bound: &Bound| {
            let order = version.cmp(&bound.version);
            match bound.comparison {
                Comparison::Below => order.is_lt(),
                Comparison::AtMost => order.is_le(),
                Comparison::Exactly => order.is_eq(),
                Comparison::Not => order.is_ne(),
                Comparison::AtLeast => order.is_ge(),
                Comparison::Above => order.is_gt(),
            }
        };
        if self.bounds.iter().all(holds) { Match::Yes } else { Match::No }
    }

    /// Whether it speaks of this engine.
    pub(super) fn is_of(&self, engine: &str) -> bool {
        self.engine.eq_ignore_ascii_case(engine)
    }
}

impl FromStr for Condition {
    type Err = BadCondition;

    fn from_str(text: &str) -> Result<Self, BadCondition> {
        let text: String = text.chars().filter(|c| !c.is_whitespace()).collect();
        let end = text.find(['<', '>', '=', '!']).unwrap_or(text.len());
        let (engine, conditions) = text.split_at_checked(end).ok_or(BadCondition::Engine)?;
        let named = |c: char| c.is_ascii_alphanumeric() || "._+-".contains(c);
        if engine.is_empty() || !engine.chars().all(named) {
            return Err(BadCondition::Engine);
        }
        let conditions: Vec<&str> =
            conditions.split(',').filter(|condition| !condition.is_empty()).collect();
        if conditions.len() > MAX_BOUNDS {
            return Err(BadCondition::Many);
        }
        let bound = |condition: &&str| {
            let found = COMPARISONS.iter().find_map(|(spelling, comparison)| {
                Some((*comparison, condition.strip_prefix(spelling)?))
            });
            let (comparison, version) = found.ok_or(BadCondition::Comparison)?;
            let parsed = Version::parse(version);
            let version = parsed.ok_or_else(|| BadCondition::Version(version.to_owned()))?;
            Ok(Bound { comparison, version })
        };
        let bounds = conditions.iter().map(bound).collect::<Result<_, _>>()?;
        Ok(Self { engine: engine.to_owned(), bounds, text: text.clone() })
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(text: &str) -> Version {
        Version::parse(text).unwrap_or_else(|| panic!("{text}"))
    }

    #[test]
    fn versions_stand_in_the_order_their_authors_meant() {
        for ordered in [
            &[
                "0.9",
                "1.0-alpha",
                "1.0-beta2",
                "1.0rc1",
                "1.0-rc2",
                "1.0",
                "1.0.1",
                "1.1",
                "1.10",
                "2",
            ][..],
            &["1.0.2a", "1.0.2k", "1.1.0", "1.1.1", "1.1.1b", "1.1.1w", "1.1.2"],
            &["1.0a1", "1.0b2", "1.0"],
            &["21.11.0", "22.01.0", "22.1.1", "24.02.0", "24.12.0"],
            &["n4.4.5", "n7.0", "n7.1.1", "8.0"],
            &["2.0~rc1", "2.0"],
            &["150.0.7339.80", "150.0.7339.185", "151.0.1.0"],
            &["7.4.7.2", "24.2.0.1"],
            &["1", "9999999999999999999999998", "9999999999999999999999999"],
        ] {
            for pair in ordered.windows(2) {
                assert!(version(pair[0]) < version(pair[1]), "{} < {}", pair[0], pair[1]);
                assert!(version(pair[1]) > version(pair[0]), "{} > {}", pair[1], pair[0]);
            }
        }
    }

    #[test]
    fn different_spellings_of_a_version_are_one() {
        for (one, other) in [
            ("1.3", "1.3.0"),
            ("24.02", "24.2.0"),
            ("v1.3.2", "1.3.2"),
            ("n7.1", "7.1"),
            ("1.3.2+dfsg1", "1.3.2"),
            ("4.4.2-0ubuntu0.22.04.1", "4.4.2"),
            ("1:1.3.2-0.1+deb12u1", "1.3.2"),
            ("7.4.7.2 40(Build:2)", "7.4.7.2"),
            ("1.0-RC1", "1.0rc1"),
        ] {
            assert_eq!(version(one).cmp(&version(other)), Ordering::Equal, "{one} = {other}");
        }
    }

    #[test]
    fn conditions_hold_or_not() {
        for (condition, version, expected) in [
            ("libwebp<1.3.2", "1.3.1", Match::Yes),
            ("libwebp<1.3.2", "1.3.2", Match::No),
            ("libwebp<1.3.2", "1.3.2-rc1", Match::Yes),
            ("libwebp<=1.3.2", "1.3.2+dfsg", Match::Yes),
            ("libwebp = 1.3", "1.3.0", Match::Yes),
            ("libwebp!=1.3", "1.3.0", Match::No),
            ("libwebp>=1.0,<1.3.2", "1.2.4", Match::Yes),
            ("libwebp>=1.0,<1.3.2", "0.9", Match::No),
            ("libwebp>1.0", "1.0", Match::No),
            ("libwebp", "anything", Match::Yes),
            ("libwebp<1.3.2", "git", Match::Unclear),
            ("ffmpeg<n7.1", "n6.1.2", Match::Yes),
        ] {
            let condition: Condition = condition.parse().unwrap();
            assert_eq!(condition.holds(version), expected, "{condition} {version}");
        }
        let condition: Condition = "libwebp < 1.3.2".parse().unwrap();
        assert!(condition.is_of("LibWebP") && !condition.is_of("libwebp-sys"));
        assert_eq!(condition.to_string(), "libwebp<1.3.2");
    }

    #[test]
    fn what_is_no_condition_says_what_one_is() {
        for (text, expected) in [
            ("", BadCondition::Engine),
            ("<1.3", BadCondition::Engine),
            ("lib webp/x<1", BadCondition::Engine),
            ("libwebp<", BadCondition::Version(String::new())),
            ("libwebp<latest", BadCondition::Version("latest".to_owned())),
            ("libwebp<1,2", BadCondition::Comparison),
            ("libwebp<1,<1,<1,<1,<1,<1,<1,<1,<1", BadCondition::Many),
        ] {
            assert_eq!(text.parse::<Condition>(), Err(expected), "{text}");
        }
    }
}
