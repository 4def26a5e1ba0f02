//! The order in which families of files are asked whether a file is theirs.

use crate::bytes::{File, HEAD_BYTES};
use crate::filetype::Filetype;
use crate::{boxes, frames, magic, ole, raw, sound, stills, streams, text, zipped};

/// Those that know their files by what they begin with; then those that guess with care.
const FAMILIES: &[fn(&mut File<'_>) -> Option<Filetype>] = &[
    stills::look,
    raw::look,
    boxes::look,
    streams::look,
    sound::look,
    zipped::look,
    ole::look,
    magic::look,
    magic::pdf,
    text::look,
    frames::look,
    magic::tar,
    stills::tga,
];

/// Looks at a file's first 64 KiB or fewer.
#[must_use]
pub fn sniff(head: &[u8]) -> Filetype {
    ask(&mut File::of_head(head))
}

/// Looks at a file of `length` bytes, further on than its head where that is needed: a few reads
/// of little, at most some hundred KiB altogether. `read_at` fills its buffer from an offset, with
/// fewer bytes only at the end.
///
/// # Errors
/// The first error of `read_at`.
pub fn identify<E>(
    length: u64,
    mut read_at: impl FnMut(u64, &mut [u8]) -> Result<usize, E>,
) -> Result<Filetype, E> {
    let most = usize::try_from(length).unwrap_or(usize::MAX).min(HEAD_BYTES);
    let mut head = vec![0; most];
    let count = read_at(0, &mut head)?;
    head.truncate(count);
    let mut failed = None;
    let mut read = |offset: u64, buffer: &mut [u8]| match read_at(offset, buffer) {
        Ok(count) => Some(count),
        Err(error) => {
            failed.get_or_insert(error);
            None
        }
    };
    let filetype = ask(&mut File::of(&head, length, &mut read));
    failed.map_or(Ok(filetype), Err)
}

fn ask(file: &mut File<'_>) -> Filetype {
    FAMILIES.iter().find_map(|family| family(file)).unwrap_or(Filetype::UNKNOWN)
}
