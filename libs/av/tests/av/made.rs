//! Media made by the `ffmpeg` program, once, in a folder that later runs find again.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::kit::Pixels;

/// Where media lie; its name changes with how they are made.
fn folder() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("av-media-1");
    fs::create_dir_all(&folder).expect("make a folder for media");
    folder
}

/// The file of that name, made by `ffmpeg` with these arguments (separated by spaces) if it is not
/// there yet. `@NAME` stands for the path of another one.
pub(crate) fn media(name: &str, arguments: &str) -> Vec<u8> {
    fs::read(path(name, arguments)).expect("read media")
}

/// As [`media`], its path.
pub(crate) fn path(name: &str, arguments: &str) -> PathBuf {
    let path = folder().join(name);
    if !path.exists() {
        // Under another name first: tests run side by side.
        let own = folder().join(format!(
            "{}-{:?}-{name}",
            std::process::id(),
            std::thread::current().id()
        ));
        let arguments: Vec<String> = arguments
            .split_whitespace()
            .map(|word| match word.strip_prefix('@') {
                Some(other) => folder().join(other).display().to_string(),
                None => word.to_owned(),
            })
            .collect();
        run(Command::new("ffmpeg")
            .args(["-v", "error", "-nostdin", "-y"])
            .args(arguments)
            .arg(&own));
        fs::rename(&own, &path).expect("name media");
    }
    path
}

/// The file of that name, made by another program, which gets the target's path as last argument.
pub(crate) fn by(name: &str, program: &str, arguments: &[&str]) -> Vec<u8> {
    let path = folder().join(name);
    if !path.exists() {
        let own = folder().join(format!("{}-{name}", std::process::id()));
        run(Command::new(program).args(arguments).arg("-o").arg(&own));
        fs::rename(&own, &path).expect("name media");
    }
    fs::read(path).expect("read media")
}

fn run(command: &mut Command) -> Vec<u8> {
    let output = command
        .stderr(Stdio::piped())
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}; ./justw --need tests installs it"));
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {text}");
    output.stdout
}

/// A picture, or a film's frame after so many seconds, as the `ffmpeg` program sees it.
pub(crate) fn pixels(picture: &[u8], seconds: Option<f64>) -> Pixels {
    let file = tempfile::NamedTempFile::new().expect("a file");
    file.as_file().write_all(picture).expect("write");
    let mut command = Command::new("ffmpeg");
    command.args(["-v", "error", "-nostdin"]);
    if let Some(seconds) = seconds {
        command.args(["-ss", &seconds.to_string()]);
    }
    command.arg("-i").arg(file.path());
    command.args(["-frames:v", "1", "-pix_fmt", "rgb24", "-f", "image2pipe", "-c:v", "ppm", "-"]);
    ppm(&run(&mut command))
}

fn ppm(bytes: &[u8]) -> Pixels {
    let mut words = bytes.splitn(4, |byte| byte.is_ascii_whitespace());
    let mut number = || -> String {
        String::from_utf8(words.next().expect("a header").to_vec()).expect("a header")
    };
    assert_eq!(number(), "P6");
    let (width, height) = (number().parse().expect("width"), number().parse().expect("height"));
    let rgb = bytes[bytes.len() - width * height * 3..].to_vec();
    Pixels { width, height, rgb }
}

/// What `ffprobe` says of a file.
pub(crate) fn probed(path: &Path) -> serde_json::Value {
    let mut command = Command::new("ffprobe");
    command.args(["-v", "error", "-of", "json", "-show_format", "-show_streams", "-show_chapters"]);
    serde_json::from_slice(&run(command.arg(path))).expect("JSON")
}
