//! `darkroom preview`: one file through the running system, with everybody watching.

mod handed;

use std::{
    io::{Write as _, stdout},
    path::{Path, PathBuf},
};

use bytes::Bytes;
use clap::Args;
use domain::FailureCode;
use serde_json::{Map, Value, json};
use service::{Clock, Failure, OrTry};
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::{
    client::{Client, ClientError},
    connection::{Connection, Where},
    progress::Progress,
};
pub(crate) use handed::Handed;

/// Make previews of a file, watch it happen, and download the result
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  darkroom preview photograph.jpg --sizes 640x480,128
  darkroom preview https://example.com/a.png --format webp --out thumbs
  darkroom preview photograph.jpg --metadata exif,checksum --metadata-only --json
  darkroom preview photograph.jpg --sizes 400x400 --crop fill --quality 85
  darkroom preview film.mp4 --at 10%,1:30 --extras storyboard,clip
  darkroom preview report.pdf --pages 1-3 --metadata ocr,document

A file of this machine goes into the platform bucket, is handed over as a pre-signed link,
and is removed afterwards: no byte of it passes through the API. Paths of what was
downloaded are printed on standard output, one a line; all else on standard error.

Sizes: 300 (width), x200 (height), 300x200 (fit inside), 300x200> (never enlarge), original.")]
pub(crate) struct Arguments {
    /// A file, an http or https URL, upload:ID, or s3://bucket/key of an input
    #[arg(value_name = "FILE|URL")]
    source: String,
    #[command(flatten)]
    wish: Wish,
    /// Put the result into this folder [default: ./<name>-previews]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Print the API's answer as JSON instead of paths
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Where,
}

/// What is wished for.
#[derive(Debug, Default, Args)]
pub(crate) struct Wish {
    /// Sizes, parted by commas
    #[arg(long, value_delimiter = ',')]
    pub(crate) sizes: Vec<String>,
    /// Format of the renditions: jpg, png, webp, avif or gif
    #[arg(long)]
    pub(crate) format: Option<String>,
    /// Metadata to look for, parted by commas: exif, ocr, psd, checksum, multimedia, webpage, raw,
    /// sketch, document, mail, archive, font, or all
    #[arg(long, value_delimiter = ',')]
    pub(crate) metadata: Vec<String>,
    /// Pages, as in 1-3 or 1,3,5 or all
    #[arg(long)]
    pub(crate) pages: Option<String>,
    #[command(flatten)]
    pub(crate) options: Options,
    /// Have the result posted to this URL as well
    #[arg(long, value_name = "URL")]
    pub(crate) callback: Option<String>,
    /// A JSON object that comes back as user_data
    #[arg(long, value_name = "JSON", value_parser = object)]
    pub(crate) data: Option<Map<String, Value>>,
}

/// How renditions look, and what is made beside them.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Look and extras")]
pub(crate) struct Options {
    /// Make no renditions: only what --metadata asks for, and --extras
    #[arg(long, conflicts_with = "sizes")]
    metadata_only: bool,
    /// Quality of JPEG, WebP and AVIF, from 1 to 100
    #[arg(long)]
    quality: Option<u8>,
    /// Colour behind what is transparent, such as #ffffff
    #[arg(long, value_name = "COLOUR")]
    background: Option<String>,
    /// How a size with two edges is filled: fit or fill
    #[arg(long)]
    crop: Option<String>,
    /// Leave in the renditions what the source says of itself: EXIF, XMP, IPTC
    #[arg(long)]
    keep_metadata: bool,
    /// Moments of a film, parted by commas: 12.5, 1:02:03, 50%
    #[arg(long, value_delimiter = ',')]
    at: Vec<String>,
    /// Beside the renditions, parted by commas: contact_sheet, storyboard, animation, clip, peaks,
    /// layers
    #[arg(long, value_delimiter = ',')]
    extras: Vec<String>,
    /// Languages for --metadata ocr, parted by commas, as Tesseract names them
    #[arg(long, value_delimiter = ',')]
    languages: Vec<String>,
}

impl Options {
    /// The request's `options`, if anything is set.
    fn request(&self) -> Option<Value> {
        let fields = [
            ("renditions", self.metadata_only.then(|| json!("none"))),
            ("quality", self.quality.map(|quality| json!(quality))),
            ("background", self.background.as_ref().map(|colour| json!(colour))),
            ("crop", self.crop.as_ref().map(|crop| json!(crop))),
            ("embedded", self.keep_metadata.then(|| json!("keep"))),
            ("at", list(&self.at)),
            ("extras", list(&self.extras)),
            ("languages", list(&self.languages)),
        ];
        let given = given(fields);
        (!given.is_empty()).then_some(Value::Object(given))
    }
}

fn list(items: &[String]) -> Option<Value> {
    (!items.is_empty()).then(|| json!(items))
}

/// The fields that have a value.
fn given<const N: usize>(fields: [(&str, Option<Value>); N]) -> Map<String, Value> {
    fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}

/// Result of a job that went well.
pub(crate) struct Fulfilled {
    pub(crate) id: String,
    pub(crate) raw: Bytes,
    pub(crate) files: Vec<PathBuf>,
}

/// The job did not go well.
#[derive(Debug, thiserror::Error)]
enum PreviewError {
    /// It failed.
    #[error("job {id} failed: {message} ({code})")]
    Failed {
        /// Which.
        id: String,
        /// For people.
        message: String,
        /// For programs.
        code: String,
    },
    /// The answer lacks what it must have.
    #[error("the API's answer has no `{0}`")]
    Incomplete(&'static str),
    /// Told to stop.
    #[error("interrupted; job {0} goes on by itself")]
    Interrupted(String),
    /// A folder or file cannot be written.
    #[error("write {}", path.display())]
    Write {
        /// Which.
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
}

/// Runs the command.
pub(crate) async fn run(
    arguments: Arguments,
    clock: &dyn Clock,
    shutdown: CancellationToken,
) -> Result<(), Failure> {
    let connection = arguments.place.connection()?;
    let progress = Progress::start(false);
    let handed = Handed::over(&arguments.source, &connection, clock.now()).await?;
    let out = arguments.out.unwrap_or_else(|| folder_for(handed.url()));
    let done = fulfil(&connection, handed.url(), &arguments.wish, &out, &progress, shutdown).await;
    handed.remove().await;
    drop(progress);
    let done = done?;
    let mut out = stdout().lock();
    if arguments.json {
        out.write_all(&done.raw)?;
        writeln!(out)?;
    } else {
        for file in done.files {
            writeln!(out, "{}", file.display())?;
        }
    }
    Ok(())
}

/// Hands a wish in, watches, and downloads what came of it.
pub(crate) async fn fulfil(
    connection: &Connection,
    source: &str,
    wish: &Wish,
    out: &Path,
    progress: &Progress,
    shutdown: CancellationToken,
) -> Result<Fulfilled, Failure> {
    let client = Client::new(connection)?;
    progress.now("handing in");
    let accepted = client.submit(&wish.request(source)).await?;
    let id = accepted.get("id").and_then(Value::as_str).ok_or(PreviewError::Incomplete("id"))?;
    progress.say(&format!("job {id}"));
    tokio::select! {
        outcome = client.follow(id, |heard| progress.hear(heard)) => { outcome?; }
        () = shutdown.cancelled() => return Err(PreviewError::Interrupted(id.to_owned()).into()),
    }
    let (raw, body) = client.preview(id).await?;
    if body.get("status").and_then(Value::as_str) != Some("success") {
        return Err(failure(id, &body));
    }
    progress.now("downloading");
    let files = collect(&client, &raw, &body, out).await?;
    Ok(Fulfilled { id: id.to_owned(), raw, files })
}

impl Wish {
    fn request(&self, source: &str) -> Value {
        Value::Object(given([
            ("url", Some(json!(source))),
            ("sizes", list(&self.sizes)),
            ("format", self.format.as_ref().map(|format| json!(format))),
            ("metadata", list(&self.metadata)),
            ("pages", self.pages.as_ref().map(|pages| json!(pages))),
            ("callback_url", self.callback.as_ref().map(|url| json!(url))),
            ("data", self.data.clone().map(Value::Object)),
            ("options", self.options.request()),
        ]))
    }
}

fn object(text: &str) -> Result<Map<String, Value>, serde_json::Error> {
    serde_json::from_str(text)
}

/// The failure of a job, with what its owner can do.
fn failure(id: &str, body: &Value) -> Failure {
    let text = |pointer| body.pointer(pointer).and_then(Value::as_str).unwrap_or("?").to_owned();
    let code = text("/error/code");
    let remedy = remedy(&code, id);
    let failed = PreviewError::Failed { id: id.to_owned(), message: text("/error/message"), code };
    Failure::from(failed).or_try(remedy)
}

fn remedy(code: &str, id: &str) -> String {
    use FailureCode as Code;
    let known = Code::ALL.iter().find(|known| known.name() == code);
    let text = match known {
        Some(Code::SourceNotFound | Code::SourceInvalid | Code::SourceRefused) => "another URL",
        Some(Code::SourceDenied) => "a pre-signed URL, or a file of this machine",
        Some(Code::SourceForbidden) => {
            "a public URL, or have the operator add the address to egress.allow"
        }
        Some(Code::SourceUnavailable | Code::SourceUnreachable | Code::SourceTimeout) => {
            "again, once the source's server answers"
        }
        Some(Code::SourceTooLarge | Code::TooManyPixels | Code::OutputTooLarge) => {
            "a smaller file or smaller sizes, or have the operator raise [limits]"
        }
        Some(Code::SourceEmpty | Code::Corrupt | Code::Unsupported) => {
            "a whole file of a supported kind; docs/FILES.md lists them"
        }
        Some(Code::Encrypted) => "the file without its password",
        Some(Code::ExpandsTooMuch | Code::TooLong) => {
            "a smaller file, or have the operator raise [limits]"
        }
        Some(Code::CapabilityMissing) => {
            "darkroom doctor, which lists what is missing; ./justw up --full installs it"
        }
        Some(Code::LanguageMissing) => {
            "other --languages, or have the operator install Tesseract's data of this one"
        }
        Some(Code::SourceChanged) => "again, once nobody writes to the source",
        Some(Code::NoSuchPage) => "other --pages",
        Some(Code::DestinationDenied | Code::DestinationMissing | Code::DestinationUnavailable) => {
            "another bucket policy: it must allow PutObject"
        }
        _ => return format!("darkroom replay {id}, which shows what happened"),
    };
    text.to_owned()
}

/// Downloads every artifact, and keeps the body beside them.
async fn collect(
    client: &Client,
    raw: &[u8],
    body: &Value,
    out: &Path,
) -> Result<Vec<PathBuf>, Failure> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| PreviewError::Write { path, source }
    };
    tokio::fs::create_dir_all(out)
        .await
        .map_err(failed(out))
        .or_try("another folder, with --out")?;
    let renditions = body.get("thumbnails").and_then(Value::as_array);
    let renditions = renditions.ok_or(PreviewError::Incomplete("thumbnails"))?;
    let extras = body.get("extras").and_then(Value::as_array);
    let mut files = Vec::new();
    for rendition in renditions.iter().chain(extras.into_iter().flatten()) {
        let link = rendition.get("url").and_then(Value::as_str);
        let link = link.ok_or(PreviewError::Incomplete("url"))?;
        let url: Url = link.parse().map_err(ClientError::Url)?;
        let file = out.join(file_name(&url));
        client.download(link, &file).await?;
        files.push(file);
    }
    let metadata = out.join("metadata.json");
    tokio::fs::write(&metadata, raw).await.map_err(failed(&metadata))?;
    files.push(metadata);
    Ok(files)
}

/// The last segment of a URL's path, as a name that stays in its folder.
fn file_name(url: &Url) -> String {
    let last = url.path_segments().and_then(|mut segments| segments.next_back());
    let plain = |c: char| c.is_alphanumeric() || "-_.".contains(c);
    let name: String =
        last.unwrap_or_default().chars().map(|c| if plain(c) { c } else { '_' }).collect();
    if name.trim_matches('.').is_empty() { "file".to_owned() } else { name }
}

/// `./<name>-previews`.
fn folder_for(source: &str) -> PathBuf {
    let name = source.parse().map_or_else(|_| "file".to_owned(), |url| file_name(&url));
    let stem = Path::new(&name).file_stem().unwrap_or_default().to_string_lossy().into_owned();
    PathBuf::from(format!("{stem}-previews"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_in_their_folder() {
        for (url, expected) in [
            ("http://h/a/b.jpg?X=1", "b.jpg"),
            ("http://h/", "file"),
            ("http://h/%2e%2e", "file"),
            ("http://h/a%2Fb.jpg", "a_2Fb.jpg"),
            ("http://h/..%2f..%2fetc", ".._2f.._2fetc"),
        ] {
            assert_eq!(file_name(&url.parse().unwrap()), expected, "{url}");
        }
    }

    #[test]
    fn a_request_holds_what_was_wished_for_and_nothing_else() {
        let source = "http://h/a.jpg";
        assert_eq!(Wish::default().request(source), json!({"url": "http://h/a.jpg"}));
        let wish = Wish { sizes: vec!["300".into(), "x20".into()], ..Wish::default() };
        assert_eq!(wish.request(source), json!({"url": "http://h/a.jpg", "sizes": ["300", "x20"]}));
        let options = Options { keep_metadata: true, at: vec!["50%".into()], ..Options::default() };
        assert_eq!(
            Wish { options, ..Wish::default() }.request(source),
            json!({"url": "http://h/a.jpg", "options": {"embedded": "keep", "at": ["50%"]}})
        );
        let options = Options { metadata_only: true, ..Options::default() };
        let wish = Wish { metadata: vec!["exif".into()], options, ..Wish::default() };
        let asked = json!({
            "url": source, "metadata": ["exif"], "options": {"renditions": "none"}
        });
        assert_eq!(wish.request(source), asked);
    }

    #[test]
    fn a_part_that_is_missing_is_told_by_its_name_and_how_to_install_it() {
        let code = FailureCode::CapabilityMissing;
        let message = domain::failure::message(code, Some(domain::Capability::Ocr));
        let body = json!({ "error": { "code": code.name(), "message": message } });
        let said = failure("j", &body).to_string();
        assert!(said.contains("needs: ocr. (capability_missing)"), "{said}");
        assert!(said.contains("./justw up --full"), "{said}");
    }

    #[test]
    fn of_a_language_that_is_missing_others_are_proposed() {
        let code = FailureCode::LanguageMissing;
        let remedy = remedy(code.name(), "j");
        assert!(remedy.contains("--languages"), "{remedy}");
    }

    #[test]
    fn every_failure_has_a_remedy() {
        for code in FailureCode::ALL {
            assert!(!remedy(code.name(), "j").is_empty());
        }
        assert!(remedy("unheard_of", "j").contains("replay j"));
    }
}
