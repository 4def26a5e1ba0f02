//! What is kept: sealed, chained, signed.

use evidence::Hash;
use evidence::bundle::Bundle;
use evidence::checkpoint::Checkpoint;
use evidence::dsse::Envelope;
use evidence::note::{Kind, Note, Signer, Verifier};
use evidence::receipt_key::PublicKeys;
use evidence::tile::Tile;
use evidence::verify::{Line, Trust, Verifier as Verification};

/// Sealed envelopes and wrapped keys: nothing but what was sealed ever opens.
pub fn envelopes(data: &[u8]) {
    use std::sync::OnceLock;
    /// A ring as an installation has one, made once.
    static RING: OnceLock<vault::MasterKeys> = OnceLock::new();
    let ring = RING.get_or_init(|| {
        let folder = tempfile::tempdir().expect("a folder");
        vault::MasterKeys::open_or_create(&folder.path().join("ring")).expect("a ring")
    });
    assert!(ring.unwrap("a", data).is_err(), "something opened that was never wrapped");
    let good = ring.wrap("a", &vault::DataKey::generate());
    assert!(ring.unwrap("b", &good).is_err(), "a key opened under another name");
    // One byte of a good one changed, wherever the input says.
    if let (Some(place), Some(change)) = (data.first(), data.get(1).filter(|change| **change != 0))
    {
        let mut bad = good;
        let at = usize::from(*place) % bad.len();
        bad[at] ^= change;
        assert!(ring.unwrap("a", &bad).is_err(), "opened with byte {at} changed");
    }
    let _ = serde_json::from_slice::<domain::Sealed>(data);
}

pub(super) fn envelope_seeds() -> Vec<Vec<u8>> {
    let whole = [&[1][..], &[7; 8], &[0x5a; 48]].concat();
    vec![whole, vec![1; 40], vec![0, 1], br#"{"key":"a","text":"AAAA"}"#.to_vec()]
}

/// Events as a stream may hold them: headers and body, and the chain over them.
pub fn events(data: &[u8]) {
    let raw = message(data);
    let _ = is_event(&raw);
    assert_eq!(raw.hash(), raw.clone().hash());
    let _ = eventlog::verify_chain([&raw, &raw]);
    let _ = (raw.traceparent(), raw.event_name());
}

fn message(data: &[u8]) -> eventlog::Raw {
    let mut lines = data.splitn(6, |byte| *byte == b'\n');
    let mut line = || String::from_utf8_lossy(lines.next().unwrap_or_default()).into_owned();
    let (subject, kind, id, time) = (line(), line(), line(), line());
    let mut headers = eventlog::Headers::default();
    for (name, value) in
        [("ce-specversion", "1.0"), ("ce-type", &kind), ("ce-id", &id), ("ce-time", &time)]
    {
        headers.push(name, value);
    }
    headers.push("darkroom-prev", line());
    let body = lines.next().unwrap_or_default().to_vec().into();
    eventlog::Raw { stream: "S".to_owned(), subject, seq: 1, headers, body }
}

/// Whether a message is an event of any aggregate. All of them read it.
fn is_event(raw: &eventlog::Raw) -> bool {
    let read = [
        raw.decode::<domain::account::Accounts>().is_ok(),
        raw.decode::<domain::delivery::Deliveries>().is_ok(),
        raw.decode::<domain::endpoint::Endpoints>().is_ok(),
        raw.decode::<domain::job::Jobs>().is_ok(),
        raw.decode::<domain::member::Members>().is_ok(),
        raw.decode::<domain::upload::Uploads>().is_ok(),
    ];
    read.contains(&true)
}

pub(super) fn event_seeds() -> Vec<Vec<u8>> {
    let zeroes = "0".repeat(64);
    let id = "01890a5d-ac96-774b-bcce-b302099a8057";
    let events = [
        ("account", 1, "opened", ""),
        ("account", 1, "limits_set", r#","limits":{"pixels":100000000}"#),
        (
            "delivery",
            3,
            "delivered",
            r#","attempt":1,"status":204,"latency_ms":10,"address":"127.0.0.1""#,
        ),
        ("delivery", 3, "exhausted", r#","attempts":2,"code":"disabled","latency_ms":0"#),
        ("endpoint", 2, "disabled", r#","because":"asked""#),
        ("job", 2, "wiped", r#","bytes":0"#),
        ("member", 2, "role_set", r#","role":"admin""#),
        ("upload", 2, "source_uploaded", r#","size_bytes":9,"checksum":{"crc32c":"471627f4"}"#),
    ];
    let seed = |(noun, ids, name, fields): (&str, usize, &str, &str)| {
        let subject = format!("darkroom.{noun}.{}{name}", format!("{id}.").repeat(ids));
        let seed = format!(
            "{subject}\ndarkroom.{noun}.{name}.v1\n{id}\n2026-01-01T00:00:00Z\n{zeroes}\n\
             {{\"event\":\"{name}\"{fields}}}"
        );
        assert!(is_event(&message(seed.as_bytes())), "{seed} is no event to begin from");
        seed.into_bytes()
    };
    events.into_iter().map(seed).collect()
}

/// What proves that the log was not altered, as somebody else hands it in: notes, checkpoints, keys,
/// tiles, receipts, whole bundles and exports. What is read is written as it was, and nothing unsigned holds.
pub fn proofs(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if let Ok(note) = Note::parse(&text) {
        assert_eq!(Note::parse(&note.to_string()), Ok(note.clone()), "{text:?} is not read back");
        assert!(note.verify(&[]).is_err(), "signed by nobody");
    }
    if let Ok(checkpoint) = text.parse::<Checkpoint>() {
        assert_eq!(checkpoint.to_string(), text, "written in another way");
    }
    if let Ok(key) = text.parse::<Verifier>() {
        assert_eq!(key.to_string().parse().ok(), Some(key), "{text:?} is not read back");
    }
    if let Ok(tile) = Tile::from_bytes(data) {
        assert_eq!(tile.to_bytes(), data);
    }
    let keys = PublicKeys::parse(&text, "a file").unwrap_or_default();
    if let Ok(envelope) = Envelope::parse(data) {
        assert!(envelope.open("text/plain", &PublicKeys::default()).is_err(), "signed by nobody");
    }
    assert!(evidence::receipt::verify(data, &keys).is_err(), "a receipt that brings its own key");
    let _ = Signer::parse(&text).is_ok();
    export(data, &text);
    if let Ok(bundle) = serde_json::from_slice::<Bundle>(data) {
        let checked = bundle.check(&Trust::given(Vec::new()));
        assert!(!checked.holds || bundle.events.is_empty(), "held by no key");
        let page = evidence::bundle::page(&bundle, &checked, "evidence.json");
        assert!(!page.contains("<script"), "a script of a stranger's");
    }
}

/// An export, line by line.
fn export(data: &[u8], kept: &str) {
    let kept = vec![("kept".to_owned(), kept.to_owned())];
    let mut verification =
        Verification::new(Some(Trust::given(Vec::new())), kept, domain::Timestamp::UNIX_EPOCH);
    for (number, line) in (1..).zip(data.split_inclusive(|byte| *byte == b'\n')) {
        match serde_json::from_slice::<Line>(line) {
            Ok(line) => verification.take(&line),
            Err(error) => verification.unreadable(number, &error),
        }
    }
    let report = verification.finish();
    assert!(!report.to_string().is_empty());
}

pub(super) fn proof_seeds() -> Vec<Vec<u8>> {
    let hash = Hash::from_bytes([7; Hash::BYTES]);
    let signer = Signer::new("darkroom.example", Kind::Note, &[7; 32]).expect("a key");
    let checkpoint = Checkpoint::new("darkroom.example/JOBS", 2, hash, "2026-01-01T00:00:00Z");
    let note = checkpoint.sign(&signer).to_string();
    let id = "01890a5d-ac96-774b-bcce-b302099a8057";
    let bundle = serde_json::json!({
        "kind": "darkroom-evidence", "version": 1, "made_at": "2026-01-01T00:00:00Z",
        "about": { "account": id, "job": id }, "summary": ["x"],
        "keys": [signer.verifier().to_string()],
        "checkpoints": [{ "stream": "JOBS", "note": note }],
        "events": [{ "path": [hash], "event": {
            "stream": "JOBS", "seq": 1, "subject": format!("darkroom.job.{id}.{id}.started"),
            "headers": [["ce-type", "darkroom.job.started.v1"], ["ce-time", "2026-01-01T00:00:00Z"]],
            "body": "eyJ0eXBlIjoic3RhcnRlZCIsImF0dGVtcHQiOjF9",
        } }],
    });
    let lines = [
        serde_json::json!({ "export": {
            "version": 1, "exported_at": "2026-01-01T00:00:00Z", "streams": ["JOBS"],
            "keys": [signer.verifier().to_string()],
        } }),
        serde_json::json!({ "checkpoint": { "stream": "JOBS", "note": note } }),
        serde_json::json!({ "tile": { "stream": "JOBS", "index": 0, "leaves": "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=" } }),
        serde_json::json!({ "event": bundle["events"][0]["event"] }),
        serde_json::json!({ "halted": { "stream": "JOBS", "reason": "x", "seq": 2 } }),
        serde_json::json!({ "end": { "events": 1, "tiles": 1, "checkpoints": 1 } }),
    ];
    let read = |line: &serde_json::Value| serde_json::from_value::<Line>(line.clone()).is_ok();
    assert!(lines.iter().all(read), "an export to begin from");
    let export: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let receipt = serde_json::json!({
        "payloadType": "application/vnd.in-toto+json", "payload": "e30=",
        "signatures": [{ "keyid": "a", "sig": "AAAA" }],
    });
    let key = "-----BEGIN PUBLIC KEY-----\n\
        MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n-----END PUBLIC KEY-----\n";
    let bundle = bundle.to_string();
    assert!(serde_json::from_str::<Bundle>(&bundle).is_ok(), "a bundle to begin from");
    vec![
        note.into_bytes(),
        checkpoint.to_string().into_bytes(),
        signer.verifier().to_string().into_bytes(),
        bundle.into_bytes(),
        receipt.to_string().into_bytes(),
        key.as_bytes().to_vec(),
        export.into_bytes(),
        vec![7; 8_192],
    ]
}
