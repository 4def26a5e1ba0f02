//! What log-ins and sessions can be told: the `[api.sessions]` section.

use std::{net::IpAddr, time::Duration};

use domain::Timestamp;
use jiff::SignedDuration;
use serde::Deserialize;

use crate::settings::InvalidSettings;

/// The `[api.sessions]` section.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sessions {
    /// Minutes without a request after which a session ends.
    pub idle_minutes: u32,
    /// Hours after which a session ends, whatever happens.
    pub absolute_hours: u32,
    /// Hours that an invitation holds.
    pub invitation_hours: u32,
    /// Minutes that a reset of a password holds.
    pub reset_minutes: u32,
    /// Work of a password's hash: 2^cost rounds of bcrypt.
    pub bcrypt_cost: u32,
    /// How many passwords are hashed at once.
    pub hashing_threads: usize,
    /// How many more may wait for that; further ones are told to come back.
    pub hashing_queue: usize,
    /// Most log-ins at work at once; further ones are told to come back.
    pub max_logins: usize,
    /// How many log-ins an address may try in a row.
    pub logins_per_address: u32,
    /// And how many a minute after that.
    pub logins_per_address_per_minute: u32,
    /// A log-in that fails is answered when a multiple of this has passed, in milliseconds, so that
    /// the time it took tells nothing.
    pub failed_login_ms: u64,
    /// Proxies in front of this API: from these, the last address in `X-Forwarded-For` that is not
    /// one of them is who asks.
    pub trusted_proxies: Vec<IpAddr>,
}

impl Default for Sessions {
    fn default() -> Self {
        Self {
            idle_minutes: 60,
            absolute_hours: 12,
            invitation_hours: 72,
            reset_minutes: 30,
            bcrypt_cost: passwords::MIN_COST,
            hashing_threads: 1,
            hashing_queue: 32,
            max_logins: 64,
            logins_per_address: 20,
            logins_per_address_per_minute: 20,
            failed_login_ms: 750,
            trusted_proxies: Vec::new(),
        }
    }
}

impl Sessions {
    /// Checks what no single key shows.
    pub(crate) fn check(&self) -> Result<(), InvalidSettings> {
        for (name, value) in [
            ("sessions.idle_minutes", u64::from(self.idle_minutes)),
            ("sessions.absolute_hours", u64::from(self.absolute_hours)),
            ("sessions.invitation_hours", u64::from(self.invitation_hours)),
            ("sessions.reset_minutes", u64::from(self.reset_minutes)),
            ("sessions.hashing_threads", self.hashing_threads as u64),
            ("sessions.hashing_queue", self.hashing_queue as u64),
            ("sessions.max_logins", self.max_logins as u64),
            ("sessions.logins_per_address", u64::from(self.logins_per_address)),
            (
                "sessions.logins_per_address_per_minute",
                u64::from(self.logins_per_address_per_minute),
            ),
            ("sessions.failed_login_ms", self.failed_login_ms),
        ] {
            if value == 0 {
                return Err(InvalidSettings::Zero(name));
            }
        }
        Ok(())
    }

    /// Refuses hashes that are too easy to make.
    pub(crate) const fn check_cost(&self) -> Result<(), InvalidSettings> {
        match self.bcrypt_cost {
            passwords::MIN_COST..=passwords::MAX_COST => Ok(()),
            cost => Err(InvalidSettings::BcryptCost(cost)),
        }
    }

    pub(crate) fn idle(&self) -> SignedDuration {
        SignedDuration::from_mins(i64::from(self.idle_minutes))
    }

    pub(crate) fn absolute(&self) -> SignedDuration {
        SignedDuration::from_hours(i64::from(self.absolute_hours))
    }

    pub(crate) fn failed_login(&self) -> Duration {
        Duration::from_millis(self.failed_login_ms)
    }

    /// Until when an invitation of now holds.
    #[must_use]
    pub fn invitation_until(&self, now: Timestamp) -> Timestamp {
        later(now, SignedDuration::from_hours(i64::from(self.invitation_hours)))
    }

    /// Until when a reset of now holds.
    #[must_use]
    pub fn reset_until(&self, now: Timestamp) -> Timestamp {
        later(now, SignedDuration::from_mins(i64::from(self.reset_minutes)))
    }
}

/// A time that far away, or the last there is.
pub(crate) fn later(now: Timestamp, by: SignedDuration) -> Timestamp {
    now.saturating_add(by).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_that_are_too_easy_and_limits_that_let_nothing_through_are_refused_by_name() {
        for (bcrypt_cost, fine) in [(4, false), (11, false), (12, true), (16, true), (17, false)] {
            let sessions = Sessions { bcrypt_cost, ..Sessions::default() };
            assert_eq!(sessions.check_cost().is_ok(), fine, "{bcrypt_cost}");
        }
        let none = Sessions { max_logins: 0, ..Sessions::default() };
        let refused = none.check().unwrap_err().to_string();
        assert!(refused.contains("api.sessions.max_logins"), "{refused}");
    }

    #[test]
    fn tokens_hold_as_long_as_the_settings_say() {
        let (settings, now) = (Sessions::default(), Timestamp::UNIX_EPOCH);
        assert_eq!(settings.invitation_until(now).as_second(), 72 * 3_600);
        assert_eq!(settings.reset_until(now).as_second(), 30 * 60);
        assert_eq!(later(Timestamp::MAX, settings.idle()), Timestamp::MAX);
    }
}
