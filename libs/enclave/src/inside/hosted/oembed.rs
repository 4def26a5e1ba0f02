//! What a provider says of its page: the answer behind a link of type `application/json+oembed`
//! (oEmbed 1.0, <https://oembed.com>). It comes from a stranger, and is read behind the walls.

use std::fs::File;
use std::io::{Read, Seek};
use std::os::fd::OwnedFd;

use serde_json::{Map, Value};

/// The type of the links that are followed.
const LINK_TYPE: &str = "application/json+oembed";
/// The largest answer that is read, in bytes.
const ANSWER_BYTES: u64 = 64 << 10;
/// The longest text that is told, in characters.
const TEXT_CHARS: usize = 1_000;
/// The longest address that is told, in characters. A link of so many may have been cut.
const URL_CHARS: usize = 2_048;
/// The version of the specification, the only one there is.
const VERSION: &str = "1.0";
/// The largest number that is told: pixels, or seconds.
const MOST: u64 = 1 << 32;

const TYPES: &[&str] = &["photo", "video", "link", "rich"];
const TEXTS: &[&str] = &["title", "author_name", "provider_name"];
const URLS: &[&str] = &["url", "author_url", "provider_url", "thumbnail_url"];
const NUMBERS: &[&str] = &["width", "height", "thumbnail_width", "thumbnail_height", "cache_age"];

/// The first link that can be followed, without its fragment, and its place among all that the page
/// names.
pub(super) fn link(said: &Map<String, Value>) -> Option<(usize, String)> {
    let links = said.get("oembed")?.as_array()?;
    links.iter().enumerate().find_map(|(place, link)| {
        let href = link.get("href")?.as_str()?;
        let is_one = link.get("type")?.as_str()? == LINK_TYPE
            && (href.starts_with("https://") || href.starts_with("http://"))
            && href.chars().count() < URL_CHARS;
        let address = href.split('#').next().unwrap_or_default();
        is_one.then(|| (place, address.to_owned()))
    })
}

/// What an answer says, if it is one: of the fields of the specification those that tell something.
/// `html`, which is there to be put into pages, is none of them.
pub(super) fn read(answer: OwnedFd) -> Option<Map<String, Value>> {
    let mut file = File::from(answer);
    let mut bytes = Vec::new();
    file.rewind().ok()?;
    file.take(ANSWER_BYTES + 1).read_to_end(&mut bytes).ok()?;
    if bytes.len() as u64 > ANSWER_BYTES {
        return None;
    }
    told(&serde_json::from_slice(&bytes).ok()?)
}

fn told(answer: &Map<String, Value>) -> Option<Map<String, Value>> {
    let kind = answer.get("type")?.as_str().filter(|kind| TYPES.contains(kind))?;
    match answer.get("version")? {
        Value::String(version) if version.starts_with("1.") || version == "1" => {}
        Value::Number(version) if version.as_f64() == Some(1.0) => {}
        _ => return None,
    }
    let mut told = Map::new();
    told.insert("version".to_owned(), VERSION.into());
    told.insert("type".to_owned(), kind.into());
    let texts = TEXTS.iter().filter_map(|name| Some((name, text(answer.get(*name)?)?)));
    let urls = URLS.iter().filter_map(|name| Some((name, url(answer.get(*name)?)?)));
    let numbers = NUMBERS.iter().filter_map(|name| Some((name, number(answer.get(*name)?)?)));
    told.extend(texts.chain(urls).chain(numbers).map(|(name, value)| ((*name).to_owned(), value)));
    Some(told)
}

fn text(value: &Value) -> Option<Value> {
    let text = value.as_str()?.trim();
    (!text.is_empty()).then(|| text.chars().take(TEXT_CHARS).collect::<String>().into())
}

fn url(value: &Value) -> Option<Value> {
    let url = value.as_str()?;
    let is_one = (url.starts_with("https://") || url.starts_with("http://"))
        && url.chars().count() <= URL_CHARS;
    is_one.then(|| url.into())
}

/// Many providers write numbers as text.
fn number(value: &Value) -> Option<Value> {
    let number = value.as_u64().or_else(|| value.as_str()?.parse().ok())?;
    (number <= MOST).then(|| number.into())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(answer: &Value) -> Option<Value> {
        told(answer.as_object().expect("an object")).map(Value::Object)
    }

    #[test]
    fn an_answer_is_told_without_what_is_not_in_the_specification_or_out_of_bounds() {
        let answer = json!({
            "version": "1.0", "type": "video", "title": " A film ", "author_name": "",
            "author_url": "javascript:alert(1)", "provider_url": "https://films.example/",
            "provider_name": "f".repeat(5_000), "width": "640", "height": 360,
            "thumbnail_width": -1, "cache_age": 1_u64 << 40, "html": "<iframe src=x>",
            "thumbnail_url": format!("https://films.example/{}", "x".repeat(5_000)), "odd": 1,
        });
        let told = json!({
            "version": "1.0", "type": "video", "title": "A film",
            "provider_url": "https://films.example/",
            "provider_name": "f".repeat(TEXT_CHARS), "width": 640, "height": 360,
        });
        assert_eq!(of(&answer), Some(told));
    }

    #[test]
    fn what_is_no_answer_is_not_told() {
        for answer in [
            json!({ "type": "video" }),
            json!({ "version": "1.0" }),
            json!({ "version": "2.0", "type": "video" }),
            json!({ "version": 2, "type": "video" }),
            json!({ "version": "1.0", "type": "page" }),
            json!({ "version": "1.0", "type": ["video"] }),
        ] {
            assert_eq!(of(&answer), None, "{answer}");
        }
        assert!(of(&json!({ "version": 1.0, "type": "link" })).is_some());
    }

    #[test]
    fn the_first_link_of_json_is_followed() {
        let said = json!({ "oembed": [
            { "type": "text/xml+oembed", "href": "https://a.example/xml" },
            { "type": LINK_TYPE, "href": "ftp://a.example/json" },
            { "type": LINK_TYPE, "href": format!("https://a.example/{}", "x".repeat(URL_CHARS)) },
            { "type": LINK_TYPE, "href": "https://a.example/json#part" },
        ] });
        let found = link(said.as_object().expect("an object"));
        assert_eq!(found, Some((3, "https://a.example/json".to_owned())));
        for odd in [json!({}), json!({ "oembed": "x" }), json!({ "oembed": [1, {}] })] {
            assert_eq!(link(odd.as_object().expect("an object")), None);
        }
    }
}
