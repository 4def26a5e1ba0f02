//! XMP packets: where files keep them, and what of one may go into a rendition.
//!
//! A packet is text that somebody else wrote. It is not understood here, only held to what it may
//! be: short, of valid characters, without declarations of its own, and of RDF.

use crate::ifd::Tiff;
use crate::{jpeg, webp};

/// The longest packet that is kept, in bytes: with its wrapping it fits into a JPEG's segment.
pub const MAX_BYTES: usize = 64_000;
/// How much room a packet may take in a file, with what there is to write into it later.
const MAX_PADDED_BYTES: usize = 4 * MAX_BYTES;
/// What a JPEG's segment of XMP begins with.
pub(crate) const JPEG_MARK: &[u8] = b"http://ns.adobe.com/xap/1.0/\0";
/// The keyword of a PNG's text that is XMP.
pub(crate) const PNG_KEYWORD: &[u8] = b"XML:com.adobe.xmp\0";
/// What a GIF's extension of XMP begins with.
pub(crate) const GIF_MARK: &[u8] = b"\x21\xff\x0bXMP DataXMP";
/// The tag of a TIFF that is XMP.
const TIFF_TAG: u16 = 700;

/// Without it there is no RDF.
const RDF: &str = "http://www.w3.org/1999/02/22-rdf-syntax-ns#";
const OF_TIFF: &str = "http://ns.adobe.com/tiff/1.0/";
const OF_XMP: &str = "http://ns.adobe.com/xap/1.0/";
const OF_THUMBNAILS: &str = "http://ns.adobe.com/xap/1.0/g/img/";

/// The packet in a file, as it stands there; `None` where there is none.
pub(crate) fn find(file: &[u8]) -> Option<Vec<u8>> {
    let packet = match file {
        [0xff, 0xd8, ..] => {
            jpeg::application(file, 0xe1).find_map(|body| body.strip_prefix(JPEG_MARK))?
        }
        [b'I', b'I', ..] | [b'M', b'M', ..] => {
            let tiff = Tiff::of(file)?;
            tiff.bytes(tiff.directory(tiff.first())?.get(TIFF_TAG)?)?
        }
        [b'G', b'I', b'F', b'8', ..] => {
            let at = file.windows(GIF_MARK.len()).position(|bytes| bytes == GIF_MARK)?;
            let packet = file.get(at + GIF_MARK.len()..)?;
            packet.split(|byte| *byte == 1).next()?
        }
        [b'R', b'I', b'F', b'F', ..] => webp::chunk(file, b"XMP ")?,
        [0x89, b'P', b'N', b'G', ..] => return of_png(file),
        _ => return None,
    };
    (packet.len() <= MAX_PADDED_BYTES).then(|| packet.to_vec())
}

fn of_png(file: &[u8]) -> Option<Vec<u8>> {
    let mut rest = file.get(8..)?;
    loop {
        let (length, after) = rest.split_first_chunk::<4>()?;
        let (name, after) = after.split_first_chunk::<4>()?;
        let length = u32::from_be_bytes(*length) as usize;
        let body = after.get(..length)?;
        if name == b"iTXt"
            && let Some([packed, _method, words @ ..]) = body.strip_prefix(PNG_KEYWORD)
        {
            // A language and a keyword in it come before the text.
            let packet = words.splitn(3, |byte| *byte == 0).nth(2)?;
            return if *packed == 0 {
                (packet.len() <= MAX_PADDED_BYTES).then(|| packet.to_vec())
            } else {
                let most = MAX_PADDED_BYTES;
                miniz_oxide::inflate::decompress_to_vec_zlib_with_limit(packet, most).ok()
            };
        }
        rest = after.get(length + 4..)?;
    }
}

/// A packet that may be put into a rendition: upright and without thumbnails; `None` of what is no
/// packet, too long, or has what a packet has no need of.
pub(crate) fn cleaned(packet: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(packet).ok()?;
    let bare = unwrapped(text.trim_matches(['\0', '\u{feff}', ' ', '\t', '\r', '\n']));
    let is_plain = |letter: char| !letter.is_control() || matches!(letter, '\t' | '\r' | '\n');
    let is_packet = bare.starts_with('<') && bare.ends_with('>') && bare.contains(RDF);
    // Neither a document type nor entities, instructions or sections of raw characters.
    if !is_packet || !bare.chars().all(is_plain) || bare.contains("<!") || bare.contains("<?") {
        return None;
    }
    let bare = without_thumbnails(upright(bare.to_owned())?)?;
    let wrapped = format!(
        "<?xpacket begin=\"\u{feff}\" id=\"W5M0MpCehiHzreSzNTczkc9d\"?>\n{bare}\n\
         <?xpacket end=\"r\"?>"
    );
    (wrapped.len() <= MAX_BYTES).then_some(wrapped)
}

/// What is between the instructions that mark a packet's ends.
fn unwrapped(text: &str) -> &str {
    let mut text = text;
    for begin in ["<?xml ", "<?xpacket begin="] {
        if let Some((_, rest)) = text.strip_prefix(begin).and_then(|rest| rest.split_once("?>")) {
            text = rest.trim();
        }
    }
    text.rsplit_once("<?xpacket end=").map_or(text, |(bare, _)| bare).trim()
}

/// The prefixes that stand for a namespace; `None` where it goes without one.
fn prefixes(text: &str, namespace: &str) -> Option<Vec<String>> {
    let mut found = Vec::new();
    for (at, _) in text.match_indices(namespace) {
        let (before, after) = text.split_at(at);
        let after = after.get(namespace.len()..).unwrap_or_default();
        let Some(quote) = before.chars().next_back().filter(|last| matches!(last, '"' | '\''))
        else {
            continue;
        };
        if !after.starts_with(quote) {
            continue;
        }
        let name = before.trim_end_matches(quote).trim_end();
        let Some(name) = name.strip_suffix('=').map(str::trim_end) else { continue };
        let name = name.rsplit(char::is_whitespace).next().unwrap_or_default();
        match name.strip_prefix("xmlns") {
            Some("") => return None,
            Some(prefix) => found.extend(prefix.strip_prefix(':').map(str::to_owned)),
            None => {}
        }
    }
    found.sort();
    found.dedup();
    Some(found)
}

/// The same with every orientation said to be upright.
fn upright(mut text: String) -> Option<String> {
    for prefix in prefixes(&text, OF_TIFF)? {
        let name = format!("{prefix}:Orientation");
        let mut done = 0;
        while let Some(at) = text.get(done..)?.find(&name) {
            let begin = done + at;
            done = begin + name.len();
            let (before, after) = text.split_at_checked(done)?;
            let before = before.strip_suffix(name.as_str())?;
            let is_whole = after.starts_with(['=', '>', ' ', '\t', '\r', '\n'])
                && before.ends_with(['<', ' ', '\t', '\r', '\n']);
            if !is_whole {
                continue;
            }
            let value = after.trim_start();
            let (value, end) = match value.strip_prefix('=').map(str::trim_start) {
                Some(value) => {
                    let quote = value.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
                    (value.get(1..)?, quote)
                }
                None => (value.strip_prefix('>')?, '<'),
            };
            let length = value.find(end)?;
            let from = text.len() - value.len();
            if end == '<' && !value.get(length..)?.starts_with("</") {
                return None;
            }
            text.replace_range(from..from + length, "1");
        }
    }
    Some(text)
}

/// The same without pictures of the picture.
fn without_thumbnails(mut text: String) -> Option<String> {
    for prefix in prefixes(&text, OF_XMP)? {
        let (begin, end) = (format!("<{prefix}:Thumbnails"), format!("</{prefix}:Thumbnails>"));
        while let Some(from) = text.find(&begin) {
            let to = from + text.get(from..)?.find(&end)? + end.len();
            text.replace_range(from..to, "");
        }
    }
    let others = prefixes(&text, OF_THUMBNAILS)?;
    let has_others = others.iter().any(|prefix| text.contains(&format!("{prefix}:image")));
    (!has_others).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(inside: &str) -> String {
        format!(
            "<?xpacket begin='\u{feff}' id='W5M0MpCehiHzreSzNTczkc9d'?>\n\
             <x:xmpmeta xmlns:x='adobe:ns:meta/'><rdf:RDF xmlns:rdf='{RDF}'>\
             <rdf:Description xmlns:t=\"{OF_TIFF}\" xmlns:xmp='{OF_XMP}' {inside}\
             </rdf:Description></rdf:RDF></x:xmpmeta>   \n   <?xpacket end='w'?>"
        )
    }

    fn clean(inside: &str) -> Option<String> {
        cleaned(packet(inside).as_bytes())
    }

    #[test]
    fn orientation_is_made_upright_however_it_is_written() {
        for (inside, expected) in [
            ("t:Orientation=\"6\" t:Make='Abc'>", "t:Orientation=\"1\" t:Make='Abc'>"),
            ("t:Orientation = '8'>", "t:Orientation = '1'>"),
            ("><t:Orientation>3</t:Orientation>", "><t:Orientation>1</t:Orientation>"),
            ("><t:Orientation >3</t:Orientation>", "><t:Orientation >1</t:Orientation>"),
            ("t:OrientationOf='6'>", "t:OrientationOf='6'>"),
            (">t:Orientation is 6", ">t:Orientation is 6"),
        ] {
            let found = clean(inside).unwrap_or_default();
            assert!(found.contains(expected), "{inside}: {found}");
            assert!(found.ends_with("<?xpacket end=\"r\"?>"), "{found}");
        }
        for odd in ["t:Orientation=6>", "><t:Orientation><b>6</b></t:Orientation>"] {
            assert_eq!(clean(odd), None, "{odd}");
        }
    }

    #[test]
    fn thumbnails_are_taken_out_and_a_packet_with_others_is_not_kept() {
        let found = clean("><xmp:Thumbnails>abcd</xmp:Thumbnails><xmp:Rating>5</xmp:Rating>");
        let found = found.expect("kept");
        assert!(!found.contains("abcd") && found.contains("<xmp:Rating>5"), "{found}");
        assert_eq!(clean("><xmp:Thumbnails>abcd"), None);
        let other = format!("xmlns:g='{OF_THUMBNAILS}'><g:image>abcd</g:image>");
        assert_eq!(clean(&other), None);
    }

    #[test]
    fn what_a_packet_has_no_need_of_is_not_kept() {
        assert!(clean("t:Make='Abc'>").is_some());
        for bad in [
            "><!DOCTYPE a>",
            "><!ENTITY a 'b'>",
            "><![CDATA[a]]>",
            "><?xml-stylesheet href='http://x/'?>",
            ">\u{7}",
            ">\0",
        ] {
            assert_eq!(clean(bad), None, "{bad:?}");
        }
        let before = format!("<!DOCTYPE a [<!ENTITY b 'c'>]>{}", packet(">"));
        assert_eq!(cleaned(before.as_bytes()), None);
        assert_eq!(cleaned(b"<a>no RDF</a>"), None);
        assert_eq!(cleaned(&[packet("t:Make='").as_bytes(), b"\xff'>"].concat()), None);
        let utf16: Vec<u8> = packet(">").encode_utf16().flat_map(u16::to_be_bytes).collect();
        assert_eq!(cleaned(&utf16), None);
        assert_eq!(clean(&format!(">{}", "a".repeat(MAX_BYTES))), None);
    }
}
