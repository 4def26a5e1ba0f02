//! Room on the spool's disk: while there is too little of it, no new job is taken.
//!
//! The worker then lends itself every slot as it comes free, so that it asks the queue for nothing
//! and others get what waits there. A job that finds the disk full all the same fails its attempt
//! as by any fault of ours, and is tried again elsewhere or later.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use tokio::sync::Semaphore;

/// How often the disk is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// How much room there is for sources.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// What others may still write to the disk, in bytes.
    pub free_bytes: u64,
    /// What must be free for a new job to be taken, in bytes.
    pub least_bytes: u64,
}

impl Room {
    /// Looks at the disk that a folder lies on.
    ///
    /// # Errors
    /// When the folder is not there, or its disk does not tell.
    pub fn look(folder: &Path, least_bytes: u64) -> io::Result<Self> {
        let disk = rustix::fs::statvfs(folder)?;
        Ok(Self { free_bytes: disk.f_bavail.saturating_mul(disk.f_frsize), least_bytes })
    }

    /// Whether new jobs are taken.
    #[must_use]
    pub const fn is_enough(&self) -> bool {
        self.free_bytes >= self.least_bytes
    }
}

/// Watches the folder's disk for ever: with less than `least_bytes` free, all `slots` are taken.
pub(crate) async fn keep(
    (folder, least_bytes): (PathBuf, u64),
    (slots, count): (Arc<Semaphore>, usize),
) {
    let count = u32::try_from(count).unwrap_or(u32::MAX);
    let until = |enough| until(&folder, least_bytes, enough);
    loop {
        let free_bytes = until(false).await.free_bytes;
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
            room = until(true) => {
                let free_bytes = room.free_bytes;
                tracing::info!(free_bytes, "worker.spool has room again: jobs are taken");
            }
            () = taken => {}
        }
    }
}

/// Waits until there is enough room, or no longer. A disk that does not tell is taken to be as it was.
async fn until(folder: &Path, least_bytes: u64, enough: bool) -> Room {
    loop {
        match Room::look(folder, least_bytes) {
            Ok(room) if room.is_enough() == enough => return room,
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
        let slots = Arc::new(Semaphore::new(3));
        let at_work = slots.acquire().await.unwrap();
        let keeping =
            tokio::spawn(keep((disk.path().to_owned(), 3 << 20), (Arc::clone(&slots), 3)));
        disk.fill(2 << 20);
        eventually("idle slots are taken", PATIENCE, async || slots.available_permits() == 0).await;
        drop(at_work);
        assert!(slots.try_acquire().is_err(), "a slot that comes free is taken as well");
        disk.empty();
        eventually("slots are free again", PATIENCE, async || slots.available_permits() == 3).await;
        keeping.abort();
    }

    #[test]
    fn room_is_enough_from_the_watermark_on() {
        let disk = Tmpfs::of(4 << 20);
        let free = Room::look(disk.path(), 0).unwrap().free_bytes;
        assert_eq!(free, 4 << 20);
        assert!(Room::look(disk.path(), free).unwrap().is_enough());
        assert!(!Room::look(disk.path(), free + 1).unwrap().is_enough());
        let none = Room::look(&disk.path().join("none"), 0).unwrap_err();
        assert_eq!(none.kind(), io::ErrorKind::NotFound);
    }
}
