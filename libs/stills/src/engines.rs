//! Names and versions of the libraries that take part, as they go on record.

use domain::wish::Format;
use filetype::Kind;

const IMAGE: Engine = ("image", "0.25.10");
const LIBJPEG_TURBO: Engine = ("libjpeg-turbo", "3.1.0");
pub(crate) const MOXCMS: Engine = ("moxcms", "0.9.1");
const JXL_OXIDE: Engine = ("jxl-oxide", "0.12.6");
const GIF: Engine = ("gif", "0.14.2");
const EXR: Engine = ("exr", "1.74.2");
const LIBWEBP: Engine = ("libwebp", "1.6.0");
pub(crate) const RESIZE: Engine = ("fast_image_resize", "6.1.0");

/// A library and its version.
pub(crate) type Engine = (&'static str, &'static str);

/// What decodes a kind, where it is not our own code alone.
pub(crate) const fn decoder(kind: Kind) -> Option<Engine> {
    match kind {
        Kind::Jpeg | Kind::Raw => Some(LIBJPEG_TURBO),
        Kind::Webp => Some(LIBWEBP),
        Kind::Jxl => Some(JXL_OXIDE),
        Kind::Exr => Some(EXR),
        Kind::Psd => None,
        _ => Some(IMAGE),
    }
}

/// What writes a format, if it is one of ours.
pub(crate) const fn encoder(format: Format) -> Option<Engine> {
    match format {
        Format::Jpg => Some(LIBJPEG_TURBO),
        Format::Webp => Some(LIBWEBP),
        Format::Png => Some(IMAGE),
        Format::Gif => Some(GIF),
        Format::Avif | Format::Mp4 | Format::Vtt | Format::Json => None,
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_versions_told_are_those_built_in() {
        let lock = include_str!("../../../Cargo.lock");
        for (name, version) in [
            super::IMAGE,
            super::RESIZE,
            super::MOXCMS,
            super::JXL_OXIDE,
            super::EXR,
            super::GIF,
            // libjpeg-turbo 3.1.0 and libwebp 1.6.0 are inside these.
            ("turbojpeg-sys", "1.2.0"),
            ("libwebp-sys", "0.14.4"),
        ] {
            let entry = format!("name = \"{name}\"\nversion = \"{version}\"\n");
            assert!(lock.contains(&entry), "{name} is no longer {version}");
        }
    }
}
