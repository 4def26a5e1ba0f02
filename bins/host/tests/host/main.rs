//! Real programs behind real walls: documents, pictures and pages go in, and nothing gets out.
//!
//! These tests need LibreOffice, Tesseract and Chromium; `./justw --need full` installs them.

mod browser;
mod ends;
mod lies;
mod ocr;
mod office;
mod still;
mod walls;

use std::fs::File;
use std::io::{Read, Seek, Write};
use std::path::PathBuf;

use domain::limits::Limits;
use enclave::hosted::{Settings, Workshop};

/// The programs of this machine.
fn settings() -> Settings {
    Settings::with_host(PathBuf::from(env!("CARGO_BIN_EXE_darkroom-host")))
}

fn workshop() -> Workshop {
    Workshop::find(settings()).expect("a workshop")
}

fn limits() -> Limits {
    Limits::default()
}

/// A file that has no name.
fn nameless(bytes: &[u8]) -> File {
    let mut file = tempfile::tempfile().expect("a file");
    file.write_all(bytes).expect("written");
    file
}

fn bytes_of(mut file: File) -> Vec<u8> {
    let mut bytes = Vec::new();
    file.rewind().expect("rewound");
    file.read_to_end(&mut bytes).expect("read");
    bytes
}
