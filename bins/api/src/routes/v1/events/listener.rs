//! Whoever listens, identified again for as long as they do.

use std::{sync::Arc, time::Duration};

use domain::id::AccountId;
use http::HeaderMap;
use readmodel::Stream;
use tokio::time::{MissedTickBehavior, interval};

use super::{GET, wanted::may_see};
use crate::{app::App, auth};

/// How often whoever listens is identified again though nothing is known to have happened to them.
const IDENTIFY: Duration = Duration::from_secs(1);

/// Who listens, to be identified again.
pub(super) struct Listener {
    pub(super) app: Arc<App>,
    pub(super) account: AccountId,
    /// What they sent.
    pub(super) sent: HeaderMap,
    /// What they hear.
    pub(super) streams: Vec<Stream>,
}

impl Listener {
    /// Ends once whoever listens may no longer.
    pub(super) async fn may_not(&self) {
        let mut changes = self.app.callers.changes();
        let mut ticks = interval(IDENTIFY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while self.may().await {
            tokio::select! {
                _ = ticks.tick() => {}
                _ = changes.changed() => {}
            }
        }
    }

    /// Whether they still are who they were. What cannot be found out now is asked again soon.
    async fn may(&self) -> bool {
        match auth::identify_again(&self.app, &self.sent, GET.access).await {
            Ok(caller) => {
                let may = self.streams.iter().all(|stream| may_see(&caller, *stream));
                caller.account == self.account && may
            }
            Err(problem) => problem.status().is_server_error(),
        }
    }
}
