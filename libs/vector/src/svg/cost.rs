//! What drawing an SVG costs, before it is drawn.
//!
//! Every group with a mask, a clip, an opacity or a filter is drawn into pixels of its own first;
//! a pattern as well, for each shape it fills; a picture is decoded wherever it is shown. All that
//! can be told from the drawing and the size it is to be drawn in. The unit is about what it costs
//! to touch a pixel once.

use std::collections::HashMap;
use std::sync::Arc;

use domain::limits::Limits;
use resvg::usvg::filter::{Filter, Kind};
use resvg::usvg::{
    ClipPath, Group, Image, ImageKind, Mask, Node, NonZeroRect, Paint, Path, Pattern, Rect, Tree,
};
use stills::Error;

/// Most pixels that are touched: some ten seconds.
const MOST_WORK: f64 = 2.5e9;
/// Pixels that are touched in a millisecond, at least; half of a job's time is left for the rest.
const WORK_PER_MS: f64 = 1.25e5;
/// Most layers of the drawing's own size that wait for what is drawn into them.
const MOST_LAYER_PIXELS: f64 = 150e6;
/// A layer is never larger than this many times the drawing, which the renderer sees to.
const LAYER_AREA: f64 = 25.0;
/// What a vertex of a path costs, in pixels.
const VERTEX: f64 = 40.0;
/// What it costs more in a line that is drawn, which has two edges and a joint there, in pixels.
const JOINT: f64 = 250.0;
/// What each row of pixels costs that an edge of a filled path crosses, in pixels.
const FILLED_ROW: f64 = 6.0;
/// What each row of pixels costs that an edge of a drawn line crosses, in pixels.
const LINE_ROW: f64 = 75.0;
/// What a pixel costs in the steps of a filter.
const BLUR: f64 = 28.0;
const SHADOW: f64 = 40.0;
const LIGHT: f64 = 16.0;
const OCTAVE: f64 = 26.0;
const OTHER_STEP: f64 = 10.0;
/// What a pixel of a picture costs to decode, in pixels.
const DECODE: f64 = 4.0;
/// Most dashes of a line, which the renderer sees to.
const MOST_DASHES: f64 = 1e6;

/// Refuses what would take too much to draw in this size.
pub(super) fn check(
    tree: &Tree,
    scale: (f32, f32),
    (width, height): (u16, u16),
    limits: &Limits,
) -> Result<(), Error> {
    let area = f64::from(width) * f64::from(height);
    let mut bill = Bill {
        area,
        scale: (f64::from(scale.0), f64::from(scale.1)),
        most_picture: limits.pixels,
        known: HashMap::new(),
        too_large: false,
    };
    let Cost { work, held } = bill.group(tree.root());
    let most_work = MOST_WORK.min(limits.renderer_cpu_ms as f64 * WORK_PER_MS);
    if bill.too_large || work > most_work || held > MOST_LAYER_PIXELS.max(area * 4.0) {
        return Err(Error::Expands { what: "a drawing of too many layers".to_owned() });
    }
    Ok(())
}

/// What a part of a drawing costs.
#[derive(Debug, Clone, Copy, Default)]
struct Cost {
    /// Pixels touched.
    work: f64,
    /// Most pixels held at once.
    held: f64,
}

impl Cost {
    /// Both, one after the other.
    fn and(self, other: Self) -> Self {
        Self { work: self.work + other.work, held: self.held.max(other.held) }
    }

    /// Within a layer of so many pixels.
    fn within(self, pixels: f64) -> Self {
        Self { work: self.work + pixels * 2.0, held: self.held + pixels }
    }
}

struct Bill {
    area: f64,
    scale: (f64, f64),
    most_picture: u64,
    /// Masks, clips and patterns by where they are.
    known: HashMap<usize, Cost>,
    too_large: bool,
}

impl Bill {
    fn group(&mut self, group: &Group) -> Cost {
        let mut cost = Cost::default();
        for node in group.children() {
            cost = cost.and(match node {
                Node::Group(group) => self.group(group),
                Node::Path(path) => self.path(path),
                Node::Image(image) => self.image(image),
                Node::Text(text) => self.group(text.flattened()),
            });
        }
        if !group.should_isolate() {
            return cost;
        }
        let layer = self.layer(group.abs_layer_bounding_box());
        for filter in group.filters() {
            cost = cost.and(self.filter(filter, layer));
        }
        if let Some(clip) = group.clip_path() {
            cost = cost.and(self.clip(clip, layer));
        }
        if let Some(mask) = group.mask() {
            cost = cost.and(self.mask(mask, layer));
        }
        cost.within(layer)
    }

    fn path(&mut self, path: &Path) -> Cost {
        let shown = self.shown(path.abs_stroke_bounding_box());
        let vertices = path.data().len() as f64;
        let rows = self.rows(path);
        let mut cost = Cost { work: shown + vertices * VERTEX + rows * FILLED_ROW, held: 0.0 };
        if path.stroke().is_some() {
            cost.work += rows * LINE_ROW + vertices * JOINT;
        }
        if let Some(stroke) = path.stroke()
            && let Some(dashes) = stroke.dasharray()
        {
            let period: f64 = dashes.iter().map(|dash| f64::from(*dash)).sum();
            let bounds = path.bounding_box();
            let length = f64::from(bounds.width() + bounds.height()) * vertices;
            cost.work += (length / period.max(1e-9)).min(MOST_DASHES) * VERTEX;
        }
        let paints = [path.fill().map(|fill| fill.paint()), path.stroke().map(|line| line.paint())];
        for paint in paints.into_iter().flatten() {
            if let Paint::Pattern(pattern) = paint {
                cost = cost.and(self.pattern(pattern));
            }
        }
        cost
    }

    fn image(&mut self, image: &Image) -> Cost {
        let shown = self.shown(image.abs_bounding_box());
        match image.kind() {
            ImageKind::SVG(tree) => self.group(tree.root()).within(self.area),
            _ => {
                let size = image.size();
                let pixels = f64::from(size.width()) * f64::from(size.height());
                self.too_large |= pixels > self.most_picture as f64;
                Cost { work: pixels * DECODE + shown * 4.0, held: pixels }
            }
        }
    }

    fn pattern(&mut self, pattern: &Arc<Pattern>) -> Cost {
        let key = Arc::as_ptr(pattern) as usize;
        if let Some(cost) = self.known.get(&key) {
            return *cost;
        }
        // The scale at which it is drawn depends on where; the file's own is the best guess.
        let rect = pattern.rect();
        let (across, down) = pattern.transform().get_scale();
        let tile = f64::from(rect.width() * across)
            * self.scale.0
            * f64::from(rect.height() * down)
            * self.scale.1;
        self.too_large |= tile > self.most_picture as f64;
        let cost = self.group(pattern.root()).within(tile);
        self.known.insert(key, cost);
        cost
    }

    fn clip(&mut self, clip: &ClipPath, layer: f64) -> Cost {
        let key = std::ptr::from_ref(clip) as usize;
        if let Some(cost) = self.known.get(&key) {
            return *cost;
        }
        let mut cost = self.group(clip.root());
        if let Some(inner) = clip.clip_path() {
            cost = cost.and(self.clip(inner, layer));
        }
        let cost = cost.within(layer);
        self.known.insert(key, cost);
        cost
    }

    fn mask(&mut self, mask: &Mask, layer: f64) -> Cost {
        let key = std::ptr::from_ref(mask) as usize;
        if let Some(cost) = self.known.get(&key) {
            return *cost;
        }
        let mut cost = self.group(mask.root());
        if let Some(inner) = mask.mask() {
            cost = cost.and(self.mask(inner, layer));
        }
        let cost = cost.within(layer);
        self.known.insert(key, cost);
        cost
    }

    /// Each step keeps its result until the last is done.
    fn filter(&mut self, filter: &Filter, layer: f64) -> Cost {
        let edge = layer.sqrt();
        let mut cost = Cost::default();
        for step in filter.primitives() {
            let per_pixel = match step.kind() {
                Kind::ConvolveMatrix(kernel) => {
                    f64::from(kernel.matrix().columns()) * f64::from(kernel.matrix().rows())
                }
                Kind::Morphology(brush) => {
                    let reach = |radius: f32, scale: f64| {
                        (f64::from(radius) * scale * 2.0 + 1.0).clamp(1.0, edge.max(1.0))
                    };
                    reach(brush.radius_x().get(), self.scale.0)
                        * reach(brush.radius_y().get(), self.scale.1)
                }
                Kind::Turbulence(noise) => OCTAVE * f64::from(noise.num_octaves()).max(1.0),
                Kind::GaussianBlur(_) => BLUR,
                Kind::DropShadow(_) => SHADOW,
                Kind::DiffuseLighting(_) | Kind::SpecularLighting(_) => LIGHT,
                Kind::Merge(merge) => OTHER_STEP * merge.inputs().len() as f64,
                Kind::Image(image) => {
                    cost = cost.and(self.group(image.root()).within(layer));
                    OTHER_STEP
                }
                _ => OTHER_STEP,
            };
            cost.work += per_pixel * layer;
            cost.held += layer;
        }
        cost
    }

    /// Rows of pixels that the edges of a path cross, together.
    fn rows(&self, path: &Path) -> f64 {
        let scale = f64::from(path.abs_transform().get_scale().1) * self.scale.1;
        let most = self.area.sqrt() * 2.0;
        let points = path.data().points();
        let pairs = points.iter().zip(points.iter().skip(1));
        pairs.map(|(a, b)| (f64::from((a.y - b.y).abs()) * scale).min(most)).sum()
    }

    /// Pixels of a layer around what is drawn into it.
    fn layer(&self, bounds: NonZeroRect) -> f64 {
        let (across, down) = self.scale;
        let width = f64::from(bounds.width()) * across + 4.0;
        let height = f64::from(bounds.height()) * down + 4.0;
        (width * height).min(self.area * LAYER_AREA)
    }

    /// Pixels that something covers, at most.
    fn shown(&self, bounds: Rect) -> f64 {
        let (across, down) = self.scale;
        let pixels = f64::from(bounds.width()) * across * f64::from(bounds.height()) * down;
        pixels.min(self.area)
    }
}
