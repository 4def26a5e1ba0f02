//! Subjects are made of ids alone, whatever anybody calls themselves.

use domain::{
    account::Accounts,
    delivery::Deliveries,
    endpoint::Endpoints,
    id::{AccountId, ApplicationId, DeliveryId, EndpointId, JobId, MemberId, UploadId},
    job::Jobs,
    member::Members,
    upload::Uploads,
};
use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::{connect::inbox_prefix, server::ROLES};

#[test]
fn filters_match_like_the_server_does() {
    for (filter, subject, expected) in [
        ("a.b", "a.b", true),
        ("a.*", "a.b", true),
        ("a.*", "a.b.c", false),
        ("a.>", "a.b.c", true),
        ("a.>", "a", false),
        (">", "a.b", true),
        ("a.*.c", "a.b.c", true),
        ("a.b", "a", false),
    ] {
        assert_eq!(matches(filter, subject), expected, "{filter} on {subject}");
    }
}

#[test]
fn no_roles_answers_reach_another_roles_inbox() {
    for role in ROLES {
        for other in ROLES {
            let (heard, told) = (inbox_prefix(role) + ".>", inbox_prefix(other) + ".x.1");
            assert_eq!(matches(&heard, &told), role == other, "{role} hears {told}");
        }
    }
}

/// Texts that somebody might hope to become part of a subject: wildcards, whole tokens of others,
/// what ends a line of the protocol, ids in spellings that are not theirs.
pub(crate) fn hostile() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        any::<u128>().prop_map(|id| Uuid::from_u128(id).to_string()),
        any::<u128>().prop_map(|id| Uuid::from_u128(id).to_string().to_uppercase()),
        any::<u128>().prop_map(|id| Uuid::from_u128(id).simple().to_string()),
        any::<u128>().prop_map(|id| Uuid::from_u128(id).braced().to_string()),
        any::<u128>().prop_map(|id| Uuid::from_u128(id).urn().to_string()),
        prop::sample::select(vec![
            "*", ">", ".", "..", " ", "\t", "\r\n", "\0", "-", "_", "/", "%2e", "%2a", "$JS",
            "API", "darkroom", "job", "live", "_INBOX", "é", "\u{202e}", "a", "1",
        ])
        .prop_map(ToOwned::to_owned),
        any::<char>().prop_map(String::from),
    ];
    prop::collection::vec(piece, 1..5).prop_map(|pieces| pieces.concat())
}

fn uuid() -> impl Strategy<Value = Uuid> {
    any::<u128>().prop_map(Uuid::from_u128)
}

/// Every subject that is made of these ids, and how many tokens it has.
fn subjects(account: Uuid, one: Uuid, two: Uuid) -> Vec<(String, usize)> {
    let account = AccountId::from_uuid(account);
    let (job, endpoint) = (JobId::from_uuid(one), EndpointId::from_uuid(one));
    let delivery = DeliveryId::from_uuid(two);
    let (member, upload) = (MemberId::from_uuid(one), UploadId::from_uuid(one));
    let fences = [
        (fence::<Accounts>(&account), 4),
        (fence::<Jobs>(&domain::job::Id { account, job }), 5),
        (fence::<Members>(&domain::member::Id { account, member }), 5),
        (fence::<Uploads>(&domain::upload::Id { account, upload }), 5),
        (fence::<Endpoints>(&domain::endpoint::Id { account, endpoint }), 5),
        (fence::<Deliveries>(&domain::delivery::Id { account, endpoint, delivery }), 6),
    ];
    let lives = fences.clone().map(|(fence, tokens)| (live(&fence), tokens + 1));
    let others =
        [(progress(account, job), 4), (cancel(account, job), 4), (feed(account, job, "done"), 5)];
    fences.into_iter().chain(lives).chain(others).collect()
}

/// The token that says whose it is.
fn owner(subject: &str) -> &str {
    let tokens = subject.strip_prefix("darkroom.").unwrap();
    tokens.strip_prefix("live.").unwrap_or(tokens).split('.').nth(1).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2_000) })]

    #[test]
    fn every_subject_names_its_account_and_no_wildcard_reaches_past_it(
        account in uuid(), other in uuid(), one in uuid(), two in uuid(),
    ) {
        prop_assume!(account != other);
        let theirs = subjects(other, one, two);
        for (subject, tokens) in subjects(account, one, two) {
            prop_assert_eq!(subject.split('.').count(), tokens, "{}", subject);
            prop_assert_eq!(owner(&subject), account.to_string());
            // The only wildcard is the last token of a filter.
            let body = subject.strip_suffix(".>").unwrap_or(&subject);
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
            prop_assert!(body.bytes().all(plain), "{}", subject);
            for (foreign, _) in &theirs {
                let told = foreign.replace('>', "event");
                prop_assert!(!matches(&subject, &told), "{} hears {}", subject, told);
            }
        }
    }

    #[test]
    fn nothing_is_an_id_but_its_one_spelling_and_nothing_else_becomes_a_token(text in hostile()) {
        let canonical = Uuid::try_parse(&text).is_ok_and(|id| id.hyphenated().to_string() == text);
        prop_assert_eq!(text.parse::<AccountId>().is_ok(), canonical);
        prop_assert_eq!(text.parse::<ApplicationId>().is_ok(), canonical);
        prop_assert_eq!(text.parse::<JobId>().is_ok(), canonical);
        prop_assert_eq!(text.parse::<MemberId>().is_ok(), canonical);
        prop_assert_eq!(text.parse::<EndpointId>().is_ok(), canonical);
        prop_assert_eq!(text.parse::<DeliveryId>().is_ok(), canonical);
        prop_assert_eq!(text.parse::<UploadId>().is_ok(), canonical);
    }

    #[test]
    fn a_subject_that_is_read_is_the_one_that_would_be_written(text in hostile(), id in uuid()) {
        for middle in [format!("{text}.{id}"), format!("{id}.{text}"), text.clone(), format!("{id}.{id}.{text}")] {
            let job = format!("darkroom.job.{middle}");
            prop_assert!(Jobs::parse_prefix(&job).is_none_or(|id| Jobs::prefix(&id) == job));
            let member = format!("darkroom.member.{middle}");
            prop_assert!(Members::parse_prefix(&member).is_none_or(|id| Members::prefix(&id) == member));
            let upload = format!("darkroom.upload.{middle}");
            prop_assert!(Uploads::parse_prefix(&upload).is_none_or(|id| Uploads::prefix(&id) == upload));
            let endpoint = format!("darkroom.endpoint.{middle}");
            prop_assert!(Endpoints::parse_prefix(&endpoint).is_none_or(|id| Endpoints::prefix(&id) == endpoint));
            let delivery = format!("darkroom.delivery.{middle}");
            prop_assert!(Deliveries::parse_prefix(&delivery).is_none_or(|id| Deliveries::prefix(&id) == delivery));
            let account = format!("darkroom.account.{middle}");
            prop_assert!(Accounts::parse_prefix(&account).is_none_or(|id| Accounts::prefix(&id) == account));
        }
    }
}
