//! Passwords hashed on a few threads, with a short queue before them: whoever floods it waits for nobody but themselves.

use std::sync::Arc;

use passwords::Hasher;
use tokio::sync::Semaphore;

use crate::problem::Problem;

/// Hashes passwords, a few at a time.
pub(crate) struct Hashing {
    hasher: Arc<Hasher>,
    threads: Arc<Semaphore>,
    places: Arc<Semaphore>,
}

impl Hashing {
    /// `threads` at once, and `queue` more that wait.
    pub(crate) fn new(hasher: Hasher, threads: usize, queue: usize) -> Self {
        Self {
            hasher: Arc::new(hasher),
            threads: Arc::new(Semaphore::new(threads)),
            places: Arc::new(Semaphore::new(threads.saturating_add(queue))),
        }
    }

    /// Does `work` once a thread is free.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Hasher) -> Result<T, passwords::Error> + Send + 'static,
    ) -> Result<T, Problem> {
        let place = self.places.clone().try_acquire_owned();
        let place = place.map_err(|_full| Problem::Overloaded)?;
        let thread = self.threads.clone().acquire_owned().await;
        let thread = thread.map_err(|_never_closed| Problem::Internal)?;
        let hasher = Arc::clone(&self.hasher);
        let done = tokio::task::spawn_blocking(move || {
            // Whoever asked may be gone; the thread is busy all the same.
            let _held = (place, thread);
            work(&hasher)
        });
        match done.await {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(error)) => {
                tracing::error!(error = %service::Chain(&error), "a password could not be hashed");
                Err(Problem::Internal)
            }
            Err(error) => {
                tracing::error!(%error, "a password could not be hashed");
                Err(Problem::Internal)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn beyond_the_threads_and_the_queue_nobody_waits() {
        let hashing = Arc::new(Hashing::new(Hasher::new(b"key", 4).unwrap(), 1, 1));
        let (go, wait) = mpsc::channel::<()>();
        let first = {
            let hashing = Arc::clone(&hashing);
            tokio::spawn(async move { hashing.run(move |_| Ok(wait.recv().is_ok())).await })
        };
        let second = {
            let hashing = Arc::clone(&hashing);
            tokio::spawn(async move { hashing.run(|_| Ok(2)).await })
        };
        while hashing.places.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(hashing.run(|_| Ok(3)).await, Err(Problem::Overloaded));
        go.send(()).unwrap();
        assert_eq!(first.await.unwrap(), Ok(true));
        assert_eq!(second.await.unwrap(), Ok(2));
        assert_eq!(hashing.run(|_| Ok(4)).await, Ok(4));
    }
}
