//! Receipts of jobs as others verify them, and jobs found by what touched them and made again.

use std::{collections::BTreeMap, fs, path::Path, process::Output};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use testkit::{Caller, Finish as _, Source, SourceServer, free_port, pictures};

use crate::{
    jobs,
    up::{Up, python},
};

/// What a command said, and how it ended.
struct Said {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Said {
    fn of(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }

    /// Fails unless it ended with this status.
    fn ended(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{}\n{}", self.out, self.err);
        self
    }

    fn lines(&self) -> Vec<Value> {
        self.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

fn audit(up: &Up, arguments: &[&str]) -> Said {
    let mut command = up.command();
    command.arg("audit").args(arguments);
    Said::of(tokio::task::block_in_place(|| command.finish()))
}

async fn done(caller: &Caller, source: &str) -> String {
    let id = jobs::wish(caller, &json!({"url": source, "sizes": ["40x40", "20x20"]})).await;
    assert_eq!(jobs::ended(caller, &id).await["status"], "success");
    id
}

async fn view(caller: &Caller, id: &str) -> Value {
    let answer = caller.get(&format!("/v1/jobs/{id}")).await;
    assert_eq!(answer.status, 200, "{}", answer.json());
    answer.json()
}

/// Fetches the receipt of a job and all that lies beside it into a folder; gives the digests.
async fn fetch(caller: &Caller, id: &str, folder: &Path) -> BTreeMap<String, String> {
    let shown = view(caller, id).await;
    let receipt = shown["receipt"]["url"].as_str().unwrap();
    let mut links = vec![("receipt.json".to_owned(), receipt.to_owned())];
    for artifact in shown["artifacts"].as_array().unwrap() {
        let text = |name: &str| artifact[name].as_str().unwrap().to_owned();
        links.push((text("name"), text("url")));
    }
    let mut digests = BTreeMap::new();
    for (name, link) in links {
        let answer = caller.get(&link).await;
        assert_eq!(answer.status, 200, "{link}");
        fs::write(folder.join(&name), &answer.body).unwrap();
        digests.insert(name, hex::encode(Sha256::digest(&answer.body)));
    }
    assert_eq!(digests.remove("receipt.json").unwrap(), shown["receipt"]["sha256"]);
    digests
}

/// What a receipt states, its signature not looked at.
fn statement(receipt: &[u8]) -> Value {
    let envelope: Value = serde_json::from_slice(receipt).unwrap();
    let payload = STANDARD.decode(envelope["payload"].as_str().unwrap()).unwrap();
    serde_json::from_slice(&payload).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receipt_is_verified_by_others_and_tells_what_was_changed() {
    let sources = SourceServer::start().await;
    let up = Up::start(&[sources.port()], free_port()).await;
    let caller = up.caller();
    let source = sources.put("/a.jpg", Source::bytes(pictures::PHOTOGRAPH));
    let id = done(&caller, &source).await;
    let place = tempfile::tempdir().unwrap();
    let folder = place.path();
    let mut digests = fetch(&caller, &id, folder).await;

    let receipt = fs::read(folder.join("receipt.json")).unwrap();
    let stated = statement(&receipt);
    let processing = &stated["predicate"];
    assert_eq!(processing["job"], id);
    assert_eq!(processing["source"]["media_type"], "image/jpeg");
    let source_digest = hex::encode(Sha256::digest(pictures::PHOTOGRAPH));
    assert_eq!(processing["source"]["digest"]["sha256"], source_digest);
    assert_eq!(processing["parameters"]["sizes"], json!(["40x40", "20x20"]));
    assert!(processing["engines"]["libjpeg-turbo"].is_string(), "{processing}");
    let text = String::from_utf8(receipt.clone()).unwrap() + &stated.to_string();
    assert!(!text.contains(&source) && !text.contains("a.jpg"), "nothing personal: {stated}");
    // The last object is covered, too.
    let last = stated["subject"].as_array().unwrap().last().unwrap();
    assert_eq!(last["name"], "metadata.json");
    digests
        .insert("metadata.json".to_owned(), last["digest"]["sha256"].as_str().unwrap().to_owned());

    let listed = caller.get("/v1/receipt-keys").await.json();
    let given = json!({"receipt": text_of(&receipt), "keys": listed["keys"], "subjects": digests});
    tokio::task::block_in_place(|| python("venv-moto", "verify_receipt.py", &[], &given));
    let leads = caller.get(&format!("/v1/artifacts/{id}/receipt.json")).await;
    assert_eq!(leads.status, 302, "{}", leads.json());
    let body = caller.get(&format!("/v2/previews/{id}")).await.json().to_string();
    assert!(!body.contains("receipt"), "the contract knows none: {body}");

    said_of_files(&up, folder, &id);
    let said = audit(&up, &["receipt", &id]).ended(0);
    assert!(said.out.contains("ok  object    page-1_40x40.jpg"), "{}", said.out);
    assert!(said.out.contains("libjpeg-turbo"), "{}", said.out);
}

fn text_of(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Without a network: what is genuine, and each way in which it is not.
fn said_of_files(up: &Up, folder: &Path, id: &str) {
    let keys = up.data().join("receipts.pub");
    let file = folder.join("receipt.json");
    let check = |receipt: &Path, artifact: &Path, keys: &Path| {
        let show = |path: &Path| path.display().to_string();
        let arguments = [
            show(receipt),
            "--keys".to_owned(),
            show(keys),
            "--artifact".to_owned(),
            show(artifact),
        ];
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        audit(up, &[&["receipt"], arguments.as_slice()].concat())
    };
    let said = check(&file, folder, &keys).ended(0);
    assert!(said.out.contains(id) && said.out.contains("ok  object"), "{}", said.out);
    assert!(said.out.contains("--  object    metadata.json was not looked at"), "{}", said.out);

    let artifact = folder.join("page-1_40x40.jpg");
    let whole = fs::read(&artifact).unwrap();
    let mut changed = whole.clone();
    *changed.last_mut().unwrap() ^= 1;
    fs::write(&artifact, &changed).unwrap();
    let said = check(&file, &artifact, &keys).ended(2);
    assert!(said.out.contains("CHANGED"), "{}", said.out);
    let other = folder.join("other.jpg");
    fs::write(&other, b"other").unwrap();
    let said = check(&file, &other, &keys).ended(2);
    assert!(said.out.contains("speaks of no object"), "{}", said.out);
    fs::write(&artifact, &whole).unwrap();
    fs::remove_file(other).unwrap();

    let receipt = fs::read(&file).unwrap();
    let mut forged: Value = serde_json::from_slice(&receipt).unwrap();
    let mut stated = statement(&receipt);
    stated["predicate"]["engines"] = json!({"libjpeg-turbo": "99"});
    forged["payload"] = STANDARD.encode(stated.to_string()).into();
    let forgery = tempfile::NamedTempFile::new().unwrap();
    fs::write(forgery.path(), forged.to_string()).unwrap();
    let said = check(forgery.path(), &artifact, &keys).ended(2);
    assert!(said.out.contains("was changed"), "{}", said.out);
    fs::write(forgery.path(), b"{}").unwrap();
    check(forgery.path(), &artifact, &keys).ended(2);

    let strange = tempfile::NamedTempFile::new().unwrap();
    let key = evidence::receipt_key::SecretKey::from_seed(&[9; 32]);
    fs::write(strange.path(), key.public().to_pem()).unwrap();
    let said = check(&file, &artifact, strange.path()).ended(2);
    assert!(said.out.contains("none of those given"), "{}", said.out);
    let said = check(&file, &artifact, Path::new("/nowhere")).ended(1);
    assert!(said.err.contains("--keys"), "{}", said.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn receipts_of_an_earlier_key_are_still_verified() {
    let sources = SourceServer::start().await;
    let up = Up::start(&[sources.port()], free_port()).await;
    let source = sources.put("/a.jpg", Source::bytes(pictures::PHOTOGRAPH));
    let first = done(&up.caller(), &source).await;
    let data = up.data();
    let folder = up.kill().await;
    fs::rename(data.join("receipts.key"), data.join("receipts.key.old")).unwrap();

    let up = Up::start_in(folder, &[sources.port()], free_port()).await;
    let second = done(&up.caller(), &source).await;
    let key = |shown: Value| shown["receipt"]["key_id"].as_str().unwrap().to_owned();
    let keys = [key(view(&up.caller(), &first).await), key(view(&up.caller(), &second).await)];
    assert_ne!(keys[0], keys[1]);
    let listed = up.caller().get("/v1/receipt-keys").await.json();
    let listed: Vec<&Value> =
        listed["keys"].as_array().unwrap().iter().map(|key| &key["id"]).collect();
    assert_eq!(listed, [&keys[0], &keys[1]]);
    for id in [&first, &second] {
        audit(&up, &["receipt", id]).ended(0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_are_found_by_what_touched_them_and_made_again_once() {
    let sources = SourceServer::start().await;
    let up = Up::start(&[sources.port()], free_port()).await;
    let caller = up.caller();
    let source = sources.put("/a.jpg", Source::bytes(pictures::PHOTOGRAPH));
    let wish = json!({
        "url": source, "sizes": ["40x40"], "data": {"note": "mine"},
        "uploader": {"destination": "mine/folder"},
    });
    let kept = jobs::wish(&caller, &wish).await;
    assert_eq!(jobs::ended(&caller, &kept).await["status"], "success");
    let erased = done(&caller, &source).await;
    assert_eq!(caller.delete(&format!("/v1/jobs/{erased}?erase=true")).await.status, 202);

    let all = audit(&up, &["find", "--engine", "libjpeg-turbo<99", "--json"]).ended(0).lines();
    let of = |id: &str, lines: &[Value]| {
        lines.iter().find(|line| line["job"] == id).cloned().unwrap_or_else(|| panic!("{id}"))
    };
    assert_eq!(all.len(), 2);
    assert_eq!(of(&kept, &all)["source"], "url");
    assert_eq!(of(&erased, &all)["source"], "gone: the job was erased");
    let none = audit(&up, &["find", "--engine", "libjpeg-turbo<1"]).ended(0);
    assert_eq!(none.out, "");
    let odd = audit(&up, &["find", "--engine", "libjpeg"]).ended(0);
    assert!(odd.err.contains("libjpeg-turbo"), "it names those there are: {}", odd.err);
    let csv = audit(&up, &["find", "--engine", "libjpeg-turbo", "--csv"]).ended(0);
    assert_eq!(csv.out.lines().count(), 3, "{}", csv.out);
    audit(&up, &["find", "--engine", "libjpeg-turbo<latest"]).ended(2);

    let data = up.data();
    let rerun = |more: &[&str]| {
        let data = data.to_str().unwrap();
        let of_it = ["find", "--engine", "libjpeg-turbo<99", "--json", "--rerun", "--data", data];
        audit(&up, &[&of_it, more].concat()).ended(0)
    };
    let planned = rerun(&[]);
    assert!(planned.err.contains("nothing was done"), "{}", planned.err);
    let new = of(&kept, &planned.lines())["new_job"].as_str().unwrap().to_owned();
    assert_eq!(caller.get(&format!("/v1/jobs/{new}")).await.status, 404, "not yet");

    let made = rerun(&["--yes"]);
    assert_eq!(of(&kept, &made.lines())["rerun"], "made");
    assert_eq!(of(&kept, &made.lines())["new_job"], new);
    assert_eq!(of(&erased, &made.lines())["rerun"], "cannot be made");
    let ended = jobs::ended(&caller, &new).await;
    assert_eq!(
        (&ended["status"], &ended["user_data"]["note"]),
        (&json!("success"), &json!("mine"))
    );
    let shown = view(&caller, &new).await;
    assert_eq!(shown["rerun_of"], kept);
    assert!(
        shown["artifacts"][0]["url"].as_str().unwrap().contains(&format!("mine/folder/{new}/"))
    );
    let folder = tempfile::tempdir().unwrap();
    fetch(&caller, &new, folder.path()).await;
    let stated = statement(&fs::read(folder.path().join("receipt.json")).unwrap());
    assert_eq!(stated["predicate"]["rerun_of"], kept);

    // The engine is still the same, so the new job is found as well; nothing is made twice.
    let again = rerun(&["--yes"]).lines();
    assert_eq!(again.len(), 3);
    assert_eq!(of(&kept, &again)["rerun"], "made before");
    assert_eq!(of(&new, &again)["rerun"], "stands for its original");
    let listed = caller.get("/v1/jobs").await.json();
    assert_eq!(listed["jobs"].as_array().unwrap().len(), 2, "{listed}");
}
