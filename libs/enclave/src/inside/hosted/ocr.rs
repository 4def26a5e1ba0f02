//! Tesseract: one picture in, its text and its words with their confidence out.

use std::path::Path;
use std::process::Command;

use domain::FailureCode;

use super::child::{self, Program};
use super::room::DESK;
use super::{Trouble, Worker, files};
use crate::hosted::wire::{Done, Product, Task, Word};

/// Does one job.
pub(super) fn serve(worker: &Worker, program: &Path, walls: Vec<String>) -> Result<(), Trouble> {
    worker.ready(walls)?;
    let (order, source) = worker.order()?;
    let (Task::Ocr { languages, data }, Some(source)) = (&order.task, source) else {
        return Err(Trouble::job(FailureCode::Internal, "no picture"));
    };
    child::limit_to(&order)?;
    let desk = Path::new(DESK);
    files::lay(source, &desk.join("picture"))?;
    let mut command = Command::new(program);
    command.args(["picture", "out", "-l", &languages.join("+"), "txt", "tsv"]);
    // One thread: it gains little from more, and other jobs want the cores.
    let environment = [("OMP_THREAD_LIMIT", "1"), ("TESSDATA_PREFIX", data.as_str())];
    let mut tesseract = Program::start(&mut command, &environment, Vec::new())?;
    let status = tesseract.wait()?;
    match status.code() {
        Some(0) => {}
        Some(_) => {
            let said = tesseract.last_words();
            return Err(Trouble::job(FailureCode::Corrupt, format!("no picture to it: {said}")));
        }
        None => return Err(tesseract.post_mortem(status)),
    }
    for (name, product) in [("out.txt", Product::Text), ("out.tsv", Product::Words)] {
        let made = files::take(&desk.join(name), order.output_bytes)?;
        let made = made.ok_or(Trouble::job(FailureCode::RendererCrashed, "no text was written"))?;
        worker.made(product, &made)?;
    }
    worker.say(Word::Done, &Done { page: None })
}
