//! Pages that move, and throw dice: pictured as they stand, and the same each time.

use std::sync::Arc;

use async_trait::async_trait;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use enclave::hosted::{Fetch, FetchError, FetchRequest, Fetched, Page, Shot};

use crate::{bytes_of, limits, nameless, workshop};

/// Nothing is to be had from it.
struct Nowhere;

#[async_trait]
impl Fetch for Nowhere {
    async fn get(&self, _: FetchRequest) -> Result<Fetched, FetchError> {
        Err(FetchError::Unreachable)
    }
}

/// A red point for a twentieth of a second, then a blue one for ten minutes.
const RED_THEN_BLUE: &[u8] = b"GIF89a\x01\x00\x01\x00\x80\x00\x00\xff\x00\x00\x00\x00\xff\
    \x21\xf9\x04\x00\x05\x00\x00\x00\x2c\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02\x44\x01\x00\
    \x21\xf9\x04\x00\xff\xff\x00\x00\x2c\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02\x4c\x01\x00;";

/// A page of squares in one row: one that moves to green within an hour and stays there, a green one that goes
/// round and round through red, a moving picture, and one whose colour is thrown.
fn page() -> String {
    let picture = STANDARD.encode(RED_THEN_BLUE);
    format!(
        r#"<!doctype html><style>* {{ margin: 0 }} i, img {{ float: left; width: 100px; height: 100px }}
        @keyframes come {{ from {{ background: red }} to {{ background: green }} }}
        @keyframes turn {{ from, to {{ background: red }} }}
        .come {{ animation: come 3600s forwards }} .turn {{ background: green; animation: turn 1s infinite }}</style>
        <i class=come></i><i class=turn></i><img src="data:image/gif;base64,{picture}"><i id=thrown></i>
        <div style="height: 3000px"></div>
        <script>const thrown = [Math.random(), Math.random(), Math.random()];
        document.title = thrown;
        document.getElementById('thrown').style.background = `hsl(${{thrown[0] * 360}} 90% 50%)`</script>"#
    )
}

async fn shot() -> Shot {
    let page = Page::Html(nameless(page().as_bytes()));
    workshop().screenshot(page, false, Arc::new(Nowhere), &limits()).await.expect("a picture")
}

#[tokio::test]
async fn a_page_that_moves_is_pictured_standing_still_and_the_same_each_time() {
    let (one, other) = (shot().await, shot().await);
    assert_eq!(one.metadata, other.metadata);
    let thrown = one.metadata["title"].as_str().expect("a title").split(',');
    let mut thrown: Vec<f64> = thrown.map(|one| one.parse().expect("a number")).collect();
    thrown.dedup();
    assert_eq!(thrown.len(), 3, "{thrown:?}");
    assert!(thrown.iter().all(|thrown| (0.0..1.0).contains(thrown)), "{thrown:?}");
    for (one, other) in [(one.viewport, other.viewport), (one.full, other.full)] {
        let one = bytes_of(one);
        assert!(one == bytes_of(other), "other bytes");
        let pixels = image::load_from_memory(&one).expect("a PNG").to_rgb8();
        let colours = [50, 150, 250].map(|x| pixels.get_pixel(x, 50).0);
        assert_eq!(colours, [[0, 128, 0], [0, 128, 0], [255, 0, 0]]);
    }
}
