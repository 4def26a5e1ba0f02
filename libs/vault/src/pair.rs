//! Key pairs of the credentials ring: whoever has the public half can wrap a key that only the private half takes out.
//!
//! HPKE in base mode (RFC 9180) with DHKEM(X25519, HKDF-SHA256) and HKDF-SHA256, used for the one secret that it
//! exports: a 512-bit key for AES-SIV, so that everything here is sealed by one cipher.

use hpke::aead::ExportOnlyAead;
use hpke::kdf::HkdfSha256;
use hpke::kem::X25519HkdfSha256;
use hpke::{Deserializable as _, Kem as _, OpModeR, OpModeS, Serializable as _};
use sha2::{Digest as _, Sha256};
use zeroize::{ZeroizeOnDrop, Zeroizing};

use crate::cipher::{KEY_BYTES, KEY_ID_BYTES, KeyId, random};
use crate::envelope::{Algorithm, Context, Envelope};
use crate::{DataKey, EnvelopeError, Error};

type Kem = X25519HkdfSha256;

/// Bytes of either half of a pair.
pub(crate) const HALF_BYTES: usize = 32;
/// Bytes of an encapsulated key (RFC 9180, section 7.1: Nenc).
pub(crate) const ENCAPSULATED_BYTES: usize = 32;
/// What an agreement is for (RFC 9180: info).
const INFO: &[u8] = b"darkroom credential key v1";
/// What is exported from it (RFC 9180: exporter_context).
const EXPORT: &[u8] = b"AES-256-SIV";

/// The half that seals.
#[derive(Clone)]
pub(crate) struct PublicHalf {
    id: KeyId,
    key: <Kem as hpke::Kem>::PublicKey,
}

impl PublicHalf {
    /// A half read from a ring.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let key = <Kem as hpke::Kem>::PublicKey::from_bytes(bytes).ok()?;
        Some(Self { id: id_of(bytes)?, key })
    }

    pub(crate) fn to_bytes(&self) -> [u8; HALF_BYTES] {
        self.key.to_bytes().into()
    }

    pub(crate) const fn id(&self) -> KeyId {
        self.id
    }

    /// Wraps a key, to be stored as `name`; nothing if the half is no point that keys can be agreed on with.
    pub(crate) fn wrap(&self, name: &str, key: &DataKey) -> Option<Vec<u8>> {
        let agreed =
            hpke::setup_sender::<ExportOnlyAead, HkdfSha256, Kem>(&OpModeS::Base, &self.key, INFO);
        let (encapsulated, context) = agreed.ok()?;
        let mut exported = Zeroizing::new([0; KEY_BYTES]);
        context.export(EXPORT, exported.as_mut_slice()).ok()?;
        let algorithm = Algorithm::Hpke(encapsulated.to_bytes().into());
        let agreed = DataKey::from_parts(self.id, exported.as_slice())?;
        Some(agreed.seal_as(algorithm, &Context::wrap(name), &key.to_wrap()))
    }
}

/// The half that opens. Wiped when dropped.
pub(crate) struct PrivateHalf {
    public: PublicHalf,
    key: <Kem as hpke::Kem>::PrivateKey,
}

// The private key wipes itself; the rest is public.
impl ZeroizeOnDrop for PrivateHalf {}

impl PrivateHalf {
    /// A half read from a ring.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let key = <Kem as hpke::Kem>::PrivateKey::from_bytes(bytes).ok()?;
        let public = Kem::sk_to_pk(&key);
        let public = PublicHalf { id: id_of(&public.to_bytes())?, key: public };
        Some(Self { public, key })
    }

    /// The bytes of a new one.
    pub(crate) fn generate() -> Zeroizing<Vec<u8>> {
        // Any 32 bytes are an X25519 scalar (RFC 7748, section 5).
        let bytes = Zeroizing::new(random::<HALF_BYTES>());
        Zeroizing::new(bytes.to_vec())
    }

    pub(crate) const fn public(&self) -> &PublicHalf {
        &self.public
    }

    /// Takes out what was wrapped to the other half and stored as `name`.
    pub(crate) fn unwrap(&self, name: &str, wrapped: &[u8]) -> Result<DataKey, Error> {
        let context = Context::wrap(name);
        let envelope = Envelope::decode(wrapped).map_err(|source| context.malformed(source))?;
        let Algorithm::Hpke(encapsulated) = envelope.algorithm else {
            return Err(context.malformed(EnvelopeError::Algorithm(envelope.algorithm.id())));
        };
        if envelope.key != self.public.id {
            return Err(Error::OtherKey { sealed_under: envelope.key, held: self.public.id });
        }
        // Fails for a key that no honest sender makes; which, nobody needs to know.
        let agreed = self.agree(&encapsulated);
        let agreed = agreed.ok_or_else(|| Error::Refused { what: name.to_owned() })?;
        DataKey::from_wrapped(name, &agreed.open_as(&context, &envelope)?)
    }

    fn agree(&self, encapsulated: &[u8; ENCAPSULATED_BYTES]) -> Option<DataKey> {
        let encapsulated = <Kem as hpke::Kem>::EncappedKey::from_bytes(encapsulated).ok()?;
        let context = hpke::setup_receiver::<ExportOnlyAead, HkdfSha256, Kem>(
            &OpModeR::Base,
            &self.key,
            &encapsulated,
            INFO,
        );
        let mut exported = Zeroizing::new([0; KEY_BYTES]);
        context.ok()?.export(EXPORT, exported.as_mut_slice()).ok()?;
        DataKey::from_parts(self.public.id, exported.as_slice())
    }
}

/// The id of a pair: the first bytes of SHA-256 over its public half, so that no ring can give it to another pair.
fn id_of(public: &[u8]) -> Option<KeyId> {
    let digest = Sha256::digest(public);
    digest.first_chunk::<KEY_ID_BYTES>().copied().map(KeyId)
}

#[cfg(test)]
#[path = "pair_tests.rs"]
mod tests;
