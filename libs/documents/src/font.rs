//! Fonts: a specimen, and what a font says of itself.

use std::io::Read;

use domain::limits::Limits;
use domain::wish::MetadataKind;
use filetype::Filetype;
use serde_json::{Map, Value, json};
use stills::{Drawn, Easel, Error, Source, read_all};
use ttf_parser::{Face, Permissions, name_id};

use crate::facts;
use crate::page;
use crate::page::flow::{Block, Flow, Place, Span};
use crate::page::letters::{Fonts, Letters};

/// Largest font that is read, and what a compressed one may expand to.
const MOST_BYTES: u64 = 64 << 20;
/// Names of a font that are looked at.
const MOST_NAMES: u16 = 500;

/// A script: its name, letters that every font of it has, and a line of text.
const SCRIPTS: &[(&str, &str, &str)] = &[
    ("Latin", "AaZz", "The quick brown fox jumps over the lazy dog"),
    ("Greek", "\u{391}\u{3b1}\u{3c9}", "Ξεσκεπάζω την ψυχοφθόρα βδελυγμία"),
    ("Cyrillic", "\u{410}\u{44f}", "Съешь же ещё этих мягких французских булок"),
    ("Arabic", "\u{627}\u{628}\u{64a}", "صِف خَلقَ خَودِ كَمِثلِ الشَمسِ"),
    ("Hebrew", "\u{5d0}\u{5ea}", "דג סקרן שט בים מאוכזב ולפתע מצא חברה"),
    ("Devanagari", "\u{905}\u{915}", "ऋषियों को सताने वाले दुष्ट राक्षसों के राजा"),
    ("Bengali", "\u{985}\u{995}", "আমার সোনার বাংলা"),
    ("Tamil", "\u{b85}\u{b95}", "யாமறிந்த மொழிகளிலே"),
    ("Thai", "\u{e01}\u{e2d}", "เป็นมนุษย์สุดประเสริฐเลิศคุณค่า"),
    ("Georgian", "\u{10d0}\u{10f0}", "საქართველოს დედაქალაქი თბილისია"),
    ("Armenian", "\u{531}\u{561}", "Բել դղյակի ձախ ժամն օֆ ազգությանը"),
    ("Hangul", "\u{ac00}\u{d558}", "다람쥐 헌 쳇바퀴에 타고파"),
    ("Kana", "\u{3042}\u{30a2}", "いろはにほへと ちりぬるを アイウエオ"),
    ("Han", "\u{6c38}\u{4e2d}", "天地玄黃 宇宙洪荒 日月盈昃 辰宿列張"),
    ("Ethiopic", "\u{1200}\u{12a0}", "ሰላም ለዓለም"),
    ("Khmer", "\u{1780}\u{17a2}", "ខ្ញុំអាចញ៉ាំកញ្ចក់បាន"),
];

/// Draws a specimen.
pub(crate) fn draw(
    filetype: &Filetype,
    source: &mut dyn Source,
    mut easel: Easel<'_>,
    fonts: Fonts<'_>,
) -> Result<Drawn, Error> {
    if source.length() > MOST_BYTES {
        return Err(Error::Expands { what: format!("a font of more than {MOST_BYTES} bytes") });
    }
    easel.used(("ttf-parser", "0.25"));
    let mut bytes = plain(filetype, read_all(source, easel.limits())?, easel.limits())?;
    hide(&mut bytes, b"VARC");
    let about = About::read(&bytes)?;
    let mut metadata = Map::new();
    facts::put(&mut metadata, MetadataKind::Font, &easel, about.facts());
    let mut letters = Letters::with(fonts, Some(bytes));
    let mut flow = Flow::new(about.specimen(), 1, &mut letters);
    page::draw(&mut flow, &mut easel)?;
    Ok(Drawn { metadata, engines: easel.done() })
}

/// The font as it would be installed.
fn plain(filetype: &Filetype, bytes: Vec<u8>, limits: &Limits) -> Result<Vec<u8>, Error> {
    let most = usize::try_from(limits.expanded_bytes.min(MOST_BYTES)).unwrap_or(usize::MAX);
    let claimed =
        bytes.get(16..20).and_then(<[u8]>::first_chunk).map(|bytes| u32::from_be_bytes(*bytes));
    let is_web = matches!(filetype.media_type, "font/woff" | "font/woff2");
    if is_web && claimed.is_none_or(|claimed| claimed as usize > most) {
        return Err(Error::Expands { what: format!("a font of more than {most} bytes") });
    }
    match filetype.media_type {
        "font/woff" => {
            wuff::decompress_woff1_with_custom_z(&bytes, &mut |packed, room| inflate(packed, room))
                .map_err(|error| Error::corrupt(format!("WOFF: {error:?}")))
        }
        "font/woff2" => wuff::decompress_woff2(&bytes)
            .map_err(|error| Error::corrupt(format!("WOFF2: {error:?}"))),
        "application/vnd.ms-fontobject" => embedded(&bytes),
        _ => Ok(bytes),
    }
}

/// Makes a table unknown. Composites of variable parts are young: the shaper's reader of them
/// takes it for granted that they are whole.
fn hide(bytes: &mut [u8], table: &[u8; 4]) {
    const MOST_TABLES: usize = 256;
    const HEADER_BYTES: usize = 12;
    let Some(entries) = bytes.get_mut(HEADER_BYTES..) else { return };
    for [tag @ .., _, _, _, _, _, _, _, _, _, _, _, _] in
        entries.as_chunks_mut::<16>().0.iter_mut().take(MOST_TABLES)
    {
        if tag == table {
            tag.fill(b'x');
        }
    }
}

/// The font in an EOT, at its end: plain, or with every byte turned by one key.
fn embedded(bytes: &[u8]) -> Result<Vec<u8>, Error> {
    const COMPRESSED: u32 = 4;
    const KEYED: u32 = 0x1000_0000;
    let number = |at: usize| {
        bytes.get(at..).and_then(<[u8]>::first_chunk).map(|bytes| u32::from_le_bytes(*bytes))
    };
    let (Some(length), Some(flags)) = (number(4), number(12)) else {
        return Err(Error::corrupt("an embedded font without a header"));
    };
    if flags & COMPRESSED != 0 {
        return Err(Error::Unsupported { what: "a compressed EOT".to_owned() });
    }
    let from = bytes.len().checked_sub(length as usize);
    let font = from
        .and_then(|from| bytes.get(from..))
        .ok_or_else(|| Error::corrupt("an embedded font cut short"))?;
    let key = if flags & KEYED == 0 { 0 } else { 0x50 };
    Ok(font.iter().map(|byte| byte ^ key).collect())
}

/// What a font says of itself.
struct About {
    names: Vec<(u16, String)>,
    weight: u16,
    width: u16,
    is_italic: bool,
    is_monospaced: bool,
    is_variable: bool,
    glyphs: u16,
    faces: u32,
    permissions: Option<Permissions>,
    scripts: Vec<(&'static str, &'static str)>,
    /// Letters to show where none of the scripts is there: symbols.
    samples: String,
    axes: Vec<(String, f32, f32)>,
}

impl About {
    fn read(bytes: &[u8]) -> Result<Self, Error> {
        let face = Face::parse(bytes, 0).map_err(Error::corrupt)?;
        let mut names: Vec<(u16, String)> = Vec::new();
        for name in face.names().into_iter().take(MOST_NAMES.into()) {
            let said = name.to_string().or_else(|| {
                let is_ascii = name.name.iter().all(u8::is_ascii);
                is_ascii.then(|| String::from_utf8_lossy(name.name).into_owned())
            });
            let is_english =
                !name.is_unicode() || name.language_id & 0x3ff == 9 || name.language_id == 0;
            if let Some(said) = said.filter(|_| is_english)
                && names.iter().all(|(id, _)| *id != name.name_id)
            {
                names.push((name.name_id, said));
            }
        }
        let has = |letters: &str| letters.chars().all(|letter| face.glyph_index(letter).is_some());
        let scripts: Vec<_> = SCRIPTS
            .iter()
            .filter(|(_, letters, _)| has(letters))
            .map(|(name, _, line)| (*name, *line))
            .collect();
        let has_script = !scripts.is_empty();
        Ok(Self {
            names,
            weight: face.weight().to_number(),
            width: face.width().to_number(),
            is_italic: face.is_italic() || face.is_oblique(),
            is_monospaced: face.is_monospaced(),
            is_variable: face.is_variable(),
            glyphs: face.number_of_glyphs(),
            faces: ttf_parser::fonts_in_collection(bytes).unwrap_or(1),
            permissions: face.permissions(),
            scripts,
            samples: if has_script { String::new() } else { samples(&face) },
            axes: face
                .variation_axes()
                .into_iter()
                .take(16)
                .map(|axis| (axis.tag.to_string(), axis.min_value, axis.max_value))
                .collect(),
        })
    }

    fn name(&self, id: u16) -> Option<&str> {
        self.names.iter().find(|(found, _)| *found == id).map(|(_, name)| name.as_str())
    }

    fn family(&self) -> Option<&str> {
        self.name(name_id::TYPOGRAPHIC_FAMILY).or_else(|| self.name(name_id::FAMILY))
    }

    fn style(&self) -> Option<&str> {
        self.name(name_id::TYPOGRAPHIC_SUBFAMILY).or_else(|| self.name(name_id::SUBFAMILY))
    }

    fn facts(&self) -> Value {
        let mut told = Map::new();
        facts::put_text(&mut told, "family", self.family());
        facts::put_text(&mut told, "style", self.style());
        for (name, id) in [
            ("full_name", name_id::FULL_NAME),
            ("postscript_name", name_id::POST_SCRIPT_NAME),
            ("version", name_id::VERSION),
            ("copyright", name_id::COPYRIGHT_NOTICE),
            ("trademark", name_id::TRADEMARK),
            ("manufacturer", name_id::MANUFACTURER),
            ("designer", name_id::DESIGNER),
            ("license", name_id::LICENSE),
            ("license_url", name_id::LICENSE_URL),
        ] {
            facts::put_text(&mut told, name, self.name(id));
        }
        let embedding = match self.permissions {
            Some(Permissions::Installable) => "installable",
            Some(Permissions::Restricted) => "restricted",
            Some(Permissions::PreviewAndPrint) => "preview_and_print",
            Some(Permissions::Editable) => "editable",
            None => "unknown",
        };
        let scripts: Vec<&str> = self.scripts.iter().map(|(name, _)| *name).collect();
        let axes: Vec<Value> = self
            .axes
            .iter()
            .map(|(tag, least, most)| json!({ "tag": facts::text(tag), "min": least, "max": most }))
            .collect();
        for (name, value) in [
            ("weight", json!(self.weight)),
            ("width", json!(self.width)),
            ("italic", json!(self.is_italic)),
            ("monospaced", json!(self.is_monospaced)),
            ("variable", json!(self.is_variable)),
            ("glyphs", json!(self.glyphs)),
            ("faces", json!(self.faces)),
            ("scripts", json!(scripts)),
            ("embedding", json!(embedding)),
        ] {
            told.insert(name.to_owned(), value);
        }
        if !axes.is_empty() {
            told.insert("axes".to_owned(), Value::Array(axes));
        }
        Value::Object(told)
    }

    fn specimen(&self) -> Vec<Block> {
        let family = facts::clean(self.family().unwrap_or("A font"), 80);
        let style = facts::clean(self.style().unwrap_or_default(), 80);
        let mut blocks = vec![Block::Heading(2, vec![Span::plain(format!("{family} {style}"))])];
        let about = format!(
            "{} glyphs{}{}{}",
            self.glyphs,
            if self.is_variable { "  \u{b7}  variable" } else { "" },
            if self.is_monospaced { "  \u{b7}  monospaced" } else { "" },
            self.scripts
                .iter()
                .map(|(name, _)| format!("  \u{b7}  {name}"))
                .take(6)
                .collect::<String>(),
        );
        blocks.push(Block::Paragraph(Place::default(), None, vec![Span::muted(about)]));
        let first = self.scripts.first().map(|(name, _)| *name);
        if first == Some("Latin") {
            blocks.push(Block::Specimen(150.0, "AaBbGgQq".to_owned()));
            blocks.push(Block::Specimen(
                40.0,
                "ABCDEFGHIJKLMNOPQRSTUVWXYZ abcdefghijklmnopqrstuvwxyz 0123456789 &!?@%()"
                    .to_owned(),
            ));
        } else if self.scripts.is_empty() && !self.samples.is_empty() {
            blocks.push(Block::Specimen(84.0, self.samples.clone()));
            return blocks;
        }
        if let Some((_, line)) = self.scripts.first() {
            for size in [72.0, 48.0, 34.0, 25.0, 19.0] {
                blocks.push(Block::Specimen(size, (*line).to_owned()));
            }
        }
        for (_, line) in self.scripts.iter().skip(1).take(8) {
            blocks.push(Block::Specimen(38.0, (*line).to_owned()));
        }
        blocks
    }
}

/// The first letters that a font has a drawing of. They are asked for one by one: what a font lists
/// may be all numbers, over and over.
fn samples(face: &Face<'_>) -> String {
    const MOST_CHARS: usize = 60;
    let planes =
        ('!'..='\u{ffff}').chain('\u{1f000}'..='\u{1faff}').chain('\u{f0000}'..='\u{f0fff}');
    let drawn = planes
        .filter(|letter| !letter.is_control() && !letter.is_whitespace())
        .filter(|letter| face.glyph_index(*letter).is_some_and(|glyph| glyph.0 > 0));
    let samples: Vec<char> = drawn.take(MOST_CHARS).collect();
    samples.chunks(10).map(|chunk| chunk.iter().collect::<String>()).collect::<Vec<_>>().join(" ")
}

fn inflate(packed: &[u8], room: usize) -> Result<Vec<u8>, Box<dyn std::error::Error>> {
    let mut expanded = Vec::new();
    flate2::read::ZlibDecoder::new(packed).take(room as u64).read_to_end(&mut expanded)?;
    Ok(expanded)
}
