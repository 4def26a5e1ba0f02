//! Exports packed with gzip, as the ending of a file's name says.

use std::{
    fs::File,
    io::{self, BufReader, BufWriter, Read, Write},
    path::Path,
};

use flate2::{Compression, read::MultiGzDecoder, write::GzEncoder};
use service::{Failure, OrTry};

/// What is gathered before it is read or written.
const BUFFER_BYTES: usize = 1 << 20;

/// How a file is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Packing {
    None,
    Gzip,
}

#[derive(Debug, thiserror::Error)]
#[error("{0} is to be packed with Zstandard, which is left to others")]
struct Zstandard(String);

impl Packing {
    /// What the name of a file says.
    pub(super) fn of(path: &Path) -> Result<Self, Failure> {
        let ending = path.extension().map(|ending| ending.to_string_lossy().to_ascii_lowercase());
        match ending.as_deref() {
            Some("gz") => Ok(Self::Gzip),
            Some("zst") => Err(Zstandard(path.display().to_string())).or_try(
                "a name that ends in .gz, or a pipe: `darkroom audit export - | zstd > FILE`, \
                 `zstd -dc FILE | darkroom audit verify --export -`",
            ),
            _ => Ok(Self::None),
        }
    }

    /// A file that is written.
    pub(super) fn pack(self, file: File) -> Packed {
        let file = BufWriter::with_capacity(BUFFER_BYTES, file);
        match self {
            Self::None => Packed::Plain(file),
            Self::Gzip => Packed::Gzip(GzEncoder::new(file, Compression::default()).into()),
        }
    }

    /// A file that is read.
    pub(super) fn unpack(self, file: File) -> Box<dyn Read> {
        match self {
            Self::None => Box::new(file),
            Self::Gzip => {
                Box::new(MultiGzDecoder::new(BufReader::with_capacity(BUFFER_BYTES, file)))
            }
        }
    }
}

/// A file that is written.
pub(super) enum Packed {
    Plain(BufWriter<File>),
    Gzip(Box<GzEncoder<BufWriter<File>>>),
}

impl Packed {
    /// Ends it, on disk.
    pub(super) fn finish(self) -> io::Result<()> {
        let file = match self {
            Self::Plain(file) => file,
            Self::Gzip(packed) => packed.finish()?,
        };
        file.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()
    }
}

impl Write for Packed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(file) => file.write(bytes),
            Self::Gzip(packed) => packed.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(file) => file.flush(),
            Self::Gzip(packed) => packed.flush(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_is_read_again_and_zstandard_is_named_as_what_it_is_not() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["log.ndjson", "log.ndjson.gz"] {
            let path = folder.path().join(name);
            let packing = Packing::of(&path).unwrap();
            let mut file = packing.pack(File::create_new(&path).unwrap());
            file.write_all(b"one\ntwo\n").unwrap();
            file.finish().unwrap();
            let mut text = String::new();
            packing.unpack(File::open(&path).unwrap()).read_to_string(&mut text).unwrap();
            assert_eq!(text, "one\ntwo\n");
        }
        let packed = std::fs::read(folder.path().join("log.ndjson.gz")).unwrap();
        assert_eq!(packed.first_chunk(), Some(&[0x1f, 0x8b]));
        let refused = Packing::of(Path::new("log.ndjson.zst")).unwrap_err().to_string();
        assert!(refused.contains("| zstd >"), "{refused}");
    }
}
