//! Posters and storyboards of films, beside ffmpegthumbnailer and FFmpeg's own program.
//!
//! Films are made here, a few seconds each, and played over and over to become long ones.

use std::path::{Path, PathBuf};

use domain::size::Size;
use domain::wish::{Extra, Format, Moment, PreviewWish};
use enclave::Renderer;
use serde_json::json;

use crate::Arguments;
use crate::run::{Light, of, theirs};
use crate::support::Trouble;
use crate::support::figures::{Figures, show_load};

/// A film: name, dimensions, how FFmpeg writes it, and how many seconds are made anew.
const FILMS: [(&str, &str, &str, u32); 5] = [
    ("h264", "1920x1080", "libx264 -preset veryfast -sc_threshold 0", 10),
    ("h264-4k", "3840x2160", "libx264 -preset ultrafast", 6),
    ("hevc", "1920x1080", "libx265 -preset ultrafast -x265-params log-level=none", 6),
    ("vp9", "1920x1080", "libvpx-vp9 -deadline realtime -cpu-used 8", 6),
    ("av1", "1920x1080", "libsvtav1 -preset 12", 6),
];
/// Bits a second, and frames from one key frame to the next.
const BIT_RATE: &str = "4M";
const KEY_FRAMES: &str = "50";
/// Lengths of the films, in seconds.
const SHORT_S: u32 = 60;
const LONG_S: u32 = 600;
/// What reading over a network may come to, in bytes.
const MOST_READ_BYTES: f64 = 2e6;
/// Frames that a peer is asked for, one by one.
const FRAMES: u32 = 10;
/// What a storyboard may hold, in MiB.
const MOST_MIB: f64 = 120.0;

pub(crate) async fn measure(arguments: &Arguments, figures: &mut Figures) -> Result<(), Trouble> {
    let ours = Light::start()?;
    for (codec, size, options, seconds) in FILMS {
        let name = format!("film-poster-{codec}");
        let boards = codec == "h264"
            && ["film-storyboard", "film-exact"].iter().any(|name| arguments.wants(name));
        if !arguments.wants(&name) && !boards {
            continue;
        }
        // Long films take room: one at a time.
        let folder = tempfile::tempdir()?;
        let part = make(folder.path(), codec, size, options, seconds)?;
        let short = looped(&part, SHORT_S / seconds)?;
        if arguments.wants(&name) {
            let long = drawn_out(&part, SHORT_S / seconds, LONG_S / SHORT_S)?;
            poster(&ours, arguments, figures, &name, &short, &long).await?;
        }
        if boards {
            storyboard(&ours, arguments, figures, &short).await?;
        }
    }
    Ok(())
}

fn make(
    folder: &Path,
    name: &str,
    size: &str,
    options: &str,
    seconds: u32,
) -> Result<PathBuf, Trouble> {
    let path = folder.join(format!("{name}.mp4"));
    let source = format!("testsrc2=size={size}:rate=25:duration={seconds},noise=alls=4:allf=t");
    let mut command = of("ffmpeg", &["-v", "error", "-y", "-f", "lavfi", "-i", &source, "-c:v"]);
    command.args(options.split(' ')).args(["-b:v", BIT_RATE, "-g", KEY_FRAMES]);
    command.args(["-pix_fmt", "yuv420p", "-movflags", "+faststart"]);
    theirs(command.arg(&path), 1)?;
    Ok(path)
}

fn looped(part: &Path, times: u32) -> Result<PathBuf, Trouble> {
    let path = part.with_extension(format!("{times}.mp4"));
    let again = times.saturating_sub(1).to_string();
    let mut command = of("ffmpeg", &["-v", "error", "-y", "-stream_loop", &again, "-i"]);
    command.arg(part).args(["-c", "copy"]);
    theirs(command.arg(&path), 1)?;
    Ok(path)
}

/// The part over and over, each of its key frames with what follows `each` times: so many times as long as
/// [`looped`], with the same picture at each thousandth of its length. Their length alone tells them apart.
fn drawn_out(part: &Path, times: u32, each: u32) -> Result<PathBuf, Trouble> {
    let folder = tempfile::tempdir()?;
    let mut command = of("ffmpeg", &["-v", "error", "-y", "-i"]);
    command.arg(part).args(["-c", "copy", "-f", "segment", "-segment_time", "0.1"]);
    command.args(["-reset_timestamps", "1"]);
    // Matroska says of each piece when its first frame is shown; of MP4, FFmpeg puts them together askew.
    theirs(command.arg(folder.path().join("%03d.mkv")), 1)?;
    let mut pieces: Vec<PathBuf> = Vec::new();
    for entry in std::fs::read_dir(folder.path())? {
        pieces.push(entry?.path());
    }
    pieces.sort();
    let list: String = (0..times)
        .flat_map(|_| &pieces)
        .flat_map(|piece| (0..each).map(move |_| format!("file '{}'\n", piece.display())))
        .collect();
    let listed = folder.path().join("pieces.txt");
    std::fs::write(&listed, list)?;
    let path = part.with_extension("long.mp4");
    let mut command = of("ffmpeg", &["-v", "error", "-y", "-f", "concat", "-safe", "0", "-i"]);
    command.arg(listed).args(["-c", "copy"]);
    theirs(command.arg(&path), 1)?;
    Ok(path)
}

fn wish(width: u32) -> Result<PreviewWish, Trouble> {
    Ok(PreviewWish {
        sizes: vec![Size::parse(&json!(width))?],
        format: Some(Format::Jpg),
        ..PreviewWish::default()
    })
}

async fn poster(
    ours: &Light,
    arguments: &Arguments,
    figures: &mut Figures,
    name: &str,
    short: &Path,
    long: &Path,
) -> Result<(), Trouble> {
    let wish = wish(640)?;
    let mut peer = of("ffmpegthumbnailer", &["-s", "640", "-q", "8", "-i"]);
    peer.arg(short).arg("-o").arg(short.with_extension("jpg"));
    ours.times(Renderer::Av, short, &wish, 1).await?;
    for pair in 1..=arguments.pairs {
        show_load(&format!("{name}, pair {pair}"));
        let drawn = ours.times(Renderer::Av, short, &wish, arguments.jobs).await?;
        let of_long = ours.times(Renderer::Av, long, &wish, arguments.jobs).await?;
        let theirs = theirs(&mut peer, arguments.jobs)?;
        figures.add(&format!("media-{name}-cpu-seconds"), drawn.cpu_s, theirs);
        figures.add(&format!("media-{name}-600s-beside-60s"), of_long.cpu_s, drawn.cpu_s);
        figures.add(&format!("media-{name}-read-bytes"), of_long.read_bytes, MOST_READ_BYTES);
        println!("  ours: {:.0} MiB at most", drawn.peak_mib.max(of_long.peak_mib));
    }
    Ok(())
}

/// Frames by the key frames, and frames at exact moments.
async fn storyboard(
    ours: &Light,
    arguments: &Arguments,
    figures: &mut Figures,
    film: &Path,
) -> Result<(), Trouble> {
    let moments: Vec<String> =
        (0..FRAMES).map(|at| format!("{}.5", at * SHORT_S / FRAMES)).collect();
    let mut by_keys = wish(160)?;
    by_keys.options.extras = [Extra::Storyboard].into();
    let mut exact = wish(160)?;
    exact.options.at = moments.iter().map(|at| Moment::parse(at)).collect::<Result<_, _>>()?;
    exact.pages = domain::wish::Pages::parse("all")?;
    for (name, wish, skip) in [
        ("film-storyboard", &by_keys, &["-skip_frame", "nokey"][..]),
        ("film-exact", &exact, &[][..]),
    ] {
        if !arguments.wants(name) {
            continue;
        }
        ours.times(Renderer::Av, film, wish, 1).await?;
        for pair in 1..=arguments.pairs {
            show_load(&format!("{name}, pair {pair}"));
            let drawn = ours.times(Renderer::Av, film, wish, arguments.jobs).await?;
            let mut sum = 0.0;
            for at in &moments {
                let mut peer = of("ffmpeg", &["-v", "error", "-y"]);
                peer.args(skip).args(["-ss", at, "-i"]).arg(film);
                peer.args(["-frames:v", "1", "-vf", "scale=160:-1"]);
                sum += theirs(peer.arg(film.with_extension("jpg")), 1)?;
            }
            figures.add(&format!("media-{name}-cpu-seconds"), drawn.cpu_s, sum);
            figures.add(&format!("media-{name}-peak-mib"), drawn.peak_mib, MOST_MIB);
        }
    }
    Ok(())
}
