//! Documents to PDF.

use std::time::Instant;

use crate::{bytes_of, limits, nameless, warm, workshop};

#[tokio::test]
async fn a_letter_becomes_a_pdf() {
    let workshop = workshop();
    let began = Instant::now();
    let pdf = workshop.office_to_pdf(nameless(b"Hello"), "txt", None, &limits()).await;
    let pdf = bytes_of(pdf.expect("a PDF"));
    assert!(pdf.starts_with(b"%PDF-"));
    println!("{:?}", began.elapsed());
}
