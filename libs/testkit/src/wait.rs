//! Waiting for conditions with a deadline.

use std::{
    future::Future,
    time::{Duration, Instant},
};

/// How often a condition is looked at.
const PACE: Duration = Duration::from_millis(20);

/// Waits until `condition` holds.
///
/// # Panics
/// When it does not hold within `limit`; the message names `what`.
pub async fn eventually<F, Fut>(what: &str, limit: Duration, mut condition: F)
where
    F: FnMut() -> Fut,
    Fut: Future<Output = bool>,
{
    until_some(what, limit, || {
        let holds = condition();
        async move { holds.await.then_some(()) }
    })
    .await;
}

/// Waits until `look` finds something, and gives it.
///
/// # Panics
/// When it finds nothing within `limit`; the message names `what`.
pub async fn until_some<T, F, Fut>(what: &str, limit: Duration, mut look: F) -> T
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Option<T>>,
{
    let began = Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(began.elapsed() < limit, "not within {limit:?}: {what}");
        tokio::time::sleep(PACE).await;
    }
}

/// Waits for what must come of itself: an answer, a message, a task.
///
/// # Panics
/// When it does not come within `limit`; the message names `what`.
pub async fn within<T>(what: &str, limit: Duration, coming: impl Future<Output = T>) -> T {
    let came = tokio::time::timeout(limit, coming).await;
    came.unwrap_or_else(|_elapsed| panic!("not within {limit:?}: {what}"))
}
