//! A server killed in the middle of writes keeps what it acknowledged, and nothing half-written.

use std::{process::Child, time::Duration};

use bytes::Bytes;
use storage::{Bucket, Error, Network, Patience, Reader};
use tempfile::TempDir;
use tokio::task::JoinSet;

use crate::{
    child,
    world::{BUCKET, HASTE, admin, destination, noise, object},
};

const WRITERS: usize = 4;
const BODY_BYTES: usize = 256 << 10;
const ACKED_BEFORE_KILL: usize = 12;
const PATIENCE: Duration = Duration::from_secs(60);

fn serve(data: &TempDir) -> (Child, String) {
    let mut child = child::command("serves").env("TEST_DATA", data.path()).spawn().unwrap();
    let endpoint = child::line(&mut child, "endpoint=");
    (child, endpoint)
}

/// Stores one object after another until the server is gone; answers the keys acknowledged.
async fn write(
    bucket: Bucket,
    body: Bytes,
    writer: usize,
    acked: tokio::sync::mpsc::Sender<()>,
) -> Vec<String> {
    let mut keys = Vec::new();
    for n in 0.. {
        let key = format!("job-{writer}/object-{n}");
        match bucket.put(object(&key, body.clone())).await {
            Ok(_) => keys.push(key),
            Err(Error::Unreachable { .. }) => break,
            Err(other) => panic!("{other:?}"),
        }
        if acked.send(()).await.is_err() {
            continue;
        }
    }
    keys
}

#[tokio::test]
async fn a_killed_server_keeps_what_it_acknowledged_and_nothing_half_written() {
    let data = TempDir::new().unwrap();
    let body = Bytes::from(noise(BODY_BYTES));
    let (mut child, endpoint) = serve(&data);
    let network = Network::direct(Patience { attempts: 1, ..HASTE });
    let bucket = Bucket::open(destination(&endpoint, admin()), &network).await.unwrap();
    let (acked, mut acks) = tokio::sync::mpsc::channel(1);
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        writers.spawn(write(bucket.clone(), body.clone(), writer, acked.clone()));
    }
    for _ in 0..ACKED_BEFORE_KILL {
        let acked = tokio::time::timeout(PATIENCE, acks.recv()).await;
        acked.expect("objects are acknowledged in time").unwrap();
    }
    child.kill().unwrap();
    child.wait().unwrap();
    drop(acks);
    let keys: Vec<String> = writers.join_all().await.into_iter().flatten().collect();
    assert!(keys.len() >= ACKED_BEFORE_KILL);

    let (mut child, endpoint) = serve(&data);
    let network = Network::direct(Patience::default());
    let reader = Reader::open(destination(&endpoint, admin()), &network).await.unwrap();
    for key in &keys {
        assert!(reader.get(key, u64::MAX).await.unwrap().bytes == body, "{key}");
    }
    let listed = reader.list("", 9_999).await.unwrap();
    assert!(listed.len() >= keys.len());
    for object in listed {
        assert_eq!(object.size_bytes, BODY_BYTES as u64, "{}", object.key);
    }
    let names = data.path().read_dir().unwrap().map(|entry| entry.unwrap().file_name());
    let half: Vec<_> = names.filter(|name| name.to_string_lossy().starts_with(".tmp.")).collect();
    assert!(half.is_empty(), "{half:?}");
    assert!(data.path().join(BUCKET).exists());
    child.kill().unwrap();
    child.wait().unwrap();
}
