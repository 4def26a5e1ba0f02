//! How a password is kept: bcrypt over a keyed digest of it.
//!
//! bcrypt reads 72 bytes at most and stops at the first zero. So it never sees a password: it is
//! given the base64 of an HMAC-SHA384 over it, 64 bytes without a zero, which every byte of the
//! password decides. The key is no part of what is stored, so that hashes alone are of no use.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, Mac};
use sha2::Sha384;
use zeroize::Zeroizing;

/// The least work that a password is worth outside of tests: 2^12 rounds.
pub const MIN_COST: u32 = 12;
/// The most, which takes a machine of today some seconds.
pub const MAX_COST: u32 = 16;
/// The least that bcrypt itself takes.
const FLOOR_COST: u32 = 4;

/// Bytes of the digest in base64: fewer than bcrypt reads.
const DIGEST_CHARS: usize = 64;

/// A cost that bcrypt does not take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0} is no cost of bcrypt: use {MIN_COST} to {MAX_COST}")]
pub struct InvalidCost(u32);

/// A password could not be hashed or compared. Quotes nothing of it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// bcrypt failed; a stored hash is none, or the system gives no randomness.
    #[error("use bcrypt")]
    Bcrypt(#[source] bcrypt::BcryptError),
    /// bcrypt panicked.
    #[error("bcrypt panicked")]
    Panicked,
}

/// Hashes and compares. Takes long by design: keep it off an async thread.
#[derive(Clone)]
pub struct Hasher {
    key: Hmac<Sha384>,
    cost: u32,
    /// What passwords are compared with that are nobody's.
    nobodys: String,
}

/// Salt and hash that no password leads to but by a chance of one in 2^184.
const NOBODYS: &str = "R4oQ0y8m2Yt6Xn1cVb7KueJq3WfLh9ZsDg5PxAiTjMkBvNwErUoCa";

impl Hasher {
    /// With a key that is kept apart from hashes, and 2^`cost` rounds.
    ///
    /// # Errors
    /// [`InvalidCost`] for a cost that is out of bounds; below [`MIN_COST`] is for tests alone.
    pub fn new(key: &[u8], cost: u32) -> Result<Self, InvalidCost> {
        if !(FLOOR_COST..=MAX_COST).contains(&cost) {
            return Err(InvalidCost(cost));
        }
        let key =
            Hmac::new_from_slice(key).map_err(|_takes_keys_of_any_length| InvalidCost(cost))?;
        Ok(Self { key, cost, nobodys: format!("$2b${cost:02}${NOBODYS}") })
    }

    /// What is stored of a password.
    ///
    /// # Errors
    /// [`Error`].
    pub fn hash(&self, password: &str) -> Result<Zeroizing<String>, Error> {
        let digest = self.digest(password);
        calm(|| bcrypt::non_truncating_hash(digest.as_bytes(), self.cost)).map(Zeroizing::new)
    }

    /// Whether a stored hash is that of the password.
    ///
    /// # Errors
    /// [`Error`].
    pub fn verify(&self, password: &str, hash: &str) -> Result<bool, Error> {
        let digest = self.digest(password);
        calm(|| bcrypt::non_truncating_verify(digest.as_bytes(), hash))
    }

    /// The same work for somebody who does not exist, to no avail.
    ///
    /// # Errors
    /// [`Error`].
    pub fn verify_nobody(&self, password: &str) -> Result<(), Error> {
        self.verify(password, &self.nobodys).map(drop)
    }

    fn digest(&self, password: &str) -> Zeroizing<String> {
        let digest = self.key.clone().chain_update(password.as_bytes()).finalize().into_bytes();
        let mut text = Zeroizing::new(String::with_capacity(DIGEST_CHARS));
        STANDARD.encode_string(digest, &mut text);
        text
    }
}

/// bcrypt of a random secret, in the form that programs of others read (`$2a$`). As many rounds as bcrypt
/// must have: against guessing at 128 random bits or more, rounds are of no use.
///
/// # Errors
/// [`Error`], also for a secret of more than the 72 bytes that bcrypt reads.
pub fn hash_of_random(secret: &str) -> Result<String, Error> {
    let parts = calm(|| bcrypt::non_truncating_hash_with_result(secret, FLOOR_COST))?;
    Ok(parts.format_for_version(bcrypt::Version::TwoA))
}

/// A panic of bcrypt is an error like others.
fn calm<T>(work: impl FnOnce() -> bcrypt::BcryptResult<T>) -> Result<T, Error> {
    let done = catch_unwind(AssertUnwindSafe(work));
    done.map_err(|_panic: Box<dyn Any + Send>| Error::Panicked)?.map_err(Error::Bcrypt)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn hasher(key: &[u8]) -> Hasher {
        Hasher::new(key, FLOOR_COST).unwrap()
    }

    #[test]
    fn what_is_stored_is_bcrypt_of_the_cost_that_was_asked_for() {
        let hash = Hasher::new(b"key", 5).unwrap().hash("correct horse").unwrap();
        assert!(hash.starts_with("$2b$05$"), "{}", *hash);
        for cost in [0, 3, 17, 31] {
            assert_eq!(Hasher::new(b"key", cost).err(), Some(InvalidCost(cost)));
        }
    }

    #[test]
    fn a_random_secret_is_hashed_for_others_whole_or_not_at_all() {
        let secret = "0123456789abcdef".repeat(4);
        let hash = hash_of_random(&secret).unwrap();
        assert!(hash.starts_with("$2a$04$") && bcrypt::verify(&secret, &hash).unwrap(), "{hash}");
        assert!(matches!(hash_of_random(&"x".repeat(73)), Err(Error::Bcrypt(_))));
    }

    #[test]
    fn the_stored_hash_is_of_the_keyed_digest_and_of_nothing_shorter() {
        // HMAC-SHA384 under "key", from an independent implementation (Python's hmac and base64).
        let digest = "5Q9FeDpapx2uuyr8k1FXSsJ6hdAp1IbVyI6yq1ghH4YywHYEvj5TfRRMjeB7FeU5";
        let hasher = hasher(b"key");
        assert_eq!(hasher.digest("pässwörd\0 and more").len(), DIGEST_CHARS);
        let hash = hasher.hash("pässwörd\0 and more").unwrap();
        assert_eq!(hasher.digest("pässwörd\0 and more").as_str(), digest);
        assert!(bcrypt::verify(digest, &hash).unwrap());
    }

    #[test]
    fn a_zero_and_what_lies_behind_it_count() {
        let hasher = hasher(b"key");
        let hash = hasher.hash("correct\0horse").unwrap();
        assert!(hasher.verify("correct\0horse", &hash).unwrap());
        for other in ["correct", "correct\0", "correct\0house", "correct\0horse\0", "correcthorse"]
        {
            assert!(!hasher.verify(other, &hash).unwrap(), "{other:?}");
        }
    }

    #[test]
    fn nobody_has_any_password_and_another_key_opens_nothing() {
        let (ours, theirs) = (hasher(b"ours"), hasher(b"theirs"));
        let hash = ours.hash("correct horse").unwrap();
        assert!(!theirs.verify("correct horse", &hash).unwrap());
        assert!(!ours.verify("nobody", &ours.nobodys).unwrap());
        assert_eq!(ours.nobodys.len(), hash.len());
        ours.verify_nobody("nobody").unwrap();
        assert!(matches!(ours.verify("x", "no hash"), Err(Error::Bcrypt(_))));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn a_password_opens_as_it_was_given_and_one_changed_character_anywhere_does_not(
            password in proptest::collection::vec(any::<char>(), 8..=256),
            place in any::<proptest::sample::Index>(),
            other in any::<char>(),
        ) {
            let hasher = hasher(b"key");
            let whole: String = password.iter().collect();
            let hash = hasher.hash(&whole).unwrap();
            prop_assert!(hasher.verify(&whole, &hash).unwrap());
            let mut changed = password.clone();
            let place = place.index(changed.len());
            changed[place] = other;
            let same = changed == password;
            let changed: String = changed.into_iter().collect();
            prop_assert_eq!(hasher.verify(&changed, &hash).unwrap(), same);
        }

        #[test]
        fn passwords_that_differ_only_after_72_bytes_do_not_collide(
            start in "[a-zé]{72,200}", one in "[a-z]{1,20}", two in "[A-Z]{1,20}",
        ) {
            let hasher = hasher(b"key");
            let hash = hasher.hash(&[start.clone(), one].concat()).unwrap();
            let other = [start.clone(), two].concat();
            prop_assert!(!hasher.verify(&other, &hash).unwrap());
            prop_assert!(!hasher.verify(&start, &hash).unwrap());
        }
    }
}
