//! One page of a PDF, drawn as large as it is wanted.

use std::cell::RefCell;

use domain::limits::Limits;
use hayro::hayro_interpret::InterpreterSettings;
use hayro::hayro_interpret::util::TransformExt;
use hayro::hayro_syntax::page::Page;
use hayro::kurbo::Affine;
use hayro::vello_cpu::color::palette::css::WHITE;
use hayro::vello_cpu::{PixmapMut, RasterizerSettings, RenderContext, Resources, TargetInit};
use hayro::{RenderCache, RenderSettings, render_into};
use stills::{Error, Picture};

use crate::canvas;

/// Pixels of a point, of which an inch has 72, in the size that is called the original one: 150 to
/// the inch.
const ORIGINAL_SCALE: f64 = 150.0 / 72.0;
/// Largest unit of a page that is believed, in points.
const MOST_USER_UNIT: f64 = 1e6;

/// What pages share: fonts and glyphs found so far, and the memory they are drawn in.
pub(super) struct Studio<'a> {
    cache: RenderCache<'a>,
    settings: InterpreterSettings,
    canvas: RefCell<RenderContext>,
}

impl Studio<'_> {
    pub(super) fn new(settings: InterpreterSettings) -> Self {
        let canvas = RefCell::new(RenderContext::new(1, 1));
        Self { cache: RenderCache::new(), settings, canvas }
    }
}

/// A page to be drawn.
pub(super) struct Leaf<'a, 's> {
    page: &'a Page<'a>,
    studio: &'s Studio<'a>,
    dimensions: (u32, u32),
    tells_text: bool,
}

impl<'a, 's> Leaf<'a, 's> {
    pub(super) fn new(
        page: &'a Page<'a>,
        studio: &'s Studio<'a>,
        limits: &Limits,
        tells_text: bool,
    ) -> Self {
        let (width, height) = points(page);
        let dimensions = canvas::original(width * ORIGINAL_SCALE, height * ORIGINAL_SCALE, limits);
        Self { page, studio, dimensions, tells_text }
    }
}

/// Width and height of a page, turned as it is to be seen, in points.
pub(super) fn points(page: &Page<'_>) -> (f64, f64) {
    let unit = page.raw().get::<f64>("UserUnit").unwrap_or(1.0);
    let unit = if unit > 0.0 { unit.min(MOST_USER_UNIT) } else { 1.0 };
    let (width, height) = page.render_dimensions();
    (f64::from(width) * unit, f64::from(height) * unit)
}

impl stills::Page for Leaf<'_, '_> {
    fn dimensions(&self) -> (u32, u32) {
        self.dimensions
    }

    fn tells_text(&self) -> bool {
        self.tells_text
    }

    fn decode(&mut self, least: (u32, u32), limits: &Limits) -> Result<Picture, Error> {
        let (width, height) = canvas::drawn(least, limits);
        let (page_width, page_height) = self.page.render_dimensions();
        let scale = Affine::scale_non_uniform(
            f64::from(width) / f64::from(page_width),
            f64::from(height) / f64::from(page_height),
        );
        let transform = scale * self.page.initial_transform(true).to_kurbo();
        if !transform.is_finite() {
            return Err(Error::corrupt("a page without dimensions"));
        }
        let Studio { cache, settings, canvas } = self.studio;
        let mut context = canvas.borrow_mut();
        context.reset_and_resize(width, height);
        let options = RenderSettings::default();
        render_into(self.page, cache, settings, &options, &mut context, transform);
        context.flush();
        let paper =
            RasterizerSettings { target_init: TargetInit::Clear(WHITE), ..Default::default() };
        let mut pixels = stills::zeroed(usize::from(width) * usize::from(height) * 4);
        let target = PixmapMut::new(width, height, &mut pixels);
        let target = target.ok_or(Error::Memory { what: "pixels of a page" })?;
        context.render_with(target, &mut Resources::default(), paper);
        // Whatever is drawn on white paper leaves it opaque.
        Picture::opaque(width.into(), height.into(), pixels)
    }
}
