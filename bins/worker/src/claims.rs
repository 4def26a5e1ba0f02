//! What a sender says of a source's kind, held against what its bytes say. Nothing goes by it.

use std::collections::BTreeSet;

use domain::job::Claim;

/// A kind that can be claimed: extensions that stand for it, and the media types it has.
struct Kind {
    extensions: &'static [&'static str],
    media_types: &'static [&'static str],
}

const fn kind(extensions: &'static [&'static str], media_types: &'static [&'static str]) -> Kind {
    Kind { extensions, media_types }
}

/// What is not among these is no claim: servers give `text/plain` and `application/octet-stream`
/// to whatever they do not know, and names end in anything.
const KINDS: &[Kind] = &[
    kind(&["jpg", "jpeg", "jpe", "jfif"], &["image/jpeg", "image/jpg", "image/pjpeg"]),
    kind(&["png"], &["image/png", "image/x-png"]),
    kind(&["gif"], &["image/gif"]),
    kind(&["webp"], &["image/webp"]),
    kind(&["bmp", "dib"], &["image/bmp", "image/x-bmp", "image/x-ms-bmp"]),
    kind(&["tif", "tiff"], &["image/tiff"]),
    kind(&["heic", "heif", "heics"], &["image/heic", "image/heif", "image/heic-sequence"]),
    kind(&["avif"], &["image/avif"]),
    kind(&["svg", "svgz"], &["image/svg+xml"]),
    kind(&["psd", "psb"], &["image/vnd.adobe.photoshop", "image/x-photoshop"]),
    kind(&["pdf"], &["application/pdf", "application/x-pdf", "application/illustrator"]),
    kind(&["doc"], &["application/msword"]),
    kind(&["xls"], &["application/vnd.ms-excel"]),
    kind(&["ppt"], &["application/vnd.ms-powerpoint"]),
    kind(&["rtf"], &["text/rtf", "application/rtf"]),
    kind(&["docx"], &["application/vnd.openxmlformats-officedocument.wordprocessingml.document"]),
    kind(&["xlsx"], &["application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"]),
    kind(&["pptx"], &["application/vnd.openxmlformats-officedocument.presentationml.presentation"]),
    kind(&["odt"], &["application/vnd.oasis.opendocument.text"]),
    kind(&["ods"], &["application/vnd.oasis.opendocument.spreadsheet"]),
    kind(&["odp"], &["application/vnd.oasis.opendocument.presentation"]),
    kind(
        &["mp4", "m4v", "m4a", "mov", "qt"],
        &["video/mp4", "video/x-m4v", "video/quicktime", "audio/mp4", "application/mp4"],
    ),
    kind(
        &["webm", "mkv", "mka"],
        &["video/webm", "audio/webm", "video/x-matroska", "audio/x-matroska"],
    ),
    kind(&["avi"], &["video/x-msvideo", "video/avi", "video/msvideo"]),
    kind(&["mp3"], &["audio/mpeg", "audio/mp3"]),
    kind(&["wav"], &["audio/x-wav", "audio/wav", "audio/wave", "audio/vnd.wave"]),
    kind(&["flac"], &["audio/flac", "audio/x-flac"]),
    kind(&["html", "htm", "xhtml"], &["text/html", "application/xhtml+xml"]),
];

/// What is claimed of one source, by kinds of ours alone.
#[derive(Clone, Default)]
pub(crate) struct Claims(Vec<(Claim, &'static Kind)>);

impl Claims {
    /// By its name and by what its server calls it.
    pub(crate) fn of(file_name: Option<&str>, content_type: Option<&str>) -> Self {
        let extension = file_name.and_then(|name| name.rsplit_once('.')).map(|(_, last)| last);
        let media_type = content_type.and_then(|text| text.split(';').next()).map(str::trim);
        let by_name = extension.and_then(|word| find(word, |kind| kind.extensions));
        let by_type = media_type.and_then(|word| find(word, |kind| kind.media_types));
        let claims = [(Claim::FileName, by_name), (Claim::ContentType, by_type)];
        Self(claims.into_iter().filter_map(|(claim, kind)| Some((claim, kind?))).collect())
    }

    /// Those that a file of this media type is not.
    pub(crate) fn against(&self, media_type: &str) -> BTreeSet<Claim> {
        let wrong = self.0.iter().filter(|(_, kind)| !has(kind.media_types, media_type));
        wrong.map(|(claim, _)| *claim).collect()
    }
}

fn has(words: &[&str], word: &str) -> bool {
    words.iter().any(|known| known.eq_ignore_ascii_case(word))
}

fn find(word: &str, words: fn(&Kind) -> &'static [&'static str]) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| has(words(kind), word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_of_another_kind_is_noted_and_what_is_no_claim_is_not() {
        use Claim::{ContentType, FileName};
        for (name, content_type, sniffed, wrong) in [
            ("a.png", "image/png", "image/png", vec![]),
            ("a.JPEG", "image/jpg; charset=binary", "image/jpeg", vec![]),
            ("a.mov", "video/mp4", "video/quicktime", vec![]),
            ("a.png", "image/png", "image/jpeg", vec![FileName, ContentType]),
            ("a.jpg", "text/html", "image/jpeg", vec![ContentType]),
            ("a.docx", "application/octet-stream", "application/pdf", vec![FileName]),
            ("a.png", "", "application/octet-stream", vec![FileName]),
            ("png", "text/plain", "image/jpeg", vec![]),
            ("a.unheard-of", "x/y", "image/jpeg", vec![]),
        ] {
            let found = Claims::of(Some(name), Some(content_type)).against(sniffed);
            assert_eq!(found, wrong.into_iter().collect(), "{name} {content_type} {sniffed}");
        }
        assert!(Claims::of(None, None).against("image/png").is_empty());
    }
}
