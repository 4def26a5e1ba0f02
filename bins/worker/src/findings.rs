//! What the stages of a job found out, put together: what came first counts.

use std::collections::BTreeMap;

use domain::wish::MetadataKind;
use enclave::hosted::Recognised;
use serde_json::{Map, Value, json};

/// The longest text of one page, in characters, before the whole is measured.
const TEXT_CHARS: usize = 200_000;

/// Metadata and engines so far.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    metadata: Map<String, Value>,
    engines: BTreeMap<String, String>,
    texts: BTreeMap<u32, Recognised>,
    settled: Vec<&'static str>,
}

impl Findings {
    /// Adds what a stage found. Of what was known before, only gaps are filled.
    pub(crate) fn add(&mut self, found: Map<String, Value>, engines: BTreeMap<String, String>) {
        self.engines.extend(engines);
        for (name, value) in found {
            if self.settled.contains(&name.as_str()) {
                self.fill_pages(&name, value);
                continue;
            }
            match (self.metadata.get_mut(&name), value) {
                (Some(Value::Object(known)), Value::Object(more)) => {
                    for (key, value) in more {
                        known.entry(key).or_insert(value);
                    }
                }
                (Some(Value::Array(known)), Value::Array(more)) => known.extend(more),
                (Some(_), _) => {}
                (None, value) => {
                    self.metadata.insert(name, value);
                }
            }
        }
    }

    /// From now on, what is found of this kind is true of something made from the source: only its
    /// pages are worth noting.
    pub(crate) fn settle(&mut self, kind: MetadataKind) {
        self.settled.push(kind.name());
    }

    fn fill_pages(&mut self, name: &str, value: Value) {
        let Value::Object(mut more) = value else { return };
        let known = self.metadata.entry(name.to_owned()).or_insert_with(|| json!({}));
        if let (Value::Object(known), Some(pages)) = (known, more.remove("pages")) {
            known.insert("pages".to_owned(), pages);
        }
    }

    /// Notes a program that took part, and its version.
    pub(crate) fn used(&mut self, engine: Option<(String, String)>) {
        self.engines.extend(engine);
    }

    /// Adds the text that was read off a page.
    pub(crate) fn read(&mut self, page: u32, text: Recognised) {
        self.texts.insert(page, text);
    }

    /// All of it, within so many bytes of JSON; what is too much gives way, and says so.
    pub(crate) fn finish(
        mut self,
        max_bytes: u32,
    ) -> (Map<String, Value>, BTreeMap<String, String>) {
        let ocr = MetadataKind::Ocr.name();
        let own = match self.metadata.remove(ocr) {
            Some(Value::Array(own)) => own,
            _ => Vec::new(),
        };
        if !own.is_empty() || !self.texts.is_empty() {
            self.metadata.insert(ocr.to_owned(), Value::Array(pages(own, self.texts)));
        }
        (within(self.metadata, max_bytes as usize), self.engines)
    }
}

/// Pages with their texts in order. What a document says itself is better than what was read off
/// its picture.
fn pages(own: Vec<Value>, read: BTreeMap<u32, Recognised>) -> Vec<Value> {
    let number = |page: &Value| page.get("page").and_then(Value::as_u64);
    let mut pages: BTreeMap<u64, Value> = read
        .into_iter()
        .map(|(page, read)| {
            let text: String = read.text.chars().take(TEXT_CHARS).collect();
            let all = json!({
                "page": page, "text": text, "source": "picture", "confidence": read.confidence,
            });
            (page.into(), all)
        })
        .collect();
    for page in own {
        let said =
            page.get("text").and_then(Value::as_str).is_some_and(|text| !text.trim().is_empty());
        if let Some(number) = number(&page).filter(|number| said || !pages.contains_key(number)) {
            pages.insert(number, page);
        }
    }
    pages.into_values().collect()
}

/// Cuts the last pages of text, then whole kinds, the largest first.
fn within(mut metadata: Map<String, Value>, max_bytes: usize) -> Map<String, Value> {
    let size = |value: &Value| serde_json::to_vec(value).map_or(usize::MAX, |json| json.len());
    let mut total: usize = metadata.values().map(size).sum();
    if let Some(Value::Array(pages)) = metadata.get_mut(MetadataKind::Ocr.name()) {
        for page in pages.iter_mut().rev() {
            if total <= max_bytes / 8 * 7 {
                break;
            }
            let before = size(page);
            let kept = before.saturating_sub(total.saturating_sub(max_bytes / 8 * 7));
            if let Some(Value::String(text)) = page.get_mut("text") {
                let cut = text.floor_char_boundary(kept / 2);
                text.truncate(cut);
            }
            if let Value::Object(page) = page {
                page.insert("truncated".to_owned(), Value::Bool(true));
            }
            total = total.saturating_sub(before.saturating_sub(size(page)));
        }
    }
    while size(&Value::Object(metadata.clone())) > max_bytes {
        let largest = metadata.iter().max_by_key(|(_, value)| size(value));
        let Some(name) = largest.map(|(name, _)| name.clone()) else { break };
        let cut = json!({ "truncated": true });
        if metadata.insert(name.clone(), cut.clone()) == Some(cut) {
            metadata.remove(&name);
        }
    }
    metadata
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(value: Value) -> Map<String, Value> {
        match value {
            Value::Object(map) => map,
            other => panic!("{other}"),
        }
    }

    fn text(text: &str) -> Recognised {
        Recognised { text: text.to_owned(), confidence: Some(90.0), words: 1 }
    }

    fn finished(findings: Findings, max_bytes: u32) -> Value {
        Value::Object(findings.finish(max_bytes).0)
    }

    #[test]
    fn what_came_first_counts_and_gaps_are_filled() {
        let mut findings = Findings::default();
        findings.add(map(json!({ "document": { "title": "A" } })), BTreeMap::new());
        findings.settle(MetadataKind::Document);
        let of_pdf =
            json!({ "document": { "title": "B", "producer": "C", "pages": 3 }, "exif": 1 });
        findings.add(map(of_pdf), BTreeMap::from([("hayro".to_owned(), "1".to_owned())]));
        let expected = json!({ "document": { "title": "A", "pages": 3 }, "exif": 1 });
        assert_eq!(finished(findings, 1_000), expected);
    }

    #[test]
    fn a_documents_own_text_is_better_than_what_is_read_off_its_picture() {
        let mut findings = Findings::default();
        let own = json!({ "ocr": [
            { "page": 1, "text": "own", "source": "document" },
            { "page": 2, "text": " ", "source": "document" },
        ] });
        findings.add(map(own), BTreeMap::new());
        for page in 1..=3 {
            findings.read(page, text(&format!("read {page}")));
        }
        let all = finished(findings, 10_000);
        let texts: Vec<&str> = all["ocr"]
            .as_array()
            .unwrap()
            .iter()
            .map(|page| page["text"].as_str().unwrap())
            .collect();
        assert_eq!(texts, ["own", "read 2", "read 3"]);
    }

    #[test]
    fn too_much_text_is_cut_from_its_end_and_says_so() {
        let mut findings = Findings::default();
        findings.add(map(json!({ "exif": { "Make": "A" } })), BTreeMap::new());
        for page in 1..=4 {
            findings.read(page, text(&"ä".repeat(1_000)));
        }
        let all = finished(findings, 4_096);
        assert!(serde_json::to_vec(&all).unwrap().len() <= 4_096);
        assert_eq!(all["exif"], json!({ "Make": "A" }));
        assert_eq!(all["ocr"][0].get("truncated"), None);
        assert_eq!(all["ocr"][3]["truncated"], true);
        assert_eq!(all["ocr"][0]["text"].as_str().unwrap().chars().count(), 1_000);
    }

    #[test]
    fn programs_that_took_part_go_on_record_with_their_versions() {
        let mut findings = Findings::default();
        findings.used(Some(("libreoffice".to_owned(), "7.4".to_owned())));
        findings.used(None);
        findings.add(Map::new(), BTreeMap::from([("hayro".to_owned(), "1".to_owned())]));
        let engines: Vec<_> = findings.finish(100).1.into_iter().collect();
        let pair = |name: &str, version: &str| (name.to_owned(), version.to_owned());
        assert_eq!(engines, [pair("hayro", "1"), pair("libreoffice", "7.4")]);
    }

    #[test]
    fn nothing_found_is_nothing() {
        assert_eq!(finished(Findings::default(), 10), json!({}));
    }
}
