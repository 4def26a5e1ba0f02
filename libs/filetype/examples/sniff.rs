//! Tells what files are.
use std::io::Write;
use std::os::unix::fs::FileExt;
fn main() {
    for path in std::env::args().skip(1) {
        let file = std::fs::File::open(&path).unwrap();
        let length = file.metadata().unwrap().len();
        let found = filetype::identify(length, |at, buffer| file.read_at(buffer, at)).unwrap();
        let _ = writeln!(
            std::io::stdout(),
            "{:?}\t{}\t{}\t{}\t{path}",
            found.kind,
            found.media_type,
            found.extension,
            found.encoding
        );
    }
}
