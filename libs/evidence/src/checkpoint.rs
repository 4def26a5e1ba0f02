//! Checkpoints: what a log says about its tree, as the text of a signed note
//! (<https://c2sp.org/tlog-checkpoint>).

use std::{fmt, str::FromStr};

use crate::{
    Hash,
    note::{BadNote, Note, Signed, Signer, Unsigned, Verifier},
    tree::empty_root,
};

/// Begins the line that says when a checkpoint was made.
const TIME: &str = "time ";

/// What is said of a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which log: the name of the deployment, a slash, and the stream.
    pub origin: String,
    /// How many leaves its tree has.
    pub size: u64,
    /// The root of its tree.
    pub root: Hash,
    /// Lines behind that, without their newlines. Signed, but nothing that a tree could prove.
    pub extensions: Vec<String>,
}

/// The text is no checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadCheckpoint {
    /// A line is missing, empty, or not ended.
    #[error("a checkpoint has lines for origin, size and root, and none that is empty")]
    Lines,
    /// The second line is no size.
    #[error("the second line of a checkpoint is a decimal number")]
    Size,
    /// The third line is no root, or not that of a tree of no leaves.
    #[error("the third line of a checkpoint is the root of its tree in base64")]
    Root,
}

/// A note is no checkpoint that can be believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// It is no note.
    #[error(transparent)]
    Note(#[from] BadNote),
    /// It is not signed as it should be.
    #[error(transparent)]
    Unsigned(#[from] Unsigned),
    /// Its text is no checkpoint.
    #[error(transparent)]
    Checkpoint(#[from] BadCheckpoint),
}

impl Checkpoint {
    /// What a log says of its tree at a time, which is written as RFC 3339 has it.
    #[must_use]
    pub fn new(origin: &str, size: u64, root: Hash, time: impl fmt::Display) -> Self {
        Self { origin: origin.to_owned(), size, root, extensions: vec![format!("{TIME}{time}")] }
    }

    /// Reads a signed note, and says which of these keys signed it: at least one.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(note: &str, keys: &[Verifier]) -> Result<(Self, Vec<Signed>), OpenError> {
        let note = Note::parse(note)?;
        let signed = note.verify(keys)?;
        Ok((note.text.parse()?, signed))
    }

    /// Signs it.
    #[must_use]
    pub fn sign(&self, signer: &Signer) -> Note {
        let text = self.to_string();
        let signatures = vec![signer.sign(&text, 0)];
        Note { text, signatures }
    }

    /// When it was made, as it says itself.
    #[must_use]
    pub fn time(&self) -> Option<&str> {
        self.extensions.iter().find_map(|line| line.strip_prefix(TIME))
    }

    /// The stream that it speaks of: what stands behind the last slash of its origin.
    #[must_use]
    pub fn stream(&self) -> &str {
        self.origin.rsplit('/').next().unwrap_or_default()
    }
}

impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n{}\n{}", self.origin, self.size, self.root)?;
        self.extensions.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

impl FromStr for Checkpoint {
    type Err = BadCheckpoint;

    fn from_str(text: &str) -> Result<Self, BadCheckpoint> {
        let body = text.strip_suffix('\n').ok_or(BadCheckpoint::Lines)?;
        let lines: Vec<&str> = body.split('\n').collect();
        let [origin, size, root, extensions @ ..] = lines.as_slice() else {
            return Err(BadCheckpoint::Lines);
        };
        if lines.iter().any(|line| line.is_empty()) {
            return Err(BadCheckpoint::Lines);
        }
        let size = decimal(size).ok_or(BadCheckpoint::Size)?;
        let root: Hash = root.parse().or(Err(BadCheckpoint::Root))?;
        if size == 0 && root != empty_root() {
            return Err(BadCheckpoint::Root);
        }
        let extensions = extensions.iter().map(|line| (*line).to_owned()).collect();
        Ok(Self { origin: (*origin).to_owned(), size, root, extensions })
    }
}

/// A number without signs and leading zeros.
fn decimal(text: &str) -> Option<u64> {
    let plain = text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    if plain { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::note::Kind;

    const ROOT: &str = "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=";

    fn text(rest: &str) -> String {
        format!("example.com/behind-the-sofa\n20852163\n{ROOT}\n{rest}")
    }

    #[test]
    fn the_specifications_example_reads_and_writes() {
        let checkpoint: Checkpoint = text("").parse().unwrap();
        assert_eq!((checkpoint.size, checkpoint.root.to_string()), (20_852_163, ROOT.to_owned()));
        assert_eq!(checkpoint.to_string(), text(""));
        assert_eq!((checkpoint.stream(), checkpoint.time()), ("behind-the-sofa", None));
    }

    #[test]
    fn a_time_is_one_of_the_lines_that_are_signed() {
        let root = ROOT.parse().unwrap();
        let checkpoint = Checkpoint::new("here/JOBS", 7, root, "2026-11-22T13:00:00Z");
        let signer = Signer::new("here/JOBS", Kind::Note, &[5; 32]).unwrap();
        let note = checkpoint.sign(&signer).to_string();
        assert!(note.starts_with(&format!("here/JOBS\n7\n{ROOT}\ntime 2026-11-22T13:00:00Z\n\n")));
        let (opened, signed) = Checkpoint::open(&note, &[signer.verifier()]).unwrap();
        assert_eq!((opened.time(), opened.stream()), (Some("2026-11-22T13:00:00Z"), "JOBS"));
        assert_eq!((opened, signed.len()), (checkpoint, 1));
        let moved = note.replace("13:00", "14:00");
        assert!(Checkpoint::open(&moved, &[signer.verifier()]).is_err());
    }

    proptest::proptest! {
        #[test]
        fn what_is_read_of_any_text_is_written_as_it_was(
            text in "([a-z/ +]{0,9}\n){0,3}[0-9]{0,20}\n([A-Za-z0-9+/=]{44}\n)?(.{0,9}\n){0,3}",
            junk in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200),
        ) {
            for text in [text.as_str(), &String::from_utf8_lossy(&junk)] {
                if let Ok(checkpoint) = text.parse::<Checkpoint>() {
                    proptest::prop_assert_eq!(checkpoint.to_string(), text);
                }
                if let Ok(note) = Note::parse(text) {
                    proptest::prop_assert_eq!(note.to_string(), text);
                }
                if let Ok(key) = text.parse::<Verifier>() {
                    proptest::prop_assert_eq!(key.to_string(), text);
                }
            }
        }
    }

    #[test]
    fn what_is_no_checkpoint_is_refused() {
        assert_eq!(text("\n").parse::<Checkpoint>(), Err(BadCheckpoint::Lines));
        assert_eq!(text("").trim_end().parse::<Checkpoint>(), Err(BadCheckpoint::Lines));
        assert_eq!("a\n1\n".parse::<Checkpoint>(), Err(BadCheckpoint::Lines));
        for (from, to, error) in [
            ("20852163", "020852163", BadCheckpoint::Size),
            ("20852163", "+20852163", BadCheckpoint::Size),
            ("20852163", "18446744073709551616", BadCheckpoint::Size),
            ("20852163", "0", BadCheckpoint::Root),
            ("CsUYap", "sUYap", BadCheckpoint::Root),
            ("q2I=", "q2J=", BadCheckpoint::Root),
        ] {
            assert_eq!(text("").replace(from, to).parse::<Checkpoint>(), Err(error), "{to}");
        }
        let empty = format!("a\n0\n{}\n", empty_root());
        assert_eq!(empty.parse::<Checkpoint>().unwrap().size, 0);
    }
}
