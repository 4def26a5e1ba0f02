//! Office documents look as LibreOffice prints them by itself, outside all walls.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;

use domain::limits::Limits;
use enclave::hosted::{Settings, Workshop};

use crate::corpus::{self, Entry, Expected};
use crate::drawn::{NEAR, difference, keep};
use crate::jobs::{self, Drawn, Renderers};
use crate::peers;

/// Edges of what is drawn for comparison, in pixels.
const SIZE: &str = "240";
/// Documents that are larger take LibreOffice longer than a test should.
const MOST_BYTES: u64 = 256 << 10;

/// The smallest document of every media type.
fn documents() -> Vec<Entry> {
    let mut smallest: BTreeMap<String, (u64, Entry)> = BTreeMap::new();
    for entry in corpus::read() {
        let bytes = entry.file().metadata().expect("known").len();
        let whole = matches!(entry.expected, Expected::Drawn { .. });
        if entry.row == "office" && whole && bytes <= MOST_BYTES {
            let found = smallest.entry(entry.media_type.clone()).or_insert((bytes, entry.clone()));
            if bytes < found.0 {
                *found = (bytes, entry);
            }
        }
    }
    smallest.into_values().map(|(_, entry)| entry).collect()
}

/// What LibreOffice makes of all of them, in one go; the names are those of their places.
fn printed(documents: &[Entry], folder: &Path) {
    let mut command = peers::program("soffice");
    command.arg(format!("-env:UserInstallation=file://{}/profile", folder.display()));
    command.args(["--headless", "--convert-to", "pdf", "--outdir"]).arg(folder);
    for (index, entry) in documents.iter().enumerate() {
        let extension = entry.file().extension().map(|it| it.to_owned()).unwrap_or_default();
        let named = folder.join(index.to_string()).with_extension(extension);
        std::fs::copy(entry.file(), &named).expect("copied");
        command.arg(named);
    }
    let ended = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
    assert!(ended.expect("soffice: run ./justw --need full").success());
}

/// The extension that the bytes call for.
fn extension(bytes: &[u8]) -> &'static str {
    let read = |offset: u64, buffer: &mut [u8]| -> Result<usize, std::io::Error> {
        let rest = bytes.get(offset as usize..).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    };
    filetype::identify(bytes.len() as u64, read).expect("identified").extension
}

/// Page 1 of a PDF, by poppler.
fn page(pdf: &Path, (width, height): (u32, u32)) -> PathBuf {
    let out = pdf.with_extension("");
    let mut command = peers::program("pdftoppm");
    command.args(["-png", "-singlefile", "-cropbox"]);
    command.args(["-scale-to-x", &width.to_string(), "-scale-to-y", &height.to_string()]);
    let ended = command.arg(pdf).arg(&out).stderr(Stdio::null()).status();
    assert!(ended.expect("pdftoppm").success(), "{}", pdf.display());
    out.with_extension("png")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn office_documents_look_as_libreoffice_prints_them() {
    let documents = documents();
    assert!(documents.len() >= 10, "{} kinds of documents", documents.len());
    let folder = tempfile::tempdir().expect("a folder");
    printed(&documents, folder.path());
    let host = PathBuf::from(env!("CARGO_BIN_EXE_darkroom-renderer"));
    let host = host.with_file_name(Settings::EXECUTABLE);
    let workshop = Workshop::find(Settings::with_host(host)).expect("a workshop");
    let renderers = Renderers::start("printed", 1);
    let limits = Limits::default();
    let mut wrong = Vec::new();
    for (index, entry) in documents.iter().enumerate() {
        let extension = extension(&entry.bytes());
        let source = File::open(entry.file()).expect("opened");
        let pdf = match workshop.office_to_pdf(source, extension, Some(1), &limits).await {
            Ok(pdf) => pdf,
            Err(error) => {
                wrong.push(format!("{}: {error}", entry.path));
                continue;
            }
        };
        let length = pdf.metadata().expect("known").len();
        let wish = jobs::wish(SIZE, "1");
        let drawn = jobs::draw(&renderers.pool, Arc::new(pdf), length, wish, limits).await;
        let Drawn { pictures, end, .. } = drawn;
        let Some(first) = pictures.first() else {
            wrong.push(format!("{}: {end:?}", entry.path));
            continue;
        };
        let ours = image::load_from_memory(&first.bytes).expect("a picture").to_rgba8();
        let ours = peers::on_white(&ours);
        let pdf = folder.path().join(format!("{index}.pdf"));
        let theirs = image::open(page(&pdf, ours.dimensions())).expect("a picture").to_rgb8();
        let found = difference(&ours, &theirs);
        if found > NEAR {
            wrong.push(format!("{}: differs by {found:.1}", entry.path));
            keep(entry, &ours, &theirs);
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), documents.len(), wrong.join("\n"));
}
