//! zip: the directory at its end.

use domain::limits::Limits;
use stills::{Error, Source};

use super::{Entry, Listing, date_of_dos};

/// Lists a zip archive.
pub(crate) fn list(source: &mut dyn Source, limits: &Limits) -> Result<Listing, Error> {
    let directory = crate::unzip::directory(source, limits.entries as usize)?;
    let entries: Vec<Entry> = directory
        .entries
        .iter()
        .map(|entry| Entry {
            name: name(&entry.name, entry.is_utf8()),
            size: Some(entry.size),
            compressed: Some(entry.compressed),
            modified: date_of_dos(entry.modified),
            is_directory: entry.is_directory(),
            is_encrypted: entry.is_encrypted(),
            // Where it leads is in its data, which is not read.
            link: entry.is_link().then(|| "?".to_owned()),
        })
        .collect();
    let listed = entries.len() as u64;
    Ok(Listing {
        format: "ZIP",
        total: directory.total.max(listed),
        is_cut: directory.total > listed,
        is_sealed: false,
        entries,
    })
}

/// The upper half of DOS's letters, code page 437.
const DOS: &str = "\u{c7}üéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u{a0}";

/// Names that are not said to be UTF-8 mostly are nevertheless; else they are DOS's.
fn name(name: &[u8], is_utf8: bool) -> String {
    match std::str::from_utf8(name) {
        Ok(name) => name.to_owned(),
        Err(_) if is_utf8 => String::from_utf8_lossy(name).into_owned(),
        Err(_) => {
            let letter = |byte: u8| match byte.checked_sub(128) {
                Some(upper) => DOS.chars().nth(upper.into()).unwrap_or('?'),
                None => char::from(byte),
            };
            name.iter().copied().map(letter).collect()
        }
    }
}
