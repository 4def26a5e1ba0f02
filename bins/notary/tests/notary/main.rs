//! The notary against a real server: what it signs, what it must never sign, and where that goes.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a panic is how a test fails")]

mod elsewhere;
mod forged;
mod growth;
mod killed;
mod support;
