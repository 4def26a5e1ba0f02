//! Passwords and one-time codes: which are taken, how they are kept, and how they are compared. Knows no crate of ours.

mod base32;
mod hash;
mod policy;
pub mod totp;

pub use hash::{Error, Hasher, InvalidCost, MAX_COST, MIN_COST, hash_of_random};
pub use policy::{MAX_CHARS, MIN_CHARS, Policy, Weakness};
