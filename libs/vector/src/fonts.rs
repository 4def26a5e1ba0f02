//! The fonts that are lent for text whose own are not inside the file.

use std::sync::{Arc, OnceLock};

use resvg::usvg::fontdb::{Database, Family, ID, Query, Source, Stretch, Style, Weight};

/// Font files, one slice each, mapped for the life of the process.
pub type Fonts<'a> = &'a [&'static [u8]];

/// A font file's bytes as both renderers take them.
pub(crate) type Bytes = Arc<dyn AsRef<[u8]> + Send + Sync>;

/// Families that may stand for each other, best first, by what they look like.
const SANS: &[&str] =
    &["Liberation Sans", "Arimo", "Helvetica", "Arial", "Nimbus Sans", "DejaVu Sans", "Noto Sans"];
const SERIF: &[&str] = &[
    "Liberation Serif",
    "Tinos",
    "Times New Roman",
    "Times",
    "Nimbus Roman",
    "DejaVu Serif",
    "Noto Serif",
];
const MONO: &[&str] = &[
    "Liberation Mono",
    "Cousine",
    "Courier New",
    "Courier",
    "Nimbus Mono PS",
    "DejaVu Sans Mono",
    "Noto Sans Mono",
];

/// What a text should look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Look {
    Sans,
    Serif,
    Mono,
}

impl Look {
    /// Names of families of this look, best first.
    const fn families(self) -> &'static [&'static str] {
        match self {
            Self::Sans => SANS,
            Self::Serif => SERIF,
            Self::Mono => MONO,
        }
    }

    /// The look of a well-known family by its name.
    pub(crate) fn of(family: &str) -> Option<Self> {
        let family = family.to_ascii_lowercase();
        let named = |words: &[&str]| words.iter().any(|word| family.contains(word));
        if named(&["mono", "courier", "consolas", "menlo", "typewriter", "code"]) {
            Some(Self::Mono)
        } else if named(&[
            "sans",
            "arial",
            "helvetica",
            "verdana",
            "tahoma",
            "calibri",
            "segoe",
            "roboto",
            "inter",
            "futura",
            "trebuchet",
        ]) {
            Some(Self::Sans)
        } else if named(&["serif", "times", "georgia", "garamond", "cambria", "palatino", "roman"])
        {
            Some(Self::Serif)
        } else {
            None
        }
    }
}

/// The scripts of which a common font has no letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Script {
    Japanese,
    SimplifiedChinese,
    TraditionalChinese,
    Korean,
}

impl Script {
    /// Parts of the names of families that write it, best first.
    const fn families(self) -> &'static [&'static str] {
        match self {
            Self::Japanese => &["CJK JP", "Noto Sans JP", "IPA", "Takao", "VL Gothic"],
            Self::SimplifiedChinese => &["CJK SC", "Noto Sans SC", "WenQuanYi", "AR PL UMing"],
            Self::TraditionalChinese => &["CJK TC", "Noto Sans TC", "AR PL UMing", "WenQuanYi"],
            Self::Korean => &["CJK KR", "Noto Sans KR", "Nanum", "Baekmuk", "UnDotum"],
        }
    }
}

/// Parts of the names of families that write all of those scripts.
const ALL_SCRIPTS: &[&str] = &["CJK", "Source Han", "Droid Sans Fallback", "Unifont"];

/// The fonts lent, looked into only when some text asks for one.
pub(crate) struct Shelf {
    files: Vec<&'static [u8]>,
    database: OnceLock<Arc<Database>>,
}

impl Shelf {
    pub(crate) fn new(fonts: Fonts<'_>) -> Arc<Self> {
        Arc::new(Self { files: fonts.to_vec(), database: OnceLock::new() })
    }

    /// All fonts, with families for the generic names.
    pub(crate) fn database(&self) -> &Arc<Database> {
        self.database.get_or_init(|| {
            let mut database = Database::new();
            for file in &self.files {
                database.load_font_source(Source::Binary(Arc::new(*file)));
            }
            let there = |look: Look| {
                let first = look.families().iter().find(|family| has(&database, family));
                first.map(|family| (*family).to_owned())
            };
            let (sans, serif, mono) = (there(Look::Sans), there(Look::Serif), there(Look::Mono));
            if let Some(sans) = sans.clone().or_else(|| serif.clone()) {
                database.set_cursive_family(sans.clone());
                database.set_fantasy_family(sans.clone());
                database.set_sans_serif_family(sans);
            }
            if let Some(serif) = serif.or_else(|| sans.clone()) {
                database.set_serif_family(serif);
            }
            if let Some(mono) = mono.or(sans) {
                database.set_monospace_family(mono);
            }
            Arc::new(database)
        })
    }

    /// The font with this PostScript name.
    pub(crate) fn named(&self, postscript_name: &str) -> Option<(Bytes, u32)> {
        let database = self.database();
        let face = database.faces().find(|face| face.post_script_name == postscript_name)?;
        bytes(database, face.id)
    }

    /// A font of this look.
    pub(crate) fn like(&self, look: Look, bold: bool, italic: bool) -> Option<(Bytes, u32)> {
        let database = self.database();
        bytes(database, find(database, look.families(), bold, italic)?)
    }

    /// A font that writes this script.
    pub(crate) fn writing(&self, script: Script) -> Option<(Bytes, u32)> {
        let database = self.database();
        let named = |part: &&'static str| {
            let mut faces = database.faces();
            faces.find(|face| face.families.iter().any(|(name, _)| name.contains(*part)))
        };
        let face = script.families().iter().chain(ALL_SCRIPTS).find_map(named)?;
        bytes(database, face.id)
    }
}

/// The font nearest to what is asked for, of the first of the families that is there.
pub(crate) fn find(database: &Database, families: &[&str], bold: bool, italic: bool) -> Option<ID> {
    families.iter().find_map(|family| {
        database.query(&Query {
            families: &[Family::Name(family)],
            weight: if bold { Weight::BOLD } else { Weight::NORMAL },
            stretch: Stretch::Normal,
            style: if italic { Style::Italic } else { Style::Normal },
        })
    })
}

/// Names of families that may stand for this one, best first.
pub(crate) fn stand_ins(family: &str) -> &'static [&'static str] {
    Look::of(family).map_or(&[], Look::families)
}

fn has(database: &Database, family: &str) -> bool {
    find(database, &[family], false, false).is_some()
}

fn bytes(database: &Database, id: ID) -> Option<(Bytes, u32)> {
    match database.face_source(id)? {
        (Source::Binary(bytes), index) => Some((bytes, index)),
    }
}
