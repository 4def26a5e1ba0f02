//! Room on the spool's disk: while there is too little of it, no new job is taken.
//!
//! The worker then lends itself every slot as it comes free, so that it asks the queue for nothing
//! and others get what waits there. A job that finds the disk full all the same fails its attempt
//! as by any fault of ours, and is tried again elsewhere or later.

use std::{sync::Arc, time::Duration};

use tokio::sync::Semaphore;

use crate::spool::Spool;

/// How often the disk is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// Watches the disk for ever: with less than `least_bytes` free, all `slots` are taken.
pub(crate) async fn keep(
    (spool, least_bytes): (Spool, u64),
    (slots, count): (Arc<Semaphore>, usize),
) {
    let count = u32::try_from(count).unwrap_or(u32::MAX);
    loop {
        let free_bytes = until(&spool, |free_bytes| free_bytes < least_bytes).await;
        tracing::error!(
            free_bytes,
            least_bytes,
            "worker.spool has too little room: no new job is taken; make room on its disk, name another folder, or lower worker.spool_free_bytes"
        );
        let taken = async {
            let _all = slots.acquire_many(count).await;
            std::future::pending::<()>().await;
        };
        tokio::select! {
            free_bytes = until(&spool, |free_bytes| free_bytes >= least_bytes) => {
                tracing::info!(free_bytes, "worker.spool has room again: jobs are taken");
            }
            () = taken => {}
        }
    }
}

/// Waits until the room is so. A disk that does not tell is taken to be as it was.
async fn until(spool: &Spool, is_it: impl Fn(u64) -> bool) -> u64 {
    loop {
        match spool.free_bytes() {
            Ok(free_bytes) if is_it(free_bytes) => return free_bytes,
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "the room in worker.spool cannot be told"),
        }
        tokio::time::sleep(LOOK).await;
    }
}

#[cfg(test)]
mod tests {
    use testkit::{Tmpfs, eventually};

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(20);

    #[tokio::test]
    async fn with_too_little_room_every_slot_is_taken_as_it_comes_free() {
        let disk = Tmpfs::of(4 << 20);
        let spool = Spool::open(disk.path(), 0).unwrap();
        let slots = Arc::new(Semaphore::new(3));
        let at_work = slots.acquire().await.unwrap();
        let keeping = tokio::spawn(keep((spool, 3 << 20), (Arc::clone(&slots), 3)));
        disk.fill(2 << 20);
        eventually("idle slots are taken", PATIENCE, async || slots.available_permits() == 0).await;
        drop(at_work);
        assert!(slots.try_acquire().is_err(), "a slot that comes free is taken as well");
        disk.empty();
        eventually("slots are free again", PATIENCE, async || slots.available_permits() == 3).await;
        keeping.abort();
    }
}
