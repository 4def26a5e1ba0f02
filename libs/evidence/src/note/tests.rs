//! Notes held against the examples of their specification.

use super::*;

/// The example of <https://c2sp.org/signed-note>.
const EXAMPLE_KEY: &str = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
const EXAMPLE: &str = "This is an example message.\n\n\u{2014} example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n";

/// The example of Go's golang.org/x/mod/sumdb/note, where the form comes from.
const GO_SIGNER: &str =
    "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
const GO_VERIFIER: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
const GO_TEXT: &str = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n";
const GO_SIGNATURE: &str = "\u{2014} PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";

fn keys(texts: &[&str]) -> Vec<Verifier> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

#[test]
fn the_specifications_example_is_verified_by_its_key() {
    let note = Note::parse(EXAMPLE).unwrap();
    assert_eq!(note.text, "This is an example message.\n");
    let signed = note.verify(&keys(&[EXAMPLE_KEY])).unwrap();
    assert_eq!(signed[0].by.to_string(), EXAMPLE_KEY);
    assert_eq!(note.to_string(), EXAMPLE);
}

#[test]
fn a_note_is_signed_as_gos_implementation_signs_it() {
    let signer = Signer::parse(GO_SIGNER).unwrap();
    assert_eq!(signer.verifier().to_string(), GO_VERIFIER);
    assert_eq!(signer.expose().as_str(), GO_SIGNER);
    assert_eq!(signer.sign(GO_TEXT, 0).to_string(), GO_SIGNATURE);
    let note = Note::parse(&format!("{GO_TEXT}\n{GO_SIGNATURE}")).unwrap();
    assert!(note.verify(&keys(&[GO_VERIFIER])).is_ok());
}

#[test]
fn a_changed_note_is_forged_and_one_of_a_strangers_key_unknown() {
    let keys = keys(&[EXAMPLE_KEY]);
    let changed = Note::parse(&EXAMPLE.replace("This", "That")).unwrap();
    let forged = Unsigned::Forged { name: "example.com/foo".to_owned() };
    assert_eq!(changed.verify(&keys), Err(forged));
    for other in [EXAMPLE.replace("foo", "bar"), EXAMPLE.replace("Uw2QO", "Uw2QA")] {
        let unknown = Note::parse(&other).unwrap().verify(&keys);
        assert!(matches!(unknown, Err(Unsigned::Unknown { .. })), "{other}");
    }
    assert!(Note::parse(EXAMPLE).unwrap().verify(&[]).is_err());
}

#[test]
fn signatures_of_strangers_are_ignored_and_one_bad_of_a_known_key_spoils_the_note() {
    let stranger = Signer::new("stranger.example", Kind::Note, &[9; 32]).unwrap();
    let mut note = Note::parse(EXAMPLE).unwrap();
    note.signatures.insert(0, stranger.sign("another text\n", 0));
    assert_eq!(note.verify(&keys(&[EXAMPLE_KEY])).unwrap().len(), 1);
    let both = [keys(&[EXAMPLE_KEY]), vec![stranger.verifier()]].concat();
    assert!(matches!(note.verify(&both), Err(Unsigned::Forged { .. })));
}

#[test]
fn what_is_no_note_is_refused() {
    for odd in [
        "",
        "text\n",
        "text\n\n",
        "text\n\n\u{2014} name\n",
        "text\n\n\u{2014} name AAAA\n",
        "text\n\n- name AAAAAAAA\n",
        "text\n\n\u{2014} name !!!!\n",
        "te\txt\n\n\u{2014} name AAAAAAAA\n",
        "text\r\n\n\u{2014} name AAAAAAAA\n",
        EXAMPLE.trim_end(),
    ] {
        assert!(Note::parse(odd).is_err(), "{odd:?}");
    }
    let many = "\u{2014} name AAAAAAAA\n".repeat(MOST_SIGNATURES + 1);
    assert_eq!(Note::parse(&format!("text\n\n{many}")), Err(BadNote::Form));
    let long = "x".repeat(LONGEST_BYTES);
    assert_eq!(Note::parse(&EXAMPLE.replace("This", &long)), Err(BadNote::Form));
}

#[test]
fn keys_that_were_changed_or_are_of_another_kind_are_refused() {
    let bad = |text: &str| text.parse::<Verifier>().unwrap_err();
    assert_eq!(bad(&EXAMPLE_KEY.replace("530d", "530e")), BadKey::Id);
    assert_eq!(bad(&EXAMPLE_KEY.replace("530d", "530D")), BadKey::Id);
    assert_eq!(bad(&EXAMPLE_KEY.replace("/foo", "/bar")), BadKey::Id);
    assert_eq!(bad(&EXAMPLE_KEY.replace("AekyeR", "AukyeR")), BadKey::Kind);
    assert_eq!(bad(&EXAMPLE_KEY.replace("example.com", "exa mple")), BadKey::Name);
    assert_eq!(bad("name+530d903a"), BadKey::Verifier);
    assert_eq!(bad("name+530d903a+AQ=="), BadKey::Verifier);
    let signer = |text: &str| Signer::parse(text).err();
    assert_eq!(signer(&GO_SIGNER.replace("c74f", "c74e")), Some(BadKey::Id));
    assert_eq!(signer(GO_VERIFIER), Some(BadKey::Signer));
    assert_eq!(Signer::new("a b", Kind::Note, &[1; 32]).err(), Some(BadKey::Name));
}

#[test]
fn a_cosignature_says_when_and_is_no_signature_of_the_log() {
    let text =
        "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";
    let witness = Signer::new("witness.example/w1", Kind::Cosignature, &[3; 32]).unwrap();
    let note = Note { text: text.to_owned(), signatures: vec![witness.sign(text, 1_679_315_147)] };
    let again = Note::parse(&note.to_string()).unwrap();
    let signed = again.verify(&[witness.verifier()]).unwrap();
    assert_eq!(signed[0].time, Some(1_679_315_147));
    let parsed: Verifier = witness.verifier().to_string().parse().unwrap();
    assert_eq!(parsed.kind(), Kind::Cosignature);
    // Another time than the one that was signed.
    let mut later = note.clone();
    later.signatures[0].bytes[7] ^= 1;
    assert!(later.verify(&[witness.verifier()]).is_err());
    let as_log = Signer::new("witness.example/w1", Kind::Note, &[3; 32]).unwrap();
    assert!(matches!(note.verify(&[as_log.verifier()]), Err(Unsigned::Unknown { .. })));
}

#[test]
fn the_specifications_cosignature_has_the_time_that_it_shows() {
    let line = "\u{2014} witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==";
    let signature = Signature::parse(line).unwrap();
    assert_eq!(cosign::unpack(&signature.bytes).unwrap().0, 1_679_315_147);
    assert_eq!(signature.to_string(), format!("{line}\n"));
}

#[test]
fn a_signer_is_wiped_and_cannot_be_printed() {
    trait Lacks<Which> {
        fn proof() {}
    }
    impl<T> Lacks<()> for T {}
    impl<T: fmt::Debug> Lacks<u8> for T {}
    impl<T: fmt::Display> Lacks<u16> for T {}
    impl<T: Clone> Lacks<u32> for T {}
    <Signer as Lacks<_>>::proof();
    fn wiped<T: zeroize::ZeroizeOnDrop>() {}
    wiped::<SigningKey>();
}
