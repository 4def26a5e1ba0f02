//! How often one address on the network may ask: a bucket of tokens for each.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::{Mutex, PoisonError},
};

use domain::Timestamp;

/// Most addresses with a bucket of their own; beyond, the others share one.
const MAX_PEERS: usize = 20_000;
/// The bucket that is shared.
const OTHERS: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
/// The bits of an IPv6 address that one household has: its network.
const V6_NETWORK: u128 = u128::MAX << 64;

/// A bucket for each address.
pub(crate) struct Throttle {
    /// What a full bucket holds.
    burst: f64,
    per_ms: f64,
    buckets: Mutex<HashMap<IpAddr, Bucket>>,
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    tokens: f64,
    at: Timestamp,
}

impl Throttle {
    pub(crate) fn new(burst: u32, per_minute: u32) -> Self {
        Self {
            burst: f64::from(burst),
            per_ms: f64::from(per_minute) / 60_000.0,
            buckets: Mutex::default(),
        }
    }

    /// Takes a token, or says after how many seconds there is one.
    pub(crate) fn take(&self, peer: IpAddr, now: Timestamp) -> Result<(), u64> {
        let peer = household(peer);
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= MAX_PEERS && !buckets.contains_key(&peer) {
            buckets.retain(|_, bucket| self.filled(*bucket, now) < self.burst);
        }
        let full = buckets.len() >= MAX_PEERS && !buckets.contains_key(&peer);
        let key = if full { OTHERS } else { peer };
        let bucket = buckets.entry(key).or_insert(Bucket { tokens: self.burst, at: now });
        bucket.tokens = self.filled(*bucket, now);
        bucket.at = now;
        if bucket.tokens >= 1.0 {
            bucket.tokens -= 1.0;
            return Ok(());
        }
        let seconds = ((1.0 - bucket.tokens) / self.per_ms / 1_000.0).ceil();
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "between one and sixty"
        )]
        Err(seconds.clamp(1.0, 60.0) as u64)
    }

    fn filled(&self, bucket: Bucket, now: Timestamp) -> f64 {
        let passed = now.duration_since(bucket.at).as_millis().clamp(0, i128::from(u32::MAX));
        let passed = u32::try_from(passed).unwrap_or(u32::MAX);
        (bucket.tokens + f64::from(passed) * self.per_ms).min(self.burst)
    }
}

/// Whoever has one address of an IPv6 network has all of it.
fn household(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & V6_NETWORK)),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millisecond(1_790_000_000_000 + ms).unwrap()
    }

    fn peer(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_bucket_empties_and_fills_again() {
        let throttle = Throttle::new(2, 60);
        let one = peer("192.0.2.1");
        assert_eq!(throttle.take(one, at(0)), Ok(()));
        assert_eq!(throttle.take(one, at(0)), Ok(()));
        assert_eq!(throttle.take(one, at(0)), Err(1));
        assert_eq!(throttle.take(peer("192.0.2.2"), at(0)), Ok(()));
        assert_eq!(throttle.take(one, at(1_000)), Ok(()));
        assert_eq!(throttle.take(one, at(1_000)), Err(1));
        // A clock that goes back gives nothing, and takes nothing.
        assert_eq!(throttle.take(one, at(-60_000)), Err(1));
    }

    #[test]
    fn one_network_is_one_peer() {
        let throttle = Throttle::new(1, 1);
        assert_eq!(throttle.take(peer("2001:db8::1"), at(0)), Ok(()));
        assert_eq!(throttle.take(peer("2001:db8::ffff:2"), at(0)), Err(60));
        assert_eq!(throttle.take(peer("2001:db8:0:1::1"), at(0)), Ok(()));
        assert_eq!(throttle.take(peer("192.0.2.1"), at(0)), Ok(()));
        assert_eq!(throttle.take(peer("::ffff:192.0.2.1"), at(0)), Err(60));
    }

    #[test]
    fn no_more_buckets_are_kept_than_there_is_room_for() {
        let throttle = Throttle::new(1, 1);
        for n in 0..u32::try_from(MAX_PEERS).unwrap() + 10 {
            let _ = throttle.take(IpAddr::V4(Ipv4Addr::from_bits(0x0a00_0000 + n)), at(0));
        }
        assert!(throttle.buckets.lock().unwrap().len() <= MAX_PEERS + 1);
        assert_eq!(throttle.take(peer("198.51.100.1"), at(0)), Err(60), "the others share one");
    }
}
