//! Letters: fonts out of memory, shaped into lines, laid down on a canvas.

use std::sync::Arc;

use cosmic_text::fontdb::{Database, Source};
use cosmic_text::{
    Align, Attrs, Buffer, Color, Fallback, Family, FontSystem, LayoutRun, Metrics, Shaping, Style,
    SwashCache, SwashContent, Weight, Wrap,
};
use unicode_script::Script;

use super::canvas::{Area, Canvas, Colour, INK};

/// Fonts as files in memory, the same for all jobs of a process.
pub type Fonts<'a> = &'a [&'static [u8]];

/// The faces that letters are looked for in, after those of a script. The second has digits and
/// signs of its own, which only emoji need, and the third has some emoji without colours.
const COMMON: &[&str] =
    &["Liberation Sans", "Noto Color Emoji", "DejaVu Sans", "Droid Sans Fallback"];

/// Marks attributes that no span has. A word is set in one face where the rest of it has the
/// default attributes, so that none may have those.
const UNUSED: usize = usize::MAX;

/// Which family a text is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Face {
    /// For reading on a screen.
    #[default]
    Sans,
    /// For books.
    Serif,
    /// For code and tables.
    Mono,
    /// The one font of a specimen.
    Specimen,
}

/// How a span of text looks.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Look {
    pub(crate) face: Face,
    pub(crate) bold: bool,
    pub(crate) italic: bool,
    pub(crate) colour: Option<Colour>,
    pub(crate) strike: bool,
    pub(crate) underline: bool,
}

/// Where lines begin and end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Side {
    /// Where the script begins.
    #[default]
    Start,
    Middle,
    End,
}

struct FontsOfScripts;

impl Fallback for FontsOfScripts {
    fn common_fallback(&self) -> &[&'static str] {
        COMMON
    }

    fn forbidden_fallback(&self) -> &[&'static str] {
        &[]
    }

    fn script_fallback(&self, script: Script, _locale: &str) -> &[&'static str] {
        match script {
            Script::Han
            | Script::Hiragana
            | Script::Katakana
            | Script::Hangul
            | Script::Bopomofo => &["Noto Sans CJK JP", "Droid Sans Fallback"],
            Script::Arabic => &["DejaVu Sans"],
            Script::Bengali => &["Noto Sans Bengali UI", "Noto Sans Bengali"],
            Script::Devanagari => &["Noto Sans Devanagari UI", "Noto Sans Devanagari"],
            Script::Gujarati => &["Noto Sans Gujarati UI", "Noto Sans Gujarati"],
            Script::Gurmukhi => &["Noto Sans Gurmukhi UI", "Noto Sans Gurmukhi"],
            Script::Kannada => &["Noto Sans Kannada UI", "Noto Sans Kannada"],
            Script::Khmer => &["Noto Sans Khmer UI", "Noto Sans Khmer"],
            Script::Lao => &["Noto Sans Lao UI", "Noto Sans Lao"],
            Script::Malayalam => &["Noto Sans Malayalam UI", "Noto Sans Malayalam"],
            Script::Myanmar => &["Noto Sans Myanmar UI", "Noto Sans Myanmar"],
            Script::Oriya => &["Noto Sans Oriya UI", "Noto Sans Oriya"],
            Script::Sinhala => &["Noto Sans Sinhala UI", "Noto Sans Sinhala"],
            Script::Tamil => &["Noto Sans Tamil UI", "Noto Sans Tamil"],
            Script::Telugu => &["Noto Sans Telugu UI", "Noto Sans Telugu"],
            Script::Thai => &["Noto Sans Thai UI", "Noto Sans Thai"],
            _ => &[],
        }
    }
}

/// Sets and lays down letters.
pub(crate) struct Letters {
    system: FontSystem,
    cache: SwashCache,
    /// The family of a specimen.
    specimen: Option<String>,
}

/// Text in lines.
pub(crate) struct Lines(Buffer);

impl Letters {
    pub(crate) fn new(fonts: Fonts<'_>) -> Self {
        Self::with(fonts, None)
    }

    /// With one more font, which is a specimen's.
    pub(crate) fn with(fonts: Fonts<'_>, specimen: Option<Vec<u8>>) -> Self {
        let mut database = Database::new();
        let family = specimen.and_then(|font| {
            let ids = database.load_font_source(Source::Binary(Arc::new(font)));
            // Its own name might be that of another one that is there.
            let face = ids.first().and_then(|id| database.face(*id))?.clone();
            database.remove_face(face.id);
            let name = "\u{1}specimen".to_owned();
            let mut face = face;
            face.families =
                vec![(name.clone(), cosmic_text::fontdb::Language::English_UnitedStates)];
            face.weight = Weight::NORMAL;
            face.style = Style::Normal;
            face.stretch = cosmic_text::Stretch::Normal;
            database.push_face_info(face);
            Some(name)
        });
        for font in fonts {
            database.load_font_source(Source::Binary(Arc::new(*font)));
        }
        let first = |wanted: &[&str]| {
            let found = wanted.iter().find(|name| {
                database.faces().any(|face| face.families.iter().any(|(family, _)| family == *name))
            });
            found.map_or_else(|| "DejaVu Sans".to_owned(), |name| (*name).to_owned())
        };
        let sans = first(&["Liberation Sans", "DejaVu Sans", "Noto Sans"]);
        let serif = first(&["Liberation Serif", "DejaVu Serif", "Noto Serif"]);
        let mono = first(&["DejaVu Sans Mono", "Liberation Mono", "Noto Sans Mono"]);
        database.set_sans_serif_family(sans);
        database.set_serif_family(serif);
        database.set_monospace_family(mono);
        let system = FontSystem::new_with_locale_and_db_and_fallback(
            "en-US".to_owned(),
            database,
            FontsOfScripts,
        );
        Self { system, cache: SwashCache::new(), specimen: family }
    }

    /// Whether there is no font at all: then nothing is set, and pages stay blank.
    fn is_empty(&self) -> bool {
        self.system.db().is_empty()
    }

    fn attributes(&self, look: Look) -> Attrs<'_> {
        let family = match (look.face, &self.specimen) {
            (Face::Specimen, Some(name)) => Family::Name(name),
            (Face::Sans | Face::Specimen, _) => Family::SansSerif,
            (Face::Serif, _) => Family::Serif,
            (Face::Mono, _) => Family::Monospace,
        };
        let mut attributes = Attrs::new().family(family);
        if look.bold {
            attributes = attributes.weight(Weight::BOLD);
        }
        if look.italic {
            attributes = attributes.style(Style::Italic);
        }
        let [red, green, blue] = look.colour.unwrap_or(INK);
        // Lines through and under are no letters: they are drawn from what a glyph carries.
        attributes
            .metadata(usize::from(look.strike) | usize::from(look.underline) << 1)
            .color(Color::rgb(red, green, blue))
    }

    /// Sets spans of text, `size` high, in lines that are at most `width` wide.
    pub(crate) fn set(
        &mut self,
        spans: &[(&str, Look)],
        (size, leading): (f32, f32),
        width: Option<f32>,
        side: Side,
    ) -> Lines {
        let mut buffer = Buffer::new_empty(Metrics::new(size, size * leading));
        buffer.set_wrap(if width.is_some() { Wrap::WordOrGlyph } else { Wrap::None });
        buffer.set_size(width, None);
        let align = match side {
            Side::Start => None,
            Side::Middle => Some(Align::Center),
            Side::End => Some(Align::Right),
        };
        if self.is_empty() {
            return Lines(buffer);
        }
        let default = Attrs::new().metadata(UNUSED);
        let attributes: Vec<(&str, Attrs<'_>)> =
            spans.iter().map(|(text, look)| (*text, self.attributes(*look))).collect();
        buffer.set_rich_text(attributes, &default, Shaping::Advanced, align);
        buffer.shape_until_scroll(&mut self.system, false);
        Lines(buffer)
    }

    /// Sets one line of cells that are `cell` wide.
    pub(crate) fn set_cells(&mut self, spans: &[(&str, Look)], size: f32, cell: f32) -> Lines {
        let mut buffer = Buffer::new_empty(Metrics::new(size, size));
        buffer.set_wrap(Wrap::None);
        buffer.set_monospace_width(Some(cell));
        buffer.set_size(None, None);
        if self.is_empty() {
            return Lines(buffer);
        }
        let default = Attrs::new().metadata(UNUSED);
        let attributes: Vec<(&str, Attrs<'_>)> =
            spans.iter().map(|(text, look)| (*text, self.attributes(*look))).collect();
        buffer.set_rich_text(attributes, &default, Shaping::Advanced, Some(Align::Left));
        buffer.shape_until_scroll(&mut self.system, false);
        Lines(buffer)
    }

    /// How wide a line would be.
    pub(crate) fn width(&mut self, text: &str, look: Look, size: f32) -> f32 {
        self.set(&[(text, look)], (size, 1.0), None, Side::Start).width()
    }

    /// Lays all lines down.
    pub(crate) fn draw(&mut self, lines: &Lines, (x, y): (f32, f32), canvas: &mut Canvas) {
        for run in lines.0.layout_runs() {
            self.draw_run(&run, (x, y), canvas);
        }
    }

    /// Lays one line down, its top at `y`.
    pub(crate) fn draw_line(
        &mut self,
        lines: &Lines,
        nth: usize,
        (x, y): (f32, f32),
        canvas: &mut Canvas,
    ) {
        if let Some(run) = lines.0.layout_runs().nth(nth) {
            let top = run.line_top;
            self.draw_run(&run, (x, y - top), canvas);
        }
    }

    fn draw_run(&mut self, run: &LayoutRun<'_>, (x, y): (f32, f32), canvas: &mut Canvas) {
        let scale = canvas.scale();
        for glyph in run.glyphs {
            let place = glyph.physical((x * scale, (y + run.line_y) * scale), scale);
            let colour = glyph.color_opt.map_or(INK, |colour| [colour.r(), colour.g(), colour.b()]);
            if glyph.metadata > 0 {
                let up = if glyph.metadata & 1 == 1 {
                    glyph.font_size * 0.3
                } else {
                    glyph.font_size * -0.12
                };
                let thick = glyph.font_size / 16.0;
                canvas.fill(Area(x + glyph.x, y + run.line_y - up, glyph.w, thick), colour);
            }
            let Some(image) = self.cache.get_image(&mut self.system, place.cache_key) else {
                continue;
            };
            let at = (place.x + image.placement.left, place.y - image.placement.top);
            let width = image.placement.width as usize;
            match image.content {
                SwashContent::Mask => canvas.mask(at, width, &image.data, colour),
                SwashContent::Color => canvas.stamp(at, width, &image.data),
                SwashContent::SubpixelMask => {}
            }
        }
    }
}

impl Lines {
    /// Height of each line.
    pub(crate) fn heights(&self) -> Vec<f32> {
        self.0.layout_runs().map(|run| run.line_height).collect()
    }

    /// Height of all lines.
    pub(crate) fn height(&self) -> f32 {
        self.0.layout_runs().map(|run| run.line_height).sum()
    }

    /// What one line says.
    pub(crate) fn text(&self, nth: usize) -> &str {
        let Some(run) = self.0.layout_runs().nth(nth) else { return "" };
        let from = run.glyphs.iter().map(|glyph| glyph.start).min().unwrap_or(0);
        let to = run.glyphs.iter().map(|glyph| glyph.end).max().unwrap_or(0);
        run.text.get(from..to).unwrap_or_default()
    }

    /// Width of the widest line.
    pub(crate) fn width(&self) -> f32 {
        self.0.layout_runs().map(|run| run.line_w).fold(0.0, f32::max)
    }
}
