//! Metadata of a source that its renditions are to carry, made fit for them.

use crate::{exif, iptc, xmp};

/// What is kept of a source's metadata: upright, without thumbnails, each part short.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Kept {
    pub(crate) exif: Option<Vec<u8>>,
    pub(crate) xmp: Option<String>,
    pub(crate) iptc: Option<Vec<u8>>,
}

impl Kept {
    /// What there is to keep of a file.
    #[must_use]
    pub fn of(file: &[u8]) -> Self {
        Self { exif: exif::cleaned(file), ..Self::default() }
            .with_xmp(xmp::find(file).as_deref())
            .with_iptc(iptc::find(file))
    }

    /// The same with the XMP of this packet, if it may be kept.
    #[must_use]
    pub fn with_xmp(mut self, packet: Option<&[u8]>) -> Self {
        self.xmp = packet.and_then(xmp::cleaned).or(self.xmp);
        self
    }

    /// The same with what may be kept of these records of IPTC.
    pub(crate) fn with_iptc(mut self, records: Option<&[u8]>) -> Self {
        self.iptc = records.and_then(iptc::cleaned).or(self.iptc);
        self
    }

    /// Whether there is nothing.
    pub(crate) const fn is_empty(&self) -> bool {
        self.exif.is_none() && self.xmp.is_none() && self.iptc.is_none()
    }

    /// EXIF, from its own order of bytes on.
    #[must_use]
    pub fn exif(&self) -> Option<&[u8]> {
        self.exif.as_deref()
    }

    /// An XMP packet.
    #[must_use]
    pub fn xmp(&self) -> Option<&str> {
        self.xmp.as_deref()
    }
}
