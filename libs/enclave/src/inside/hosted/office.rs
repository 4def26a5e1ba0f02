//! LibreOffice: started once without a window, fed one document over its own single-instance pipe,
//! which is how a second `soffice` hands its arguments to the first.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use domain::FailureCode;

use super::child::{self, Program};
use super::room::DESK;
use super::{Order, Trouble, Worker, files, profile};
use crate::hosted::wire::{Done, Product, Task, Word};

/// Longest start of the program.
const START_TIMEOUT: Duration = Duration::from_secs(30);
/// How often to look for the pipe that it makes when it is ready.
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// How the pipe's name begins.
const PIPE_PREFIX: &str = "OSL_PIPE_";
/// Exit status by which it asks to be started again, after it has set up its profile.
const AGAIN: i32 = 81;
/// The longest answer over the pipe.
const ANSWER_BYTES: usize = 64;
/// A letter to begin with, so that what every document needs is loaded before one comes: a heading, words
/// of several kinds, a photograph and a table.
const WARM_UP: &[u8] = include_bytes!("warm.docx");
/// How a photograph is written, from 1 to 100: at 100 it is passed on as it is, if it is a JPEG. The
/// pages are drawn from it, and nobody keeps it.
const QUALITY: u8 = 100;

/// Does one job.
pub(super) fn serve(worker: &Worker, program: &Path, walls: Vec<String>) -> Result<(), Trouble> {
    let office = Office::start(program.parent().unwrap_or(program))?;
    worker.ready(walls)?;
    let (order, source) = worker.order()?;
    let (Task::Office { extension, last_page }, Some(source)) = (&order.task, source) else {
        return Err(Trouble::job(FailureCode::Internal, "no document"));
    };
    child::limit_to(&order)?;
    let document = Path::new(DESK).join("document").with_extension(extension);
    files::lay(source, &document)?;
    let pdf = office.convert(&document, &target(extension, *last_page), &order)?;
    worker.made(Product::Pdf, &pdf)?;
    worker.say(Word::Done, &Done { page: None })
}

/// The export filter, with its options where the kind of document is known.
fn target(extension: &str, last_page: Option<u32>) -> String {
    let filter = match extension {
        "doc" | "docx" | "docm" | "dot" | "dotx" | "odt" | "ott" | "fodt" | "rtf" | "txt" => {
            "writer_pdf_Export"
        }
        "xls" | "xlsx" | "xlsm" | "ods" | "ots" | "fods" | "csv" => "calc_pdf_Export",
        "ppt" | "pptx" | "pptm" | "pps" | "ppsx" | "odp" | "otp" | "fodp" => "impress_pdf_Export",
        "odg" | "otg" | "fodg" => "draw_pdf_Export",
        _ => return "pdf".to_owned(),
    };
    // A picture is drawn smaller later; making it smaller here as well takes longer than the rest.
    let mut options = format!(
        concat!(
            r#""ReduceImageResolution":{{"type":"boolean","value":"false"}},"#,
            r#""Quality":{{"type":"long","value":"{}"}}"#
        ),
        QUALITY
    );
    if let Some(last) = last_page {
        options += &format!(r#","PageRange":{{"type":"string","value":"1-{last}"}}"#);
    }
    format!("pdf:{filter}:{{{options}}}")
}

struct Office {
    program: Program,
    pipe: PathBuf,
}

impl Office {
    fn start(folder: &Path) -> Result<Self, Trouble> {
        let home = Path::new(DESK).join("profile");
        profile::write(&home, folder)?;
        let until = Instant::now() + START_TIMEOUT;
        loop {
            let mut program = launch(folder, &home)?;
            let status = loop {
                // It is there before it listens.
                if let Some((pipe, line)) = find_pipe().and_then(reach) {
                    let mut office = Self { program, pipe };
                    office.warm_up(line)?;
                    return Ok(office);
                }
                if Instant::now() > until {
                    return Err(Trouble::job(FailureCode::Internal, "the office does not start"));
                }
                if let Some(status) = program.ended_within(LOOK_EVERY) {
                    break status;
                }
            };
            if status.code() != Some(AGAIN) {
                return Err(program.post_mortem(status));
            }
        }
    }

    fn warm_up(&mut self, line: UnixStream) -> Result<(), Trouble> {
        let letter = Path::new(DESK).join("warm.docx");
        fs::write(&letter, WARM_UP).map_err(Trouble::io("write a letter"))?;
        if ask(line, &letter, "pdf:writer_pdf_Export")? {
            return Ok(());
        }
        let status = self.program.wait()?;
        Err(self.program.post_mortem(status))
    }

    fn convert(
        mut self,
        document: &Path,
        target: &str,
        order: &Order,
    ) -> Result<std::os::fd::OwnedFd, Trouble> {
        let line = UnixStream::connect(&self.pipe).map_err(Trouble::io("reach the office"))?;
        let answered = ask(line, document, target)?;
        let pdf = Path::new(DESK).join("out/document.pdf");
        if let Some(pdf) = files::take(&pdf, order.output_bytes)? {
            return Ok(pdf);
        }
        if !answered {
            let status = self.program.wait()?;
            return Err(self.program.post_mortem(status));
        }
        let said = self.program.last_words();
        Err(Trouble::job(FailureCode::Corrupt, format!("the document cannot be read: {said}")))
    }
}

fn reach(pipe: PathBuf) -> Option<(PathBuf, UnixStream)> {
    let line = UnixStream::connect(&pipe).ok()?;
    Some((pipe, line))
}

/// Hands arguments over and waits until they are dealt with. False when it died over them.
fn ask(mut line: UnixStream, document: &Path, target: &str) -> Result<bool, Trouble> {
    if answer(&mut line)? != "InternalIPC::SendArguments" {
        return Ok(false);
    }
    let out = format!("file://{DESK}/out");
    let document = format!("file://{}", document.display());
    let mut message = b"InternalIPC::Arguments0".to_vec();
    for argument in ["--headless", "--convert-to", target, "--outdir", &out, &document] {
        message.push(b',');
        for byte in argument.bytes() {
            if matches!(byte, b',' | b'\\') {
                message.push(b'\\');
            }
            message.push(byte);
        }
    }
    message.push(0);
    line.write_all(&message).map_err(Trouble::io("hand the document over"))?;
    Ok(answer(&mut line)? == "InternalIPC::ProcessingDone")
}

fn launch(folder: &Path, home: &Path) -> Result<Program, Trouble> {
    let mut command = Command::new(folder.join("soffice.bin"));
    command
        .args(["--headless", "--norestore", "--nologo", "--nolockcheck", "--nofirststartwizard"])
        .arg(format!("-env:UserInstallation=file://{}", home.display()))
        // An empty letter that stays open keeps it from ending when a document is done.
        .arg("private:factory/swriter");
    let environment = [
        ("SAL_USE_VCLPLUGIN", "svp"),
        ("SAL_DISABLE_OPENCL", "1"),
        // The same sheet throws the same dice.
        ("SAL_RAND_REPEATABLE", "1"),
    ];
    Program::start(&mut command, &environment, Vec::new())
}

fn find_pipe() -> Option<PathBuf> {
    let entries = fs::read_dir(DESK).ok()?.flatten();
    let mut names = entries.filter(|entry| {
        entry.file_name().to_str().is_some_and(|name| name.starts_with(PIPE_PREFIX))
    });
    names.next().map(|entry| entry.path())
}

/// One word, ended by a zero byte or the end. Nothing follows it before it is answered.
fn answer(pipe: &mut UnixStream) -> Result<String, Trouble> {
    let mut word = [0; ANSWER_BYTES];
    let mut length = 0;
    while let Some(room) = word.get_mut(length..).filter(|room| !room.is_empty()) {
        match pipe.read(room) {
            Ok(0) => break,
            Ok(count) => length += count,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            // Reset by its death.
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => break,
            Err(error) => return Err(Trouble::io("hear the office")(error)),
        }
        if word.get(..length).is_some_and(|word| word.contains(&0)) {
            break;
        }
    }
    let word = word.split(|byte| *byte == 0).next().unwrap_or_default();
    Ok(String::from_utf8_lossy(word).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_range_is_asked_for_where_the_filter_is_known() {
        let whole = concat!(
            r#""ReduceImageResolution":{"type":"boolean","value":"false"},"#,
            r#""Quality":{"type":"long","value":"100"}"#
        );
        assert_eq!(target("docx", None), format!("pdf:writer_pdf_Export:{{{whole}}}"));
        assert_eq!(
            target("xlsx", Some(2)),
            format!(
                r#"pdf:calc_pdf_Export:{{{whole},"PageRange":{{"type":"string","value":"1-2"}}}}"#
            )
        );
        assert_eq!(target("wpd", Some(2)), "pdf");
    }
}
