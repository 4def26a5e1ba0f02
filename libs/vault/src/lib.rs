//! Envelope encryption of personal fields and credentials: a master key ring wraps account keys, which wrap job keys.
//!
//! Fields lie in events as AES-SIV ciphertext (RFC 5297, 512-bit keys, random nonce). The wrapped keys lie apart, in a
//! store that forgets; removing a key there makes every ciphertext under it unreadable, while the events that carry
//! it, and every hash over them, stay as they are.
//!
//! A ciphertext opens only where it was made: format, key, account, record and field name are all associated data.

mod cache;
mod cipher;
mod digest;
mod envelope;
mod error;
mod field;
mod keys;
mod ring;
mod ring_file;
mod secret;
pub mod secrets;
mod vault;

pub use cipher::{DataKey, KeyId};
pub use error::{EnvelopeError, Error, RingError, RingFault};
pub use field::FieldKey;
pub use keys::{Creation, MemoryKeys, StoreError, StoreFuture, WrappedKeys};
pub use ring::{MasterKeys, Settings};
pub use secret::Secret;
pub use vault::Vault;
