//! The text of a page that carries its text as text, so that it need not be read from a picture.

use domain::limits::Limits;
use hayro::hayro_interpret::font::{Glyph, GlyphRun, PositionedGlyph};
use hayro::hayro_interpret::hayro_cmap::BfString;
use hayro::hayro_interpret::util::TransformExt;
use hayro::hayro_interpret::{
    BlendMode, ClipPath, Context, Device, DrawMode, DrawProps, Image, ImageDrawProps,
    InterpreterCache, InterpreterSettings, SoftMask, interpret_page,
};
use hayro::hayro_syntax::page::Page;
use hayro::kurbo::{Affine, BezPath, Point, Rect, Vec2};
use serde_json::{Value, json};

/// Longest text of a page, in bytes.
const MOST_PAGE_BYTES: usize = 64 << 10;
/// Fewer letters than this are no text worth the name: a page number, a stamp.
const LEAST_LETTERS: usize = 8;
/// Where pictures cover most of a page, as many letters as this still are its text, fewer may be
/// the stamp on a scan.
const LETTERS_BESIDE_PICTURES: usize = 200;
/// The part of a page that pictures cover at which it may be a scan.
const SCAN_AREA: f64 = 0.5;
/// A gap between letters that is a space, in the size of the letters.
const SPACE: f64 = 0.17;
/// Units of a font's em.
const EM: f64 = 1_000.0;

/// Texts of the pages read, within what metadata may take.
pub(super) struct Texts {
    pages: Vec<Value>,
    left_bytes: usize,
}

impl Texts {
    pub(super) fn new(limits: &Limits) -> Self {
        // The other half is for whatever else there is to tell.
        Self { pages: Vec::new(), left_bytes: limits.metadata_bytes as usize / 2 }
    }

    /// Reads a page, and keeps its text if that is all there is to be read on it; gives whether it
    /// is.
    pub(super) fn read<'a>(
        &mut self,
        number: u32,
        page: &'a Page<'a>,
        settings: &InterpreterSettings,
    ) -> bool {
        let (width, height) = page.render_dimensions();
        let area = Rect::new(0.0, 0.0, width.into(), height.into());
        let cache = InterpreterCache::new();
        let transform = page.initial_transform(true).to_kurbo();
        let mut context = Context::new(transform, area, &cache, page.xref(), settings.clone());
        let mut reader = Reader::new(area);
        interpret_page(page, &mut context, &mut reader);
        let Some(text) = reader.done() else { return false };
        let room = self.left_bytes.saturating_sub(256);
        let (text, whole) = cut(&text, room);
        self.left_bytes = self.left_bytes.saturating_sub(cost(text) + 64);
        let mut page = json!({ "page": number, "text": text, "source": "document" });
        if let (false, Value::Object(page)) = (whole, &mut page) {
            page.insert("truncated".to_owned(), json!(true));
        }
        self.pages.push(page);
        true
    }

    /// The kind `ocr`, for those pages.
    pub(super) fn done(self) -> Value {
        Value::Array(self.pages)
    }
}

/// Bytes of the text in JSON, at most.
fn cost(text: &str) -> usize {
    text.len() + text.bytes().filter(|byte| matches!(byte, b'\n' | b'"' | b'\\')).count()
}

/// As much of the text as fits, and whether that is all of it.
fn cut(text: &str, room: usize) -> (&str, bool) {
    let mut used = 0;
    for (at, letter) in text.char_indices() {
        used += letter.len_utf8() + usize::from(matches!(letter, '\n' | '"' | '\\'));
        if used > room {
            return (text.get(..at).unwrap_or_default(), false);
        }
    }
    (text, true)
}

/// Follows the drawing of a page and writes down its letters.
struct Reader {
    area: Rect,
    text: String,
    letters: usize,
    hidden_letters: usize,
    nameless: usize,
    picture_area: f64,
    /// Where the last letter ended, and how large it was.
    last: Option<(Point, f64)>,
    /// Where the last run of letters began.
    run: Option<Point>,
}

impl Reader {
    const fn new(area: Rect) -> Self {
        Self {
            area,
            text: String::new(),
            letters: 0,
            hidden_letters: 0,
            nameless: 0,
            picture_area: 0.0,
            last: None,
            run: None,
        }
    }

    /// The text, if it is what a reader would see.
    fn done(self) -> Option<String> {
        let is_scan = self.picture_area >= SCAN_AREA * self.area.area();
        let is_read_already = self.hidden_letters * 2 > self.letters;
        let suffices = self.letters >= LEAST_LETTERS
            && (!is_scan || is_read_already || self.letters >= LETTERS_BESIDE_PICTURES);
        let text = self.text.trim();
        (suffices && self.nameless * 4 <= self.letters && !text.is_empty()).then(|| text.to_owned())
    }

    fn letter(&mut self, glyph: &PositionedGlyph<'_>, transform: Affine, hidden: bool) {
        let to_page = transform * glyph.transform();
        let [a, b, c, d, e, f] = to_page.as_coeffs();
        let origin = Point::new(e, f);
        let size = Vec2::new(c, d).hypot() * EM;
        if !self.area.contains(origin) || self.text.len() >= MOST_PAGE_BYTES || size <= 0.0 {
            return;
        }
        let advance = match &**glyph {
            Glyph::Outline(outline) => outline.advance_width(),
            Glyph::Type3(drawn) => drawn.advance_width(),
        };
        let along = Vec2::new(a, b);
        let end = origin + along * f64::from(advance.unwrap_or_default());
        self.gap(origin, along, size);
        self.last = Some((end, size));
        match glyph.as_unicode() {
            Some(BfString::Char(letter)) => self.write(letter, hidden),
            Some(BfString::String(letters)) => {
                letters.chars().for_each(|letter| self.write(letter, hidden));
            }
            None => self.nameless += 1,
        }
    }

    /// Writes the space or the end of line that lies between the last letter and this one.
    fn gap(&mut self, origin: Point, along: Vec2, size: f64) {
        let Some((end, last_size)) = self.last else { return };
        let length = along.hypot();
        if length <= 0.0 {
            return;
        }
        let along = along / length;
        let (step, size) = (origin - end, size.max(last_size));
        let (forth, aside) = (step.dot(along), step.cross(along).abs());
        if aside > size * 0.6 || forth < -size {
            self.between('\n');
        } else if forth > size * SPACE {
            self.between(' ');
        }
    }

    fn between(&mut self, space: char) {
        let spaces = self.text.len() - self.text.trim_end().len();
        if space == '\n' {
            self.text.truncate(self.text.len() - spaces);
        }
        if !self.text.is_empty() && !self.text.ends_with(char::is_whitespace) {
            self.text.push(space);
        }
    }

    fn write(&mut self, letter: char, hidden: bool) {
        if letter.is_whitespace() || letter.is_control() {
            self.between(' ');
            return;
        }
        self.text.push(letter);
        if letter.is_alphanumeric() {
            self.letters += 1;
            self.hidden_letters += usize::from(hidden);
        }
    }
}

impl<'a> Device<'a> for Reader {
    fn draw_glyph_run(&mut self, run: &GlyphRun<'_, 'a>, props: DrawProps<'a>, mode: &DrawMode) {
        let Some(first) = run.glyphs().first() else { return };
        let begin = (props.transform * first.transform()).translation().to_point();
        // Filled letters may be stroked as well, as a run of its own.
        let again = matches!(mode, DrawMode::Stroke(_)) && self.run == Some(begin);
        self.run = Some(begin);
        if !again {
            let hidden = matches!(mode, DrawMode::Invisible);
            run.glyphs().iter().for_each(|glyph| self.letter(glyph, props.transform, hidden));
        }
    }

    fn draw_image(&mut self, image: Image<'a, '_>, props: ImageDrawProps<'a>) {
        let whole = Rect::new(0.0, 0.0, image.width().into(), image.height().into());
        let shown = props.transform.transform_rect_bbox(whole).intersect(self.area);
        self.picture_area += shown.area();
    }

    fn draw_path(&mut self, _: &BezPath, _: DrawProps<'a>, _: &DrawMode) {}
    fn push_clip_path(&mut self, _: &ClipPath) {}
    fn push_transparency_group(&mut self, _: f32, _: Option<SoftMask<'a>>, _: BlendMode) {}
    fn pop_clip(&mut self) {}
    fn pop_transparency_group(&mut self) {}
}
