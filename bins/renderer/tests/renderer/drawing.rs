//! Files in, renditions out.

use domain::wish::Format;
use enclave::Pool;
use image::ImageFormat;

use crate::pictures::{encoded, photo};
use crate::{config, draw, wish};

#[tokio::test]
async fn a_jpeg_becomes_all_its_sizes() {
    let pool = Pool::start(&config()).expect("a pool");
    let source = encoded(&photo(1200, 800), ImageFormat::Jpeg);
    let outcome = draw(&pool, &source, wish(&["600", "x100", "original"], None)).await;
    let rendered = outcome.rendered();
    assert_eq!(rendered.artifacts, 3);
    assert_eq!(outcome.sniffed.as_ref().expect("sniffed").media_type, "image/jpeg");
    assert_eq!(outcome.total, Some(1));
    let sizes: Vec<_> = outcome.artifacts.iter().map(|a| (a.width, a.height, a.format)).collect();
    assert_eq!(sizes, [(600, 400, Format::Jpg), (150, 100, Format::Jpg), (1200, 800, Format::Jpg)]);
    let decoded = image::load_from_memory(&outcome.bytes(1)).expect("a picture");
    assert_eq!((decoded.width(), decoded.height()), (150, 100));
}
