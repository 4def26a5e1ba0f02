//! A witness, written from <https://c2sp.org/tlog-witness> alone: nothing of ours helps it.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use sha2::{Digest as _, Sha256};

use crate::http_server::{Answer, Broken, Server};

/// What it signs with.
const SEED: [u8; 32] = [42; 32];
/// What it is called.
const NAME: &str = "witness.example/w1";

type Root = [u8; 32];

/// What a witness does wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lapse {
    /// It answers with this status and nothing else.
    Status(u16),
    /// It signs with a key that is not its own.
    Imposture,
    /// It takes requests and never answers.
    Silence,
}

struct State {
    /// Keys of logs, by origin: name, number, key.
    logs: HashMap<String, (u32, VerifyingKey)>,
    seen: HashMap<String, (u64, Root)>,
    lapse: Option<Lapse>,
    requests: Vec<(u16, String)>,
    time: u64,
}

/// A witness on a free port of loopback.
pub struct Witness {
    server: Server,
    state: Arc<Mutex<State>>,
}

impl Witness {
    /// Starts one that knows these logs, each by the verifier key of its checkpoints.
    ///
    /// # Panics
    /// When a text is no key.
    pub async fn start(logs: &[String]) -> Self {
        let read = |text: &String| {
            let mut parts = text.splitn(3, '+');
            let (name, id) = (parts.next().unwrap(), parts.next().unwrap());
            let key = STANDARD.decode(parts.next().unwrap()).unwrap();
            assert_eq!(key[0], 1, "a log signs notes");
            let key = VerifyingKey::from_bytes(key[1..].try_into().unwrap()).unwrap();
            (name.to_owned(), (u32::from_str_radix(id, 16).unwrap(), key))
        };
        let state = Arc::new(Mutex::new(State {
            logs: logs.iter().map(read).collect(),
            seen: HashMap::new(),
            lapse: None,
            requests: Vec::new(),
            time: 1_700_000_000,
        }));
        let shared = Arc::clone(&state);
        let server = Server::start(0, move |request| answer(Arc::clone(&shared), request)).await;
        Self { server, state }
    }

    /// Its submission prefix.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/prefix", self.port())
    }

    /// Where it listens.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.server.address().port()
    }

    /// Its verifier key.
    #[must_use]
    pub fn key(&self) -> String {
        let public = SigningKey::from_bytes(&SEED).verifying_key();
        let mut key = vec![4];
        key.extend(public.as_bytes());
        format!("{NAME}+{:08x}+{}", key_id(NAME, &public), STANDARD.encode(key))
    }

    /// Does this wrong from now on.
    ///
    /// # Panics
    /// Never.
    pub fn lapse(&self, lapse: Option<Lapse>) {
        self.state.lock().unwrap().lapse = lapse;
    }

    /// The size that it signed last for this origin.
    ///
    /// # Panics
    /// Never.
    #[must_use]
    pub fn seen(&self, origin: &str) -> Option<u64> {
        self.state.lock().unwrap().seen.get(origin).map(|(size, _)| *size)
    }

    /// Every request so far: the status it was answered with, and its body.
    ///
    /// # Panics
    /// Never.
    #[must_use]
    pub fn requests(&self) -> Vec<(u16, String)> {
        self.state.lock().unwrap().requests.clone()
    }
}

async fn answer(state: Arc<Mutex<State>>, request: Request<Bytes>) -> Result<Answer, Broken> {
    let lapse = state.lock().unwrap().lapse;
    if lapse == Some(Lapse::Silence) {
        std::future::pending::<()>().await;
    }
    let fits =
        request.method() == http::Method::POST && request.uri().path() == "/prefix/add-checkpoint";
    let text = String::from_utf8_lossy(request.body()).into_owned();
    let mut state = state.lock().unwrap();
    let (status, body) = match lapse {
        Some(Lapse::Status(status)) => (status, String::new()),
        _ if !fits => (404, String::new()),
        _ => state.add_checkpoint(&text, lapse == Some(Lapse::Imposture)),
    };
    state.requests.push((status, text));
    let kind = if status == 409 { "text/x.tlog.size" } else { "text/plain; charset=utf-8" };
    let body = Full::new(Bytes::from(body)).map_err(Broken::from).boxed();
    Ok(Response::builder().status(status).header("content-type", kind).body(body).unwrap())
}

impl State {
    fn add_checkpoint(&mut self, text: &str, imposture: bool) -> (u16, String) {
        let refused = |status| (status, String::new());
        let Some((head, note)) = text.split_once("\n\n") else { return refused(400) };
        let mut lines = head.lines();
        let old = lines.next().and_then(|line| line.strip_prefix("old ")).map(str::parse);
        let Some(Ok(old)): Option<Result<u64, _>> = old else { return refused(400) };
        let proof: Option<Vec<Root>> = lines.map(hash_of).collect();
        let Some(proof) = proof.filter(|proof| proof.len() <= 63) else { return refused(400) };
        let Some((body, signatures)) = note.split_once("\n\n") else { return refused(400) };
        let body = format!("{body}\n");
        let lines: Vec<&str> = body.lines().collect();
        let [origin, size, root, ..] = lines[..] else { return refused(400) };
        let (Ok(size), Some(root)) = (size.parse::<u64>(), hash_of(root)) else {
            return refused(400);
        };
        let Some((id, key)) = self.logs.get(origin) else { return refused(404) };
        if !signatures.lines().any(|line| is_signed(line, origin, *id, key, &body)) {
            return refused(403);
        }
        if old > size {
            return refused(400);
        }
        let seen = self.seen.get(origin).copied();
        let known = seen.map_or(0, |(size, _)| size);
        if old != known {
            return (409, format!("{known}\n"));
        }
        let consistent = match seen {
            None => proof.is_empty(),
            Some((known, before)) if known == size => proof.is_empty() && before == root,
            Some((known, before)) => {
                let mut rest = proof;
                let roots = roots(known, size, true, &mut rest, before);
                roots == Some((before, root)) && rest.is_empty()
            }
        };
        if !consistent {
            return refused(422);
        }
        self.seen.insert(origin.to_owned(), (size, root));
        self.time += 1;
        (200, cosign(&body, self.time, imposture))
    }
}

fn cosign(body: &str, time: u64, imposture: bool) -> String {
    let key = SigningKey::from_bytes(&if imposture { [13; 32] } else { SEED });
    let message = format!("cosignature/v1\ntime {time}\n{body}");
    let id = key_id(NAME, &SigningKey::from_bytes(&SEED).verifying_key());
    let mut bytes = id.to_be_bytes().to_vec();
    bytes.extend(time.to_be_bytes());
    bytes.extend(key.sign(message.as_bytes()).to_bytes());
    format!("\u{2014} {NAME} {}\n", STANDARD.encode(bytes))
}

fn key_id(name: &str, key: &VerifyingKey) -> u32 {
    let mut digest = Sha256::new();
    digest.update(name);
    digest.update(b"\n\x04");
    digest.update(key.as_bytes());
    u32::from_be_bytes(digest.finalize()[..4].try_into().unwrap())
}

fn is_signed(line: &str, origin: &str, id: u32, key: &VerifyingKey, body: &str) -> bool {
    let parts = line.strip_prefix("\u{2014} ").and_then(|rest| rest.split_once(' '));
    let Some((name, signature)) = parts else { return false };
    let Ok(bytes) = STANDARD.decode(signature) else { return false };
    let ours = name == origin && bytes.len() == 68 && bytes[..4] == id.to_be_bytes();
    ours && Signature::from_slice(&bytes[4..])
        .is_ok_and(|signature| key.verify_strict(body.as_bytes(), &signature).is_ok())
}

fn hash_of(text: &str) -> Option<Root> {
    STANDARD.decode(text).ok()?.try_into().ok()
}

/// Both roots as a proof of RFC 6962, section 2.1.2, makes them, by its definition turned around.
fn roots(
    old: u64,
    new: u64,
    whole: bool,
    proof: &mut Vec<Root>,
    old_root: Root,
) -> Option<(Root, Root)> {
    if old == new {
        let root = if whole { old_root } else { proof.pop()? };
        return Some((root, root));
    }
    let left = new.next_power_of_two() / 2;
    let other = proof.pop()?;
    if old <= left {
        let (before, after) = roots(old, left, whole, proof, old_root)?;
        Some((before, node(&after, &other)))
    } else {
        let (before, after) = roots(old - left, new - left, false, proof, old_root)?;
        Some((node(&other, &before), node(&other, &after)))
    }
}

fn node(left: &Root, right: &Root) -> Root {
    let mut digest = Sha256::new();
    digest.update([1]);
    digest.update(left);
    digest.update(right);
    digest.finalize().into()
}
