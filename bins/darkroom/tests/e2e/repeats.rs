//! The same document or page, drawn again by programs that are started anew: the same bytes.

use serde_json::{Value, json};
use testkit::{Caller, Source, SourceServer, Stack};

use crate::{
    documents::{docx, paragraph, xlsx},
    jobs, kinds,
};

/// What a job gives that is of its file alone: the bytes of its renditions, and what is told of the file.
async fn drawn(caller: &Caller, wish: &Value) -> (Vec<Vec<u8>>, Value) {
    let id = jobs::wish(caller, wish).await;
    let body = jobs::ended(caller, &id).await;
    assert_eq!(body["status"], "success", "{wish}: {body}");
    let mut renditions = Vec::new();
    for thumbnail in body["thumbnails"].as_array().unwrap() {
        let found = caller.get(thumbnail["url"].as_str().unwrap()).await;
        assert_eq!(found.status, 200, "{thumbnail}");
        renditions.push(found.body.to_vec());
    }
    let mut told = body["original_file"].clone();
    // Texts that were read lie in the job's own folder.
    for page in told["metadata"]["ocr"].as_array_mut().into_iter().flatten() {
        page["url"] = Value::Null;
    }
    (renditions, told)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_document_or_page_gives_the_same_bytes_whoever_draws_it() {
    let sources = SourceServer::start().await;
    // Programs are started for each job.
    let settings = [("DARKROOM__WORKER__PROGRAMS_READY", "0")];
    let stack = Stack::start(1, &[sources.port()], &settings).await;
    let caller = stack.caller(0);
    let corpus = |file| std::fs::read(kinds::corpus(file)).unwrap();
    let two = format!("{}<w:p><w:r><w:br w:type=\"page\"/></w:r></w:p>", paragraph("One"));
    let chance = r#"<row r="1"><c r="A1"><f>RAND()</f></c><c r="B1"><f>RANDBETWEEN(1,1000000)</f></c></row>"#;
    let page = r#"<!doctype html><title>Page</title><style>
        @keyframes turn { to { transform: rotate(360deg) } } @keyframes come { from { opacity: 0 } }
        i { display: inline-block; background: red; width: 90px; height: 90px; animation: turn 3s linear infinite }
        p { animation: come 2s }</style>
        <p>Comes slowly<p><i></i><img src="/moving.gif"><input autofocus><p id=chance>
        <script>document.getElementById('chance').textContent = Math.random()</script>"#;
    let moving = corpus("pillow/Tests/images/dispose_bgnd.gif");
    sources.put("/moving.gif", Source::bytes(moving));
    let files = [
        ("/own.docx", docx(&two, b"")),
        ("/found.docx", corpus("python_docx/features/steps/test_files/hdr-header-footer.docx")),
        ("/found.odt", corpus("odfpy/tests/examples/images.odt")),
        ("/found.xlsx", corpus("xlsx2csv/test/sheets.xlsx")),
        ("/chance.xlsx", xlsx(chance)),
        ("/page.html", page.as_bytes().to_vec()),
        ("/found.html", corpus("oletools/oletools/doc/olevba.html")),
    ];
    let mut others = Vec::new();
    for (path, bytes) in files {
        let url = sources.put(path, Source::bytes(bytes));
        let wish = json!({
            "url": url,
            "sizes": ["300x300", "original"],
            "pages": "1-2",
            "format": "png",
            "metadata": ["document", "webpage", "checksum", "ocr"],
        });
        let (first, again) = (drawn(&caller, &wish).await, drawn(&caller, &wish).await);
        if first.1 != again.1 {
            others.push(format!("{path}: {} and {}", first.1, again.1));
        }
        let pairs = first.0.iter().zip(&again.0).enumerate();
        let unlike = pairs.filter(|(_, (one, other))| one != other);
        others.extend(unlike.map(|(number, _)| format!("{path}: rendition {number}")));
        assert_eq!(first.0.len(), again.0.len(), "{path}");
    }
    assert_eq!(others, Vec::<String>::new());
}
