//! Bytes to text: any encoding, as much as is ever drawn, cleared of what cannot be.

use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};
use stills::{Error, Source};
use unicode_width::UnicodeWidthChar;

/// As much text as a thousand pages hold; what follows is neither read nor counted.
pub(crate) const MOST_BYTES: usize = 8 << 20;
/// How much of a text is looked at to tell its encoding or language.
const LOOK_BYTES: usize = 64 << 10;
const LOOK_CHARS: usize = 8_192;

/// A text.
pub(crate) struct Text {
    pub(crate) text: String,
    /// Its encoding's name.
    pub(crate) encoding: String,
    /// Whether there is more of it.
    pub(crate) is_cut: bool,
}

/// Reads the beginning of a text, or all of it.
pub(crate) fn read(source: &mut dyn Source, encoding: &str) -> Result<Text, Error> {
    let (bytes, is_cut) = start(source, MOST_BYTES)?;
    let (text, encoding) = decode(&bytes, encoding);
    Ok(Text { text, encoding, is_cut })
}

/// The first bytes of a source, and whether there are more.
pub(crate) fn start(source: &mut dyn Source, most: usize) -> Result<(Vec<u8>, bool), Error> {
    let length = usize::try_from(source.length()).unwrap_or(usize::MAX);
    let mut bytes = vec![0; length.min(most)];
    let count = source.read_at(0, &mut bytes).map_err(Error::Source)?;
    bytes.truncate(count);
    Ok((bytes, length > most))
}

/// Decodes, by what was sniffed, or else by what is most likely.
pub(crate) fn decode(bytes: &[u8], sniffed: &str) -> (String, String) {
    let encoding: &'static Encoding = match sniffed {
        "us-ascii" | "utf-8" => UTF_8,
        "utf-16le" => UTF_16LE,
        "utf-16be" => UTF_16BE,
        _ if std::str::from_utf8(bytes).is_ok() => UTF_8,
        _ => guess(bytes),
    };
    let (text, used, _) = encoding.decode(bytes);
    // What was sniffed is told as it was, unless one of eight bits has now a name.
    let name = match sniffed {
        "us-ascii" | "utf-8" | "utf-16le" | "utf-16be" => sniffed.to_owned(),
        _ => used.name().to_ascii_lowercase(),
    };
    (text.into_owned(), name)
}

fn guess(bytes: &[u8]) -> &'static Encoding {
    use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Allow);
    let look = bytes.get(..bytes.len().min(LOOK_BYTES)).unwrap_or_default();
    if !detector.feed(look, true) {
        return WINDOWS_1252;
    }
    detector.guess(None, Utf8Detection::Deny)
}

/// Ready for cells: tabs expanded, line ends made one sort, escapes and control characters gone.
pub(crate) fn cells(text: &str, tab: usize) -> String {
    let mut out = String::with_capacity(text.len());
    let mut column = 0;
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '\n' | '\u{85}' | '\u{2028}' => {
                out.push('\n');
                column = 0;
            }
            '\r' => {
                if letters.peek() != Some(&'\n') {
                    out.push('\n');
                    column = 0;
                }
            }
            '\t' => {
                let fill = tab - column % tab;
                out.extend(std::iter::repeat_n(' ', fill));
                column += fill;
            }
            // A terminal's escape: up to the letter that ends it.
            '\u{1b}' => {
                if letters.next_if_eq(&'[').is_some() {
                    while letters.next_if(|next| matches!(next, ' '..='?')).is_some() {}
                    letters.next_if(|next| matches!(next, '@'..='~'));
                }
            }
            '\u{feff}' | '\u{2066}'..='\u{2069}' | '\u{202a}'..='\u{202e}' => {}
            letter if letter.is_control() => {}
            letter => {
                out.push(letter);
                column += letter.width().unwrap_or(0);
            }
        }
    }
    out
}

/// The natural language, if there is enough to tell it by.
pub(crate) fn language(text: &str) -> Option<&'static str> {
    let end = text.char_indices().nth(LOOK_CHARS).map_or(text.len(), |(at, _)| at);
    let info = whatlang::detect(text.get(..end)?)?;
    let is_telling = info.is_reliable() || info.confidence() > 0.5 && text.len() > 200;
    is_telling.then(|| tag(info.lang().code()))
}

/// The shorter tag that is usual, where there is one.
fn tag(code: &'static str) -> &'static str {
    const TAGS: &str = "eng en rus ru cmn zh spa es por pt ita it ben bn fra fr deu de ukr uk kat ka \
        ara ar hin hi jpn ja heb he yid yi pol pl amh am jav jv kor ko nob nb dan da swe sv fin fi \
        tur tr nld nl hun hu ces cs ell el bul bg bel be mar mr kan kn ron ro slv sl hrv hr srp sr \
        mkd mk lit lt lav lv est et tam ta vie vi urd ur tha th guj gu uzb uz pan pa aze az ind id \
        tel te pes fa mal ml ori or mya my nep ne sin si khm km tuk tk aka ak zul zu sna sn afr af \
        lat la slk sk cat ca tgl tl hye hy epo eo cym cy";
    let mut tags = TAGS.split_ascii_whitespace();
    while let (Some(long), Some(short)) = (tags.next(), tags.next()) {
        if long == code {
            return short;
        }
    }
    code
}
