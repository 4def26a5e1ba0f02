//! Which passwords are taken: long enough, not known to everybody, and not what anybody would try first.
//!
//! No rule asks for kinds of characters, and none ever expires (OWASP ASVS 5.0, 6.2).

/// The fewest characters of a password.
pub const MIN_CHARS: usize = 8;
/// The most.
pub const MAX_CHARS: usize = 256;
/// Passwords that many people use, in lower case, in the order of their bytes, one a line.
const COMMON: &str = include_str!("common.txt");
/// The fewest characters of a word that says something about its owner.
const WORD_CHARS: usize = 4;
/// How much of a password must be left without such words.
const LEFT_CHARS: usize = 6;

/// Why a password is not taken; each text says what to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Weakness {
    /// It is too short.
    #[error("a password has at least {MIN_CHARS} characters")]
    Short,
    /// It is too long.
    #[error("a password has at most {MAX_CHARS} characters")]
    Long,
    /// It is one that many people use.
    #[error("many people use this password: choose one that nobody else would")]
    Common,
    /// It says what everybody knows.
    #[error(
        "this password is made of the address, the account's name or Darkroom's: choose other words"
    )]
    Context,
}

/// Says which passwords are taken.
pub struct Policy {
    common: Vec<&'static str>,
}

impl Default for Policy {
    fn default() -> Self {
        Self { common: COMMON.lines().collect() }
    }
}

impl Policy {
    /// Takes a password or says why not. `context` is what everybody knows about its owner: their
    /// address, the name of their account.
    ///
    /// # Errors
    /// [`Weakness`].
    pub fn check(&self, password: &str, context: &[&str]) -> Result<(), Weakness> {
        match password.chars().count() {
            ..MIN_CHARS => return Err(Weakness::Short),
            MIN_CHARS..=MAX_CHARS => {}
            _ => return Err(Weakness::Long),
        }
        let lower = password.to_lowercase();
        if self.common.binary_search(&lower.as_str()).is_ok() {
            return Err(Weakness::Common);
        }
        if is_made_of(&lower, &words(context)) { Err(Weakness::Context) } else { Ok(()) }
    }
}

/// Whole texts and the words in them, longest first.
fn words(context: &[&str]) -> Vec<String> {
    let mut words = vec!["darkroom".to_owned()];
    for text in context {
        let text = text.to_lowercase();
        let parts = text.split(|c: char| !c.is_alphanumeric()).map(str::to_owned);
        words.extend(parts);
        words.push(text);
    }
    words.retain(|word| word.chars().count() >= WORD_CHARS);
    words.sort_by_key(|word| std::cmp::Reverse(word.len()));
    words
}

/// Whether hardly anything is left of a password that has such a word in it, without them.
fn is_made_of(password: &str, words: &[String]) -> bool {
    let left = words.iter().fold(password.to_owned(), |left, word| left.replace(word, ""));
    left != password && left.chars().count() < LEFT_CHARS
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(password: &str) -> Result<(), Weakness> {
        Policy::default().check(password, &["Alice.Liddell@wonderland.example", "Tea Party Ltd"])
    }

    #[test]
    fn the_list_is_long_enough_in_order_and_of_passwords_that_could_be_chosen() {
        let common = Policy::default().common;
        assert!(common.len() >= 10_000, "{}", common.len());
        assert!(common.is_sorted());
        for word in common {
            assert!(word.chars().count() >= MIN_CHARS && word.to_lowercase() == word, "{word}");
        }
    }

    #[test]
    fn lengths_are_counted_in_characters_and_nothing_else_is_asked_for() {
        for (password, expected) in [
            ("ünïcødé".to_owned(), Err(Weakness::Short)),
            ("ünïcødéé".to_owned(), Ok(())),
            ("z".repeat(7), Err(Weakness::Short)),
            ("🂡🂢🂣🂤🂥🂦🂧🂨".to_owned(), Ok(())),
            ("é".repeat(256), Ok(())),
            ("é".repeat(257), Err(Weakness::Long)),
            ("        \0".to_owned(), Ok(())),
            ("onlylowercaseletters".to_owned(), Ok(())),
        ] {
            assert_eq!(check(&password), expected, "{password:?}");
        }
    }

    #[test]
    fn what_many_people_use_is_refused_however_it_is_written() {
        for common in ["password", "PassWord", "iloveyou", "1234567890", "QWERTYUIOP", "sunshine"] {
            assert_eq!(check(common), Err(Weakness::Common), "{common}");
        }
    }

    #[test]
    fn what_everybody_knows_about_somebody_is_refused_alone_and_with_a_little_added() {
        for known in [
            "darkroom",
            "DarkRoom2026!",
            "alice.liddell@wonderland.example",
            "liddell1",
            "wonderland#1",
            "Tea Party Ltd",
            "alice-party-99",
        ] {
            assert_eq!(check(known), Err(Weakness::Context), "{known}");
        }
        for fine in ["darkroom has no windows", "liddell in the rabbit hole", "fidelio vexed jig"] {
            assert_eq!(check(fine), Ok(()), "{fine}");
        }
    }
}
