//! Names and versions of the libraries that take part, as they go on record.

use domain::wish::Format;
use filetype::Kind;

const IMAGE: Engine = ("image", "0.25.10");
const LIBJPEG_TURBO: Engine = ("libjpeg-turbo", "3.1.0");
pub(crate) const MOXCMS: Engine = ("moxcms", "0.9.1");
const LIBWEBP: Engine = ("libwebp", "1.3.1");
pub(crate) const RESIZE: Engine = ("fast_image_resize", "6.1.0");

/// A library and its version.
pub(crate) type Engine = (&'static str, &'static str);

/// What decodes a kind.
pub(crate) const fn decoder(kind: Kind) -> Engine {
    match kind {
        Kind::Jpeg => LIBJPEG_TURBO,
        _ => IMAGE,
    }
}

/// What writes a format, if it is one of ours.
pub(crate) const fn encoder(format: Format) -> Option<Engine> {
    match format {
        Format::Jpg => Some(LIBJPEG_TURBO),
        Format::Webp => Some(LIBWEBP),
        Format::Png | Format::Gif => Some(IMAGE),
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
            // libjpeg-turbo 3.1.0 and libwebp 1.3.1 are inside these.
            ("turbojpeg-sys", "1.2.0"),
            ("libwebp-sys", "0.9.6"),
        ] {
            let entry = format!("name = \"{name}\"\nversion = \"{version}\"\n");
            assert!(lock.contains(&entry), "{name} is no longer {version}");
        }
    }
}
