//! What an endpoint's history amounts to.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    decide::MAX_SECRETS,
    event::{DisabledBecause, Event, Letter, Signing},
    replay::Replay,
    topic::Topic,
};
use crate::id::{ApplicationId, ReplayId};

/// An endpoint, or that there is none.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Nothing has happened under this id.
    #[default]
    Absent,
    /// There is an endpoint.
    Present(Box<Endpoint>),
    /// There was one.
    Removed,
}

/// An endpoint as it stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Endpoint {
    /// Where it is and how it is told.
    pub letter: Letter,
    /// What deliveries are signed with.
    pub signing: Signing,
    /// What they were signed with before, newest first.
    pub previous: Vec<PreviousSigning>,
    /// When it was added.
    pub added_at: Timestamp,
    /// Why it is told nothing, and since when.
    pub disabled: Option<(DisabledBecause, Timestamp)>,
    /// Whether it is left alone for a while.
    pub circuit: Circuit,
    /// When it was last found to do well again, or enabled: failures before then no longer count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub well_at: Option<Timestamp>,
    /// The replay under way.
    pub replay: Option<RunningReplay>,
}

/// What deliveries were signed with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PreviousSigning {
    /// What.
    pub signing: Signing,
    /// Until when they still are.
    pub until: Timestamp,
}

/// Whether an endpoint is left alone for a while.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "circuit", rename_all = "snake_case")]
pub enum Circuit {
    /// It is not.
    #[default]
    Closed,
    /// It is; after `until` one delivery tries it.
    Open {
        /// Since when nothing but failures came of it.
        failing_since: Timestamp,
        /// When it is tried again.
        until: Timestamp,
    },
}

/// A replay under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunningReplay {
    /// Which.
    pub replay: ReplayId,
    /// Which events.
    pub of: Replay,
    /// The last sequence that it has looked at.
    pub through_seq: u64,
    /// Deliveries made due by it so far.
    pub deliveries: u64,
}

impl State {
    /// The endpoint, if there is one.
    #[must_use]
    pub const fn endpoint(&self) -> Option<&Endpoint> {
        match self {
            Self::Present(endpoint) => Some(endpoint),
            Self::Absent | Self::Removed => None,
        }
    }

    pub(super) fn evolve(self, event: &Event, at: Timestamp) -> Self {
        match (self, event) {
            (_, Event::Added { letter, signing }) => Self::Present(Box::new(Endpoint {
                letter: letter.clone(),
                signing: signing.clone(),
                previous: vec![],
                added_at: at,
                disabled: None,
                circuit: Circuit::Closed,
                well_at: None,
                replay: None,
            })),
            (_, Event::Removed {}) => Self::Removed,
            (Self::Present(mut endpoint), event) => {
                endpoint.apply(event, at);
                Self::Present(endpoint)
            }
            (state, _) => state,
        }
    }
}

impl Endpoint {
    /// Whether it wants to be told this, of a job of that application.
    #[must_use]
    pub fn wants(&self, topic: &Topic, application: Option<ApplicationId>) -> bool {
        let terms = &self.letter.terms;
        let own = terms.applications.as_ref().is_none_or(|wanted| {
            application.is_none_or(|application| wanted.contains(&application))
        });
        own && terms.topics.iter().any(|filter| filter.wants(topic))
    }

    /// Everything that a delivery at `now` is signed with, the latest first.
    pub fn signings(&self, now: Timestamp) -> impl Iterator<Item = &Signing> {
        let previous = self.previous.iter().filter(move |previous| now < previous.until);
        std::iter::once(&self.signing).chain(previous.map(|previous| &previous.signing))
    }

    fn apply(&mut self, event: &Event, at: Timestamp) {
        match event {
            Event::Added { .. } | Event::Removed {} => {}
            Event::Changed { letter } => self.letter = letter.clone(),
            Event::SecretRotated { signing, previous_until } => {
                let signing = std::mem::replace(&mut self.signing, signing.clone());
                self.previous.retain(|previous| at < previous.until);
                self.previous.insert(0, PreviousSigning { signing, until: *previous_until });
                self.previous.truncate(MAX_SECRETS - 1);
            }
            Event::Disabled { because } => self.disabled = Some((*because, at)),
            Event::Enabled {} => {
                self.disabled = None;
                self.circuit = Circuit::Closed;
                self.well_at = Some(at);
            }
            Event::CircuitOpened { failing_since, until } => {
                self.circuit = Circuit::Open { failing_since: *failing_since, until: *until };
            }
            Event::CircuitClosed {} => {
                self.circuit = Circuit::Closed;
                self.well_at = Some(at);
            }
            Event::ReplayRequested { replay, of } => {
                let through_seq = of.from_seq.saturating_sub(1);
                self.replay =
                    Some(RunningReplay { replay: *replay, of: *of, through_seq, deliveries: 0 });
            }
            Event::ReplayProgressed { replay, through_seq, deliveries } => {
                if let Some(running) = self.replay.as_mut().filter(|it| it.replay == *replay) {
                    running.through_seq = *through_seq;
                    running.deliveries = *deliveries;
                }
            }
            Event::ReplayEnded { replay, .. } => {
                self.replay = self.replay.filter(|running| running.replay != *replay);
            }
        }
    }
}
