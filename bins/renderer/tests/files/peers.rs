//! Independent renderers: what others make of the same file.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use image::RgbImage;

use crate::corpus::{Entry, Expected, root};
use crate::jobs::{Drawn, End};
use crate::told;

/// Rows whose files the Python script reads; it holds Pillow and libheif.
const STILLS: &[&str] = &[
    "avif", "bmp", "gif", "heic", "ico", "jpeg", "png", "pnm", "psd", "qoi", "tga", "tiff", "webp",
];

/// Rows whose files nobody else draws as we do: pages that we lay out by ourselves.
const PEERLESS: &[&str] = &["archive", "epub", "font", "mail", "other", "raw", "sketch", "text"];

/// Files that the peer of their row cannot draw, and why.
pub(crate) const CANNOT: &[(&str, &str)] = &[
    (
        "jxl/tests/testdata/ec_upsampling16_no_upsampling.jxl",
        "libjxl refuses extra channels that are upsampled 16 times",
    ),
    ("imagecodecs/tests/data/384x256.hdr", "FFmpeg before 6 reads no Radiance"),
    ("jxl/tests/testdata/modular_rle_fast_path.jxl", "libjxl takes it for cut off"),
];

/// Whether somebody else draws what was drawn of the file.
pub(crate) fn has_one(entry: &Entry, drawn: &Drawn) -> bool {
    let peerless = entry.alone || PEERLESS.contains(&&*entry.row);
    if peerless || !matches!(entry.expected, Expected::Drawn { .. }) {
        return false;
    }
    match &drawn.end {
        // Nobody else draws our waveform.
        End::Rendered(rendered) if entry.row == "audio" => told::has_picture(rendered),
        // What is not of its row's kind is laid out as text.
        End::Rendered(_) => entry.media_type != "text/plain",
        End::HandedOver(_) | End::Failed(..) | End::Trouble(_) => false,
    }
}

/// What the peers make of page 1 of these files, each in its dimensions, by path.
pub(crate) fn draw(files: &[(&Entry, (u32, u32))]) -> BTreeMap<String, RgbImage> {
    let folder = tempfile::tempdir().expect("a folder");
    let mut drawn = BTreeMap::new();
    let stills: Vec<_> =
        files.iter().filter(|(entry, _)| STILLS.contains(&entry.row.as_str())).collect();
    let mut orders = String::new();
    for (index, (entry, (width, height))) in stills.iter().enumerate() {
        let out = folder.path().join(format!("{index}.ppm"));
        let (file, out) = (entry.file(), out);
        orders += &format!("{}\t{width}\t{height}\t{}\n", file.display(), out.display());
    }
    python(&orders);
    for (index, (entry, dimensions)) in stills.iter().enumerate() {
        take(&mut drawn, entry, &folder.path().join(format!("{index}.ppm")), *dimensions);
    }
    for (index, (entry, dimensions)) in files.iter().enumerate() {
        let out = folder.path().join(format!("other-{index}"));
        if let Some(made) = other(entry, *dimensions, &out) {
            take(&mut drawn, entry, &made, *dimensions);
        }
    }
    drawn
}

pub(crate) fn take(
    drawn: &mut BTreeMap<String, RgbImage>,
    entry: &Entry,
    file: &Path,
    dimensions: (u32, u32),
) {
    // One that the peer could not draw is missing here, and the comparison says so.
    if let Ok(picture) = image::open(file) {
        let (width, height) = dimensions;
        let filter = image::imageops::FilterType::Triangle;
        let over = on_white(&picture.to_rgba8());
        drawn.insert(entry.path.clone(), image::imageops::resize(&over, width, height, filter));
    }
}

/// Lays a picture on white.
pub(crate) fn on_white(picture: &image::RgbaImage) -> RgbImage {
    RgbImage::from_fn(picture.width(), picture.height(), |x, y| {
        let [red, green, blue, alpha] = picture.get_pixel(x, y).0;
        let over = |value: u8| {
            let (value, alpha) = (u32::from(value), u32::from(alpha));
            ((value * alpha + 255 * (255 - alpha)) / 255) as u8
        };
        image::Rgb([over(red), over(green), over(blue)])
    })
}

/// A program by others, which has some minutes.
pub(crate) fn program(name: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("timeout");
    command.args(["--kill-after=5s", "3m"]).arg(name);
    command
}

fn python(orders: &str) {
    let python = root().join(".tools/venv-peers/bin/python");
    assert!(python.exists(), "the peers' Python: run ./justw --need corpus");
    let mut child = program(python)
        .arg(root().join("bins/renderer/tests/files/peer.py"))
        .stdin(Stdio::piped())
        .spawn()
        .expect("started");
    child.stdin.take().expect("piped").write_all(orders.as_bytes()).expect("ordered");
    assert!(child.wait().expect("ended").success(), "the peers' script failed");
}

/// Page 1 by a program of its own; where there is one for the row.
fn other(entry: &Entry, (width, height): (u32, u32), out: &Path) -> Option<std::path::PathBuf> {
    let (file, png) = (entry.file(), out.with_extension("png"));
    let mut command = match entry.row.as_str() {
        "pdf" | "illustrator" => {
            let mut command = program("pdftoppm");
            let (width, height) = (width.to_string(), height.to_string());
            command.args([
                "-png",
                "-singlefile",
                "-cropbox",
                "-scale-to-x",
                &width,
                "-scale-to-y",
                &height,
            ]);
            command.arg(&file).arg(out);
            command
        }
        "svg" => {
            let mut command = program("rsvg-convert");
            command.args([
                "--format",
                "png",
                "--width",
                &width.to_string(),
                "--height",
                &height.to_string(),
            ]);
            command.arg("--output").arg(&png).arg(&file);
            command
        }
        // Of sounds, the cover that lies in them; a waveform has no peer.
        "video" | "audio" => {
            let mut command = program("ffmpeg");
            command.args(["-loglevel", "quiet", "-y", "-i"]).arg(&file);
            let scale = format!("scale={width}:{height}:flags=area,format=rgb24");
            command.args(["-frames:v", "1", "-an", "-vf", &scale]).arg(&png);
            command
        }
        "exr" | "hdr" | "jxl" => {
            let mut command = program("ffmpeg");
            command.args(["-loglevel", "quiet", "-y", "-apply_trc", "iec61966_2_1", "-i"]);
            command.arg(&file).args(["-frames:v", "1"]).arg(&png);
            command
        }
        _ => return None,
    };
    let ended = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
    ended.expect("a peer: run ./justw --need corpus").success().then_some(png)
}
