//! Page 1 of Office documents: by a program behind walls that waits for its job, beside the same
//! program started for it; and the small picture that a document carries.

use std::fs::File;
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use domain::limits::Limits;
use domain::size::Size;
use domain::wish::{Format, PreviewWish};
use enclave::Renderer;
use enclave::hosted::{Name, Ready, Settings, Workshop};
use serde_json::json;

use crate::Arguments;
use crate::photo;
use crate::run::{Light, middle, of, theirs};
use crate::support::figures::{Figures, show_load};
use crate::support::{Trouble, program, root};

/// A short text, and a long one with a table of contents.
const DOCUMENTS: [(&str, &str); 2] = [
    ("office-small", "filetype/tests/fixtures/sample.docx"),
    ("office-large", "odfpy/api-for-odfpy.odt"),
];
/// A long text with a photograph of 24 megapixels, ten megabytes in all.
const WITH_PHOTOGRAPH: &str = "office-10-mb";
/// A text that carries a picture of its first page.
const WITH_PICTURE: &str = "filetype/tests/fixtures/sample.odt";
/// What that picture may take, in milliseconds.
const MOST_MS: f64 = 10.0;
/// How long another one is given to become ready, which is not counted.
const READY_IN: Duration = Duration::from_secs(4);

fn corpus(path: &str) -> PathBuf {
    root().join(".tools/corpus/files").join(path)
}

fn wish(width: u32) -> Result<PreviewWish, Trouble> {
    Ok(PreviewWish {
        sizes: vec![Size::parse(&json!(width))?],
        format: Some(Format::Jpg),
        ..PreviewWish::default()
    })
}

pub(crate) async fn measure(arguments: &Arguments, figures: &mut Figures) -> Result<(), Trouble> {
    let ours = Light::start()?;
    if arguments.wants("office-thumbnail") {
        let (source, wish) = (corpus(WITH_PICTURE), wish(128)?);
        ours.times(Renderer::Light, &source, &wish, 1).await?;
        for pair in 1..=arguments.pairs {
            show_load(&format!("office-thumbnail, pair {pair}"));
            let drawn = ours.times(Renderer::Light, &source, &wish, arguments.jobs * 8).await?;
            figures.add("media-office-thumbnail-ms", middle(&drawn.wall) * 1e3, MOST_MS);
        }
    }
    let folder = tempfile::tempdir()?;
    let mut wanted: Vec<(&str, PathBuf)> =
        DOCUMENTS.map(|(name, path)| (name, corpus(path))).into();
    wanted.push((WITH_PHOTOGRAPH, folder.path().join("photograph.docx")));
    wanted.retain(|(name, _)| arguments.wants(name));
    if wanted.is_empty() {
        return Ok(());
    }
    let mut settings = Settings::with_host(program(Settings::EXECUTABLE)?);
    settings.ready = Ready { office: 1, ..Ready::default() };
    let workshop = Workshop::find(settings)?;
    if !workshop.has(Name::Office) {
        return Err("LibreOffice is missing: run ./justw --need full".into());
    }
    for (name, source) in wanted {
        if name == WITH_PHOTOGRAPH {
            write_with_photograph(folder.path(), &source)?;
        }
        for pair in 1..=arguments.pairs {
            tokio::time::sleep(READY_IN).await;
            show_load(&format!("{name}, pair {pair}"));
            let took = warm(&ours, &workshop, &source).await?;
            let cold = cold(&source, folder.path())?;
            figures.add(&format!("media-{name}-wall-seconds"), took, cold);
        }
    }
    Ok(())
}

fn write_with_photograph(folder: &Path, to: &Path) -> Result<(), Trouble> {
    let photograph = folder.join("photograph.jpg");
    std::fs::write(&photograph, photo::photograph()?)?;
    let script = root().join("bins/darkroom/benches/media/docx.py");
    theirs(of("python3", &[]).arg(script).arg(photograph).arg(to), 1)?;
    Ok(())
}

/// Seconds from having the document to having its first page.
async fn warm(ours: &Light, workshop: &Workshop, source: &Path) -> Result<f64, Trouble> {
    let extension = source.extension().and_then(|it| it.to_str()).unwrap_or_default();
    let began = Instant::now();
    let file = File::open(source)?;
    let pdf = workshop.office_to_pdf(file, extension, Some(1), &Limits::default()).await?;
    let written = began.elapsed();
    // A memory file, which a worker hands on as well.
    let made = PathBuf::from(format!("/proc/self/fd/{}", pdf.as_raw_fd()));
    ours.once(Renderer::Light, &made, &wish(1_024)?).await?;
    let drawn = began.elapsed();
    let page = drawn.saturating_sub(written);
    println!(
        "  ours: {:.3} s to the PDF, {:.3} s to its page",
        written.as_secs_f64(),
        page.as_secs_f64()
    );
    Ok(drawn.as_secs_f64())
}

/// The same with a program that starts anew, and poppler.
fn cold(source: &Path, folder: &Path) -> Result<f64, Trouble> {
    let began = Instant::now();
    let profile = format!("-env:UserInstallation=file://{}/profile", folder.display());
    let mut office = of("soffice", &[&profile, "--headless", "--convert-to", "pdf", "--outdir"]);
    theirs(office.arg(folder).arg(source), 1)?;
    let name = source.file_stem().unwrap_or_default();
    let pdf = folder.join(name).with_extension("pdf");
    let mut poppler = of("pdftoppm", &["-jpeg", "-singlefile", "-scale-to-x", "1024"]);
    theirs(poppler.args(["-scale-to-y", "-1"]).arg(&pdf).arg(pdf.with_extension("")), 1)?;
    Ok(began.elapsed().as_secs_f64())
}
