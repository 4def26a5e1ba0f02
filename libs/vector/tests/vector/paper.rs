//! PDFs written by hand, so that every byte of them is known.

/// A PDF of these objects, numbered from 1, of which the first is the catalog.
pub(crate) fn pdf(objects: &[Vec<u8>]) -> Vec<u8> {
    pdf_with(objects, "")
}

/// The same, with more in its trailer.
pub(crate) fn pdf_with(objects: &[Vec<u8>], trailer: &str) -> Vec<u8> {
    let mut file = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n".to_vec();
    let mut offsets = Vec::new();
    for (number, object) in (1..).zip(objects) {
        offsets.push(file.len());
        file.extend(format!("{number} 0 obj\n").bytes());
        file.extend(object);
        file.extend(b"\nendobj\n");
    }
    let start = file.len();
    file.extend(format!("xref\n0 {}\n0000000000 65535 f\r\n", objects.len() + 1).bytes());
    for offset in offsets {
        file.extend(format!("{offset:010} 00000 n\r\n").bytes());
    }
    let size = objects.len() + 1;
    file.extend(
        format!("trailer\n<< /Size {size} /Root 1 0 R {trailer} >>\nstartxref\n{start}\n%%EOF\n")
            .bytes(),
    );
    file
}

/// An object that is no stream.
pub(crate) fn object(text: &str) -> Vec<u8> {
    text.as_bytes().to_vec()
}

/// A stream with these entries in its dictionary.
pub(crate) fn stream(entries: &str, bytes: &[u8]) -> Vec<u8> {
    let mut object = format!("<< {entries} /Length {} >>\nstream\n", bytes.len()).into_bytes();
    object.extend(bytes);
    object.extend(b"\nendstream");
    object
}

/// A stream, compressed.
pub(crate) fn flate(entries: &str, bytes: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut packer = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    packer.write_all(bytes).expect("memory");
    stream(&format!("{entries} /Filter /FlateDecode"), &packer.finish().expect("memory"))
}

/// A PDF of one page with these entries and this content, and further objects from 5 on.
pub(crate) fn one_page(entries: &str, content: &str, others: &[Vec<u8>]) -> Vec<u8> {
    let mut objects = vec![
        object("<< /Type /Catalog /Pages 2 0 R >>"),
        object("<< /Type /Pages /Kids [3 0 R] /Count 1 >>"),
        object(&format!("<< /Type /Page /Parent 2 0 R /Contents 4 0 R {entries} >>")),
        stream("", content.as_bytes()),
    ];
    objects.extend_from_slice(others);
    pdf(&objects)
}

/// A PDF of pages that differ in their colour: the reds are 0, 10, 20 and so on.
pub(crate) fn many_pages(count: usize) -> Vec<u8> {
    let kids: String = (0..count).map(|page| format!("{} 0 R ", 3 + page * 2)).collect();
    let mut objects = vec![
        object("<< /Type /Catalog /Pages 2 0 R >>"),
        object(&format!("<< /Type /Pages /Kids [{kids}] /Count {count} /MediaBox [0 0 72 72] >>")),
    ];
    for page in 0..count {
        let contents = 4 + page * 2;
        objects.push(object(&format!("<< /Type /Page /Parent 2 0 R /Contents {contents} 0 R >>")));
        let red = (page * 10) as f64 / 255.0;
        objects.push(stream("", format!("{red} 0 0 rg 0 0 72 72 re f").as_bytes()));
    }
    pdf(&objects)
}

/// Resources with Helvetica as `/F`.
pub(crate) const HELVETICA: &str =
    "/Resources << /Font << /F << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> >> >>";
