//! Envelope encryption of personal fields and credentials: a master key ring wraps account keys, which wrap job keys.
//!
//! Fields lie in events as AES-SIV ciphertext (RFC 5297, 512-bit keys, random nonce). The wrapped keys lie apart, in a
//! store that forgets; removing a key there makes every ciphertext under it unreadable, while the events that carry
//! it, and every hash over them, stay as they are.
//!
//! Customers' credentials have keys of their own, which a second ring wraps: its public halves seal, and only the private
//! halves open. A process that takes credentials in is given the public ones and cannot read what it took.
//!
//! A ciphertext opens only where it was made: format, key, account, record and field name are all associated data.

mod cache;
mod cipher;
mod credentials;
mod digest;
mod document;
mod envelope;
mod error;
mod field;
mod handed;
mod keys;
mod pair;
mod reloading;
mod ring;
mod ring_file;
mod rotation;
mod secret;
pub mod secrets;
mod settings;
mod source;
mod vault;
pub mod webhook;

pub use cipher::{DataKey, KeyId};
pub use credentials::CredentialKeys;
pub use digest::Digests;
pub use error::{EnvelopeError, Error, RingError, RingFault, Unretirable};
pub use field::FieldKey;
pub use handed::take_rings_from_environment;
pub use keys::{Creation, MemoryKeys, Page, Replacement, StoreError, StoreFuture, WrappedKeys};
pub use ring::MasterKeys;
pub use rotation::{Census, Report};
pub use secret::Secret;
pub use settings::{NoSuchRing, RingKey, RingName, Rotated, Settings};
pub use vault::{KeysHeld, Role, Vault};

#[cfg(test)]
mod tests {
    use std::fmt::{Debug, Display};

    use super::{CredentialKeys, DataKey, Digests, FieldKey, MasterKeys, Secret, Vault};
    use crate::pair::PrivateHalf;

    /// Does not compile if the type has the trait: then two implementations of `Lacks` fit, and neither is chosen.
    macro_rules! lacks {
        ($type:ty: $($trait:path),+) => {$({
            trait Lacks<Which> {
                fn proof() {}
            }
            impl<T> Lacks<()> for T {}
            impl<T: $trait> Lacks<u8> for T {}
            <$type as Lacks<_>>::proof();
        })+};
    }

    #[test]
    fn nothing_that_holds_a_key_can_be_printed_and_a_data_key_cannot_be_copied() {
        lacks!(DataKey: Debug, Display, Clone, serde::Serialize);
        lacks!(FieldKey: Debug, Display, serde::Serialize);
        lacks!(MasterKeys: Debug, Display, serde::Serialize);
        lacks!(CredentialKeys: Debug, Display, serde::Serialize);
        lacks!(PrivateHalf: Debug, Display, Clone, serde::Serialize);
        lacks!(Digests: Debug, Display, serde::Serialize);
        lacks!(Vault: Debug, Display, Clone, serde::Serialize);
        lacks!(Secret: Display, serde::Serialize);
    }

    #[test]
    fn keys_and_secrets_are_wiped_when_dropped() {
        fn wiped<T: zeroize::ZeroizeOnDrop>() {}
        wiped::<DataKey>();
        wiped::<PrivateHalf>();
        wiped::<Secret>();
        wiped::<aes_siv::siv::Aes256Siv>();
        wiped::<aes::Aes256Enc>();
        wiped::<cmac::block_api::CmacCore<aes::Aes256>>();
    }
}
