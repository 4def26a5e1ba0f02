//! Still pictures: a photograph of 24 megapixels in every format that peers read too.

use std::path::{Path, PathBuf};

use domain::wish::Format;
use serde_json::{Value, json};

use crate::run::{of, theirs};
use crate::support::Trouble;
use crate::support::cpu;
use crate::support::figures::{Figures, show_load};
use crate::support::likeness::Gray;
use crate::support::pictures::{Cost, Ours, Theirs, Work};
use crate::{Arguments, photo};

const ALL: [u32; 3] = [1_920, 640, 256];
const SMALL: [u32; 1] = [256];

/// One work: its name, its source, how sharp writes that, the format and widths drawn.
type Row = (&'static str, &'static str, fn() -> Value, Format, &'static [u32]);

const ROWS: [Row; 11] = [
    ("jpeg", "photo.jpg", || Value::Null, Format::Jpg, &ALL),
    ("jpeg-small", "photo.jpg", || Value::Null, Format::Jpg, &SMALL),
    ("jpeg-to-webp", "photo.jpg", || Value::Null, Format::Webp, &ALL),
    (
        "progressive",
        "progressive.jpg",
        || json!({ "jpeg": { "progressive": true } }),
        Format::Jpg,
        &ALL,
    ),
    (
        "cmyk",
        "cmyk.jpg",
        || json!({ "jpeg": { "quality": 90 }, "space": "cmyk" }),
        Format::Jpg,
        &ALL,
    ),
    ("png", "photo.png", || json!({ "png": { "compressionLevel": 6 } }), Format::Jpg, &ALL),
    ("webp", "photo.webp", || json!({ "webp": { "quality": 85 } }), Format::Jpg, &ALL),
    ("tiff-lzw", "lzw.tiff", || json!({ "tiff": { "compression": "lzw" } }), Format::Jpg, &ALL),
    (
        "tiff-plain",
        "plain.tiff",
        || json!({ "tiff": { "compression": "none" } }),
        Format::Jpg,
        &ALL,
    ),
    ("avif", "photo.avif", || json!({ "avif": { "quality": 60, "effort": 2 } }), Format::Jpg, &ALL),
    ("heic", "photo.heic", || json!({ "heif": { "quality": 60 } }), Format::Jpg, &ALL),
];

pub(crate) async fn measure(arguments: &Arguments, figures: &mut Figures) -> Result<(), Trouble> {
    if !ROWS.iter().any(|(name, ..)| arguments.wants(name)) {
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    let photo = folder.path().join("photo.jpg");
    std::fs::write(&photo, photo::photograph()?)?;
    let ours = Ours::start()?;
    let mut peers = vec![
        Theirs::sharp("separate", folder.path())?,
        Theirs::sharp("chained", folder.path())?,
        Theirs::pillow(folder.path())?,
    ];
    for (name, source, options, format, widths) in ROWS {
        if !arguments.wants(name) {
            continue;
        }
        let source = prepared(&mut peers, folder.path(), source, options()).await?;
        let work = Work { source, format, widths: widths.to_vec() };
        ours.measure(&work, 1).await?;
        for peer in able(&mut peers, &work) {
            peer.measure(&work, 1).await?;
        }
        for pair in 1..=arguments.pairs {
            show_load(&format!("{name}, pair {pair}"));
            let drawn = ours.measure(&work, arguments.jobs).await?;
            let mut best: Option<Cost> = None;
            for peer in able(&mut peers, &work) {
                let found = peer.measure(&work, arguments.jobs).await?;
                println!("  {:<20} {:.3} CPU s, {:.0} MiB", peer.name, found.cpu_s, found.peak_mib);
                best = Some(best.filter(|best| best.cpu_s <= found.cpu_s).unwrap_or(found));
            }
            let best = best.ok_or("no peer")?;
            figures.add(&format!("media-{name}-cpu-seconds"), drawn.cpu_s, best.cpu_s);
            figures.add(&format!("media-{name}-peak-mib"), drawn.peak_mib, best.peak_mib);
            figures.add(&format!("media-{name}-output-kib"), drawn.output_kib, best.output_kib);
            if widths == SMALL {
                let floor = floor(&work.source, arguments.jobs)?;
                figures.add(&format!("media-{name}-floor"), drawn.cpu_s, floor);
                let mut djpeg = of("djpeg", &["-scale", "1/8", "-outfile", "/dev/null"]);
                let program = theirs(djpeg.arg(&work.source), arguments.jobs * 4)?;
                figures.add(&format!("media-{name}-djpeg"), drawn.cpu_s, program);
            }
            if pair == arguments.pairs && format == Format::Jpg && name.starts_with("jpeg") {
                likeness(name, &work, &drawn, &best, figures)?;
            }
        }
    }
    Ok(())
}

/// The peers that read the source.
fn able<'a>(peers: &'a mut [Theirs], work: &'a Work) -> impl Iterator<Item = &'a mut Theirs> {
    peers.iter_mut().filter(|peer| peer.reads(&work.source))
}

/// How like the exact means of the photograph's pixels both sides' pictures are.
fn likeness(
    name: &str,
    work: &Work,
    drawn: &Cost,
    best: &Cost,
    figures: &mut Figures,
) -> Result<(), Trouble> {
    let whole = Gray::of_jpeg(&std::fs::read(&work.source)?)?;
    for (width, (ours, theirs)) in work.widths.iter().zip(drawn.pictures.iter().zip(&best.pictures))
    {
        let (ours, theirs) = (Gray::of_jpeg(ours)?, Gray::of_jpeg(theirs)?);
        let exact = whole.shrunk(ours.width, ours.height);
        if (theirs.width, theirs.height) != (ours.width, ours.height) {
            return Err("the pictures differ in size".into());
        }
        let (ours, theirs) = (exact.likeness(&ours), exact.likeness(&theirs));
        figures.add(&format!("media-{name}-ssim-{width}"), ours, theirs);
    }
    Ok(())
}

/// The photograph as the row wants it.
async fn prepared(
    peers: &mut [Theirs],
    folder: &Path,
    name: &str,
    options: Value,
) -> Result<PathBuf, Trouble> {
    let path = folder.join(name);
    if !path.exists() {
        let maker = peers.iter_mut().find(|peer| peer.reads(&path)).ok_or("no peer")?;
        maker.make(&folder.join("photo.jpg"), &path, options).await?;
    }
    Ok(path)
}

/// CPU seconds of decoding at an eighth and nothing else, which is what djpeg does once started.
fn floor(source: &Path, jobs: u32) -> Result<f64, Trouble> {
    let jpeg = std::fs::read(source)?;
    let before = cpu::own()?;
    for _ in 0..jobs * 4 {
        let mut decompressor = turbojpeg::Decompressor::new()?;
        let header = decompressor.read_header(&jpeg)?;
        let scale = turbojpeg::ScalingFactor::ONE_EIGHTH;
        decompressor.set_scaling_factor(scale)?;
        let (width, height) = (scale.scale(header.width), scale.scale(header.height));
        let mut pixels = vec![0; width * height * 3];
        let format = turbojpeg::PixelFormat::RGB;
        let pitch = width * 3;
        let image =
            turbojpeg::Image { pixels: pixels.as_mut_slice(), width, pitch, height, format };
        decompressor.decompress(&jpeg, image)?;
    }
    Ok((cpu::own()? - before) / f64::from(jobs * 4))
}
