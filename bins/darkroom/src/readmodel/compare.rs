//! `darkroom readmodel rebuild`: one hash over all rows, made again and held against the live ones.

use std::{path::Path, sync::Arc};

use api::ops::Report;
use bytes::Bytes;
use eventlog::Log;
use readmodel::{Positions, Store};
use service::{Failure, OrTry};

use super::{
    REPLICAS_MAX, ask,
    build::{Scratch, fill, make_ready},
    say, spelled,
};
use crate::{exit::Exit, operator::Operator};

pub(super) async fn run(
    log: &Log,
    operator: &Operator,
    into: Option<&Path>,
) -> Result<Exit, Failure> {
    let live: Vec<Report> = ask(log, Bytes::new(), REPLICAS_MAX).await;
    match (live.is_empty(), into) {
        (false, _) => compare(log, live, operator, into).await,
        (true, None) => replace(log, operator).await,
        (true, Some(into)) => {
            let scratch = Scratch::new(operator, Some(into))?;
            let hash = build(log, &scratch, api::projection::ends(log).await?).await?;
            scratch.finish(Some(into))?;
            say(&format!("no API runs; rebuilt {hash}"))?;
            Ok(Exit::Well)
        }
    }
}

async fn compare(
    log: &Log,
    live: Vec<Report>,
    operator: &Operator,
    into: Option<&Path>,
) -> Result<Exit, Failure> {
    let mut exit = Exit::Well;
    let mut made: Vec<(Positions, String)> = Vec::new();
    for Report { replica, positions, hash: theirs } in live {
        let known = made.iter().find(|(known, _)| *known == positions);
        let hash = match known {
            Some((_, hash)) => hash.clone(),
            None => {
                let scratch = Scratch::new(operator, into)?;
                let hash = build(log, &scratch, positions).await?;
                made.push((positions, hash.clone()));
                scratch.finish(into)?;
                hash
            }
        };
        let verdict = if hash == theirs { "same" } else { "DIFFERENT" };
        say(&format!("{replica} at {}: {verdict}", spelled(&positions)))?;
        say(&format!("  live    {theirs}\n  rebuilt {hash}"))?;
        if hash != theirs {
            exit = Exit::Differs;
            say("  `darkroom readmodel verify` names the first row")?;
        }
    }
    Ok(exit)
}

/// With nobody to compare with, what was made becomes the read model.
async fn replace(log: &Log, operator: &Operator) -> Result<Exit, Failure> {
    let live = operator.settings()?.api.data.join("readmodel");
    make_ready(log, &live).await?;
    // Opened once, so that they are in place; fails while another process has it.
    let path = live.clone();
    let taken = tokio::task::spawn_blocking(move || {
        let (store, _) = Store::open(&path)?;
        store.hash()
    });
    let (_, hash) = taken.await?.or_try("stop the process that has it")?;
    let live = live.display();
    say(&format!("no API runs; {live} is now the rebuilt one\n  rebuilt {hash}"))?;
    Ok(Exit::Well)
}

/// Makes a store up to there, and gives its hash.
async fn build(log: &Log, scratch: &Scratch, wanted: Positions) -> Result<String, Failure> {
    let store = scratch.store().await?;
    fill(log, &store, wanted).await?;
    let hashed = Arc::clone(&store);
    let (_, hash) = tokio::task::spawn_blocking(move || {
        let hash = hashed.hash();
        hashed.flush().and(hash)
    })
    .await??;
    Ok(hash)
}
