//! TIFF, and cameras' raw files, most of which are TIFF in disguise.

use crate::bytes::{File, array};
use crate::filetype::Filetype;
use crate::kind::Kind;

/// Directories and tags looked at, at most.
const MOST_DIRECTORIES: usize = 12;
const MOST_TAGS: usize = 200;

const SUBFILE_TYPE: u16 = 254;
const COMPRESSION: u16 = 259;
const PHOTOMETRIC: u16 = 262;
const MAKE: u16 = 271;
const SUB_DIRECTORIES: u16 = 330;
const DNG_VERSION: u16 = 50_706;

/// A sensor's mosaic.
const COLOUR_FILTER_ARRAY: u32 = 32_803;
/// The codings of Nikon, Sony, Samsung, Pentax and Kodak.
const RAW_COMPRESSIONS: [u32; 7] = [34_713, 32_767, 32_769, 32_770, 32_772, 65_535, 65_000];

/// Raw files with a magic of their own: offset, magic, media type, extension.
const MAGICS: &[(usize, &[u8], &str, &str)] = &[
    (0, b"FUJIFILMCCD-RAW ", "image/x-fuji-raf", "raf"),
    (0, b"IIRO", "image/x-olympus-orf", "orf"),
    (0, b"IIRS", "image/x-olympus-orf", "orf"),
    (0, b"MMOR", "image/x-olympus-orf", "orf"),
    (0, b"IIU\0", "image/x-panasonic-rw2", "rw2"),
    (0, b"FOVb", "image/x-sigma-x3f", "x3f"),
    (0, b"\0MRM", "image/x-minolta-mrw", "mrw"),
    (6, b"HEAPCCDR", "image/x-canon-crw", "crw"),
];

/// Whose raw files are called what.
const MAKERS: &[(&str, &str, &str)] = &[
    ("NIKON", "image/x-nikon-nef", "nef"),
    ("SONY", "image/x-sony-arw", "arw"),
    ("PENTAX", "image/x-pentax-pef", "pef"),
    ("RICOH", "image/x-pentax-pef", "pef"),
    ("SAMSUNG", "image/x-samsung-srw", "srw"),
    ("CANON", "image/x-canon-cr2", "cr2"),
    ("KODAK", "image/x-kodak-dcr", "dcr"),
    ("EASTMAN KODAK", "image/x-kodak-dcr", "dcr"),
    ("HASSELBLAD", "image/x-hasselblad-3fr", "3fr"),
    ("PHASE ONE", "image/x-phaseone-iiq", "iiq"),
    ("LEAF", "image/x-leaf-mos", "mos"),
    ("MAMIYA", "image/x-mamiya-mef", "mef"),
    ("EPSON", "image/x-epson-erf", "erf"),
];

/// Looks for TIFF and raw files.
pub(crate) fn look(file: &mut File<'_>) -> Option<Filetype> {
    let found = MAGICS.iter().find(|(offset, magic, ..)| file.has(*offset, magic));
    if let Some((_, _, media_type, extension)) = found {
        return Some(Filetype::of(Kind::Raw, media_type, extension));
    }
    let tiff = Filetype::of(Kind::Tiff, "image/tiff", "tiff");
    if file.has(0, b"II+\0\x08\0") || file.has(0, b"MM\0+\0\x08") {
        return Some(tiff);
    }
    let is_little = file.has(0, b"II*\0");
    if !is_little && !file.has(0, b"MM\0*") {
        return None;
    }
    if is_little && file.has(8, b"CR") {
        return Some(Filetype::of(Kind::Raw, "image/x-canon-cr2", "cr2"));
    }
    Some(Tags::read(file, is_little).raw().unwrap_or(tiff))
}

/// What the directories say that matters here.
#[derive(Default)]
struct Tags {
    is_dng: bool,
    is_mosaic: bool,
    /// The first directory is a thumbnail, and its pictures are elsewhere.
    has_thumbnail: bool,
    compression: Vec<u32>,
    make: String,
}

impl Tags {
    fn raw(&self) -> Option<Filetype> {
        if self.is_dng {
            return Some(Filetype::of(Kind::Raw, "image/x-adobe-dng", "dng"));
        }
        let coded = self.compression.iter().any(|coding| RAW_COMPRESSIONS.contains(coding));
        let maker = MAKERS.iter().find(|(maker, ..)| self.make.starts_with(maker));
        match maker {
            Some((_, media_type, extension)) if self.is_mosaic || coded => {
                Some(Filetype::of(Kind::Raw, media_type, extension))
            }
            // Old Nikons: the mosaic lies uncompressed and is not called one.
            Some(("NIKON", media_type, extension)) if self.has_thumbnail => {
                Some(Filetype::of(Kind::Raw, media_type, extension))
            }
            None if self.is_mosaic && self.has_thumbnail => {
                Some(Filetype::of(Kind::Raw, "image/x-raw", "raw"))
            }
            _ => None,
        }
    }

    fn read(file: &mut File<'_>, is_little: bool) -> Self {
        let u16_at = |bytes: &[u8], offset: usize| {
            let raw = array(bytes, offset)?;
            Some(if is_little { u16::from_le_bytes(raw) } else { u16::from_be_bytes(raw) })
        };
        let u32_at = |bytes: &[u8], offset: usize| {
            let raw = array(bytes, offset)?;
            Some(if is_little { u32::from_le_bytes(raw) } else { u32::from_be_bytes(raw) })
        };
        let mut tags = Self::default();
        let mut directories = vec![u32_at(file.head, 4).unwrap_or(0)];
        let mut next = 0;
        while let Some(offset) = directories.get(next).copied() {
            let is_first = next == 0;
            next += 1;
            let count = u16_at(&file.bytes(u64::from(offset), 2), 0).unwrap_or(0);
            let count = usize::from(count).min(MOST_TAGS);
            let entries = file.bytes(u64::from(offset) + 2, count * 12);
            let mut is_reduced = false;
            for entry in entries.as_chunks::<12>().0 {
                let (Some(tag), Some(form), Some(values), Some(value)) =
                    (u16_at(entry, 0), u16_at(entry, 2), u32_at(entry, 4), u32_at(entry, 8))
                else {
                    continue;
                };
                // A short stands in the first two of the four bytes, whichever end comes first.
                let value = match form {
                    3 => u16_at(entry, 8).map_or(0, u32::from),
                    _ => value,
                };
                match tag {
                    SUBFILE_TYPE => is_reduced = value & 1 == 1,
                    COMPRESSION => tags.compression.push(value),
                    PHOTOMETRIC => tags.is_mosaic |= value == COLOUR_FILTER_ARRAY,
                    DNG_VERSION => tags.is_dng = true,
                    MAKE if is_first => {
                        let make = file.bytes(u64::from(value), values.min(16) as usize);
                        tags.make = String::from_utf8_lossy(&make).to_ascii_uppercase();
                    }
                    SUB_DIRECTORIES if is_first => {
                        tags.has_thumbnail = is_reduced;
                        let room = MOST_DIRECTORIES - directories.len().min(MOST_DIRECTORIES);
                        let wanted = (values as usize).min(room);
                        if values == 1 {
                            directories.push(value);
                        } else {
                            let list = file.bytes(u64::from(value), wanted * 4);
                            directories.extend((0..wanted).filter_map(|at| u32_at(&list, at * 4)));
                        }
                    }
                    _ => {}
                }
            }
        }
        tags
    }
}
