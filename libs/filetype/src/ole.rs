//! OLE files: what the entries of their directory say.

use crate::bytes::{File, u16_le, u32_le};
use crate::filetype::Filetype;
use crate::kind::Kind;

const MAGIC: &[u8] = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1";
/// Sectors of the directory that are looked at, at most.
const MOST_SECTORS: usize = 64;
/// Bytes of an entry.
const ENTRY_BYTES: usize = 128;
const END_OF_CHAIN: u32 = 0xffff_fffa;

/// A stream or storage that tells, the media type, the extension, the kind.
const TELLING: &[(&str, &str, &str, Kind)] = &[
    ("EncryptedPackage", "application/encrypted", "", Kind::Office),
    ("WordDocument", "application/msword", "doc", Kind::Office),
    ("PowerPoint Document", "application/vnd.ms-powerpoint", "ppt", Kind::Office),
    ("Workbook", "application/vnd.ms-excel", "xls", Kind::Office),
    ("Book", "application/vnd.ms-excel", "xls", Kind::Office),
    ("VisioDocument", "application/vnd.visio", "vsd", Kind::Office),
    ("Quill", "application/vnd.ms-publisher", "pub", Kind::Office),
    ("MatOST", "application/vnd.ms-works", "wps", Kind::Office),
    ("\u{5}HwpSummaryInformation", "application/x-hwp", "hwp", Kind::Office),
    ("__properties_version1.0", "application/vnd.ms-outlook", "msg", Kind::Mail),
    ("__nameid_version1.0", "application/vnd.ms-outlook", "msg", Kind::Mail),
    ("Props99", "application/vnd.ms-project", "mpp", Kind::Unknown),
];

/// The class of Windows installers.
const INSTALLER: &[u8] = b"\x84\x10\x0c\0\0\0\0\0\xc0\0\0\0\0\0\0\x46";

/// Looks for an OLE file.
pub(crate) fn look(file: &mut File<'_>) -> Option<Filetype> {
    if !file.has(0, MAGIC) {
        return None;
    }
    let unknown = Filetype::of(Kind::Unknown, "application/x-ole-storage", "");
    let entries = directory(file).unwrap_or_default();
    let names: Vec<String> = entries.iter().map(name).collect();
    let told = TELLING.iter().find(|(telling, ..)| names.iter().any(|name| name == telling));
    let is_installer = entries.first().and_then(|root| root.get(80..96)) == Some(INSTALLER);
    Some(match told {
        Some((_, media_type, extension, kind)) => Filetype::of(*kind, media_type, extension),
        None if is_installer => Filetype::of(Kind::Unknown, "application/x-msi", "msi"),
        None => unknown,
    })
}

fn name(entry: &[u8; ENTRY_BYTES]) -> String {
    let bytes = usize::from(u16_le(entry, 64).unwrap_or(0)).clamp(2, 64) - 2;
    let name = entry.get(..bytes).unwrap_or_default().as_chunks::<2>().0;
    let units: Vec<u16> = name.iter().map(|pair| u16::from_le_bytes(*pair)).collect();
    String::from_utf16_lossy(&units)
}

/// The entries, along the chain of sectors; a chain that turns back ends at the limit.
fn directory(file: &mut File<'_>) -> Option<Vec<[u8; ENTRY_BYTES]>> {
    let shift = u16_le(file.head, 30).filter(|shift| matches!(shift, 7..=12))?;
    let size = 1_usize << shift;
    let place = |sector: u32| (u64::from(sector) + 1) << shift;
    let mut sector = u32_le(file.head, 48)?;
    let mut entries = Vec::new();
    for _ in 0..MOST_SECTORS {
        let bytes = file.bytes(place(sector), size);
        entries.extend_from_slice(bytes.as_chunks().0);
        // The table's own sectors are listed in the header, 109 of them at most.
        let (table, at) = (sector as usize / (size / 4), sector as usize % (size / 4));
        let Some(table) = u32_le(file.head, 76 + 4 * table.min(109)).filter(|_| table < 109) else {
            break;
        };
        let next = u32_le(&file.bytes(place(table) + 4 * at as u64, 4), 0);
        match next.filter(|next| *next < END_OF_CHAIN) {
            Some(next) => sector = next,
            None => break,
        }
    }
    Some(entries)
}
