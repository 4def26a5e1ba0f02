//! What files say of themselves, beside the programs that tell it in a shell. Nothing is drawn.

use std::path::Path;
use std::process::Command;

use domain::wish::{MetadataKind, PreviewWish};
use enclave::Renderer;

use crate::Arguments;
use crate::run::{Light, of, theirs};
use crate::support::Trouble;
use crate::support::figures::{Figures, show_load};

/// Times that a job is done: CPU time is counted in ticks of ten milliseconds.
const REPEATS: u32 = 8;

pub(crate) async fn measure(arguments: &Arguments, figures: &mut Figures) -> Result<(), Trouble> {
    let folder = tempfile::tempdir()?;
    let at = |name: &str| folder.path().join(name);
    let works = [
        ("metadata-mp4", at("minute.mp4"), MetadataKind::Multimedia, Renderer::Av, "mediainfo"),
        ("metadata-short-mp4", at("film.mp4"), MetadataKind::Multimedia, Renderer::Av, "mediainfo"),
        ("metadata-mp3", at("sound.mp3"), MetadataKind::Multimedia, Renderer::Av, "mediainfo"),
        ("metadata-jpeg", at("photo.jpg"), MetadataKind::Exif, Renderer::Light, "exiftool"),
    ];
    let ours = Light::start()?;
    for (name, source, kind, renderer, peer) in works {
        if !arguments.wants(name) {
            continue;
        }
        make(&source)?;
        let wish = PreviewWish {
            sizes: Vec::new(),
            metadata: [kind].into_iter().collect(),
            ..PreviewWish::default()
        };
        let mut peer: Command = of(peer, &[]);
        peer.arg(&source);
        let jobs = arguments.jobs * REPEATS;
        ours.times(renderer, &source, &wish, 1).await?;
        for pair in 1..=arguments.pairs {
            show_load(&format!("{name}, pair {pair}"));
            let drawn = ours.times(renderer, &source, &wish, jobs).await?;
            let found = theirs(&mut peer, jobs)?;
            figures.add(&format!("media-{name}-cpu-seconds"), drawn.cpu_s, found);
        }
    }
    Ok(())
}

/// A film, a sound or a photograph, with a few tags. A film of a minute has sound.
fn make(path: &Path) -> Result<(), Trouble> {
    let is = |ending: &str| path.extension().is_some_and(|found| found == ending);
    let is_minute = path.file_stem().is_some_and(|stem| stem == "minute");
    let source = match (is("mp3"), is_minute) {
        (true, _) => "sine=duration=20",
        (_, true) => "testsrc2=s=1920x1080:d=4[out0];sine=duration=4[out1]",
        (_, false) => "testsrc2=s=1280x720:d=4",
    };
    let mut command = of("ffmpeg", &["-v", "error", "-y", "-f", "lavfi", "-i", source]);
    if is("jpg") {
        command.args(["-frames:v", "1", "-q:v", "2"]);
    }
    command.args(["-metadata", "title=A title", "-metadata", "artist=Ada"]);
    if is_minute {
        let part = path.with_extension("part.mp4");
        theirs(command.arg(&part), 1)?;
        command = of("ffmpeg", &["-v", "error", "-y", "-stream_loop", "14", "-i"]);
        command.arg(&part).args(["-c", "copy"]);
    }
    theirs(command.arg(path), 1)?;
    Ok(())
}
