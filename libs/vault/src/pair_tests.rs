//! The key pairs against the vectors of RFC 9180, and against those who change what was wrapped.

use proptest::prelude::*;

use super::*;

fn pair() -> PrivateHalf {
    PrivateHalf::from_bytes(&PrivateHalf::generate()).unwrap()
}

/// Gives out what the vector's sender drew.
struct Drawn(Vec<u8>);

impl hpke::rand_core::TryRng for Drawn {
    type Error = std::convert::Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        unreachable!("the sender draws bytes")
    }

    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        unreachable!("the sender draws bytes")
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Self::Error> {
        bytes.copy_from_slice(&self.0);
        Ok(())
    }
}

impl hpke::rand_core::TryCryptoRng for Drawn {}

/// RFC 9180, appendix A.7.1: DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, export only, base mode.
#[test]
fn the_suite_agrees_on_what_rfc_9180_says() {
    let bytes = |text: &str| hex::decode(text).unwrap();
    let info = bytes("4f6465206f6e2061204772656369616e2055726e");
    let drawn = bytes("55bc245ee4efda25d38f2d54d5bb6665291b99f8108a8c4b686c2b14893ea5d9");
    let encapsulated = bytes("e5e8f9bfff6c2f29791fc351d2c25ce1299aa5eaca78a757c0b4fb4bcd830918");
    let public = bytes("194141ca6c3c3beb4792cd97ba0ea1faff09d98435012345766ee33aae2d7664");
    let private = bytes("33d196c830a12f9ac65d6e565a590d80f04ee9b19c83c87f2c170d972a812848");
    let exports = [
        ("", "7a36221bd56d50fb51ee65edfd98d06a23c4dc87085aa5866cb7087244bd2a36"),
        ("00", "d5535b87099c6c3ce80dc112a2671c6ec8e811a2f284f948cec6dd1708ee33f0"),
        (
            "54657374436f6e74657874",
            "ffaabc85a776136ca0c378e5d084c9140ab552b78f039d2e8775f26efff4c70e",
        ),
    ];
    let half = PrivateHalf::from_bytes(&private).unwrap();
    assert_eq!(half.public.to_bytes().as_slice(), public);

    let (sent, sender) = hpke::setup_sender_with_rng::<ExportOnlyAead, HkdfSha256, Kem>(
        &OpModeS::Base,
        &PublicHalf::from_bytes(&public).unwrap().key,
        &info,
        &mut Drawn(drawn),
    )
    .unwrap();
    assert_eq!(sent.to_bytes().as_slice(), encapsulated);
    let receiver = hpke::setup_receiver::<ExportOnlyAead, HkdfSha256, Kem>(
        &OpModeR::Base,
        &half.key,
        &sent,
        &info,
    )
    .unwrap();
    for (context, expected) in exports {
        let (mut sent, mut received) = ([0; 32], [0; 32]);
        sender.export(&bytes(context), &mut sent).unwrap();
        receiver.export(&bytes(context), &mut received).unwrap();
        assert_eq!(hex::encode(sent), expected);
        assert_eq!(sent, received);
    }
}

#[test]
fn what_the_public_half_wraps_only_its_private_half_takes_out_and_under_its_name_alone() {
    let (pair, other, key) = (pair(), pair(), DataKey::generate());
    let public = PublicHalf::from_bytes(&pair.public.to_bytes()).unwrap();
    assert_eq!(public.id(), pair.public.id());
    let wrapped = public.wrap("credential.a.1", &key).unwrap();
    assert_eq!(pair.unwrap("credential.a.1", &wrapped).unwrap().to_wrap(), key.to_wrap());
    assert!(matches!(pair.unwrap("credential.a.2", &wrapped), Err(Error::Refused { .. })));
    assert!(matches!(other.unwrap("credential.a.1", &wrapped), Err(Error::OtherKey { .. })));
    assert_ne!(wrapped, public.wrap("credential.a.1", &key).unwrap());
    for index in 0..wrapped.len() {
        for bit in 0..8 {
            let mut changed = wrapped.clone();
            changed[index] ^= 1 << bit;
            assert!(pair.unwrap("credential.a.1", &changed).is_err(), "byte {index}, bit {bit}");
        }
    }
    for length in 0..wrapped.len() {
        assert!(pair.unwrap("credential.a.1", &wrapped[..length]).is_err());
    }
}

#[test]
fn a_point_that_agrees_with_everybody_is_refused() {
    // RFC 7748, section 6.1: these make every shared secret zero.
    let mut low = [[0; HALF_BYTES]; 2];
    low[1][0] = 1;
    for point in low {
        let public = PublicHalf::from_bytes(&point).unwrap();
        assert!(public.wrap("n", &DataKey::generate()).is_none());
        let pair = pair();
        let mut wrapped = pair.public.wrap("n", &DataKey::generate()).unwrap();
        wrapped[2 + KEY_ID_BYTES..2 + KEY_ID_BYTES + ENCAPSULATED_BYTES].copy_from_slice(&point);
        assert!(matches!(pair.unwrap("n", &wrapped), Err(Error::Refused { .. })));
    }
}

#[test]
fn neither_kind_of_wrapped_key_passes_for_the_other() {
    let (pair, master) = (pair(), DataKey::generate());
    let sealed = pair.public.wrap("n", &DataKey::generate()).unwrap();
    let wrapped = master.wrap("n", &DataKey::generate());
    let unfit =
        |error: Error| matches!(error, Error::Envelope { source: EnvelopeError::Algorithm(_), .. });
    assert!(unfit(master.unwrap("n", &sealed).err().unwrap()));
    assert!(unfit(pair.unwrap("n", &wrapped).err().unwrap()));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn garbage_never_panics_and_never_opens(garbage in prop::collection::vec(any::<u8>(), 0..300)) {
        let pair = pair();
        prop_assert!(pair.unwrap("n", &garbage).is_err());
        // Past the header, so that the agreement and the cipher see it too.
        let mut headed = pair.public.wrap("n", &DataKey::generate()).unwrap();
        headed.truncate(2 + KEY_ID_BYTES);
        headed.extend_from_slice(&garbage);
        prop_assert!(pair.unwrap("n", &headed).is_err());
    }
}
