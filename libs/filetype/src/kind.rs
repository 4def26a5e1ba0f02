//! The kinds of file that are told apart because they are drawn in different ways.

/// A kind of file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// JPEG.
    Jpeg,
    /// PNG, animated or not.
    Png,
    /// GIF.
    Gif,
    /// WebP.
    Webp,
    /// TIFF that is no camera's raw file.
    Tiff,
    /// Windows bitmap.
    Bmp,
    /// Windows icon or cursor.
    Ico,
    /// Portable anymap: PBM, PGM, PPM, PAM.
    Pnm,
    /// Quite OK Image.
    Qoi,
    /// Truevision TGA.
    Tga,
    /// Radiance HDR.
    Hdr,
    /// OpenEXR.
    Exr,
    /// JPEG XL.
    Jxl,
    /// AVIF.
    Avif,
    /// HEIC and other HEIF.
    Heic,
    /// A camera's raw file.
    Raw,
    /// Photoshop: PSD and PSB.
    Psd,
    /// SVG, also compressed.
    Svg,
    /// Sketch.
    Sketch,
    /// PDF, and Illustrator files that hold one.
    Pdf,
    /// Moving pictures.
    Film,
    /// Sound without moving pictures.
    Sound,
    /// Word, Excel, PowerPoint and their OpenDocument kin, old and new, and RTF.
    Office,
    /// Plain text, Markdown, tables, source code, JSON, XML.
    Text,
    /// HTML.
    Html,
    /// An e-mail: RFC 5322 or Outlook's.
    Mail,
    /// EPUB.
    Epub,
    /// A font: TrueType, OpenType, WOFF, WOFF2.
    Font,
    /// zip, tar, 7z, rar and compressed streams.
    Archive,
    /// Anything else.
    Unknown,
}
