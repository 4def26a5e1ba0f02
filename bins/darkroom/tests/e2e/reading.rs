//! Text of pictures, read by a worker's Tesseract.

use serde_json::{Value, json};
use testkit::{Source, SourceServer, Stack};

use crate::jobs;

const DRAWING: &str = r#"<svg xmlns="http://www.w3.org/2000/svg" width="900" height="200">
<rect width="900" height="200" fill="white"/>
<text x="40" y="130" font-family="Liberation Sans" font-size="80">Daguerre 1839</text></svg>"#;

#[tokio::test(flavor = "multi_thread")]
async fn the_text_of_a_picture_is_read_and_told_with_its_job() {
    let sources = SourceServer::start().await;
    let stack = Stack::start(1, &[sources.port()], &[]).await;
    let caller = stack.caller(0);
    let drawing = sources.put("/drawing.svg", Source::bytes(DRAWING));
    let drawn = jobs::wish(&caller, &json!({"url": drawing, "sizes": ["original"]})).await;
    let drawn = jobs::ended(&caller, &drawn).await;
    let picture = caller.get(drawn["thumbnails"][0]["url"].as_str().unwrap()).await;
    assert_eq!(picture.status, 200, "{drawn}");

    let url = sources.put("/picture.jpg", Source::bytes(picture.body));
    let wish = |metadata: Value| json!({"url": url, "sizes": ["90x90"], "metadata": metadata});
    let read = jobs::wish(&caller, &wish(json!(["ocr"]))).await;
    let body = jobs::ended(&caller, &read).await;
    assert_eq!(body["status"], "success", "{body}");
    let text = body["original_file"]["metadata"]["ocr"][0]["text"].as_str();
    assert!(text.is_some_and(|text| text.contains("Daguerre 1839")), "{body}");

    let unread = jobs::wish(&caller, &wish(json!([]))).await;
    let body = jobs::ended(&caller, &unread).await;
    assert!(body["original_file"]["metadata"].get("ocr").is_none(), "not asked for: {body}");
}
