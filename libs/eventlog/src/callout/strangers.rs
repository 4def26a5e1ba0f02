//! Nothing that a customer can say makes a right, a consumer, a filter or an inbox of another's.

use domain::{
    delivery::Deliveries,
    id::{AccountId, DeliveryId, EndpointId, JobId, UploadId},
    job::Jobs,
    upload::Uploads,
};
use proptest::prelude::*;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    desk::{MAX_CONSUMERS, consumer, is_own, owner},
    rights::{Rights, Sees, inbox},
    wish,
};
use crate::{
    subject::{self, matches, tests::hostile},
    topology,
};

fn account() -> impl Strategy<Value = AccountId> {
    any::<u128>().prop_map(|id| AccountId::from_uuid(Uuid::from_u128(id)))
}

fn sees() -> impl Strategy<Value = Sees> {
    any::<[bool; 3]>().prop_map(|[jobs, uploads, deliveries]| Sees { jobs, uploads, deliveries })
}

/// What is told of an account, by the noun that lets it be heard.
fn told(account: AccountId, id: u128) -> Vec<(&'static str, String)> {
    let id = Uuid::from_u128(id);
    let (job, upload) = (JobId::from_uuid(id), UploadId::from_uuid(id));
    let (endpoint, delivery) = (EndpointId::from_uuid(id), DeliveryId::from_uuid(id));
    let event = |fence: String| fence.replace('>', "event");
    vec![
        ("jobs", event(subject::fence::<Jobs>(&domain::job::Id { account, job }))),
        ("jobs", subject::progress(account, job)),
        ("jobs", subject::feed(account, job, "completed")),
        ("uploads", event(subject::fence::<Uploads>(&domain::upload::Id { account, upload }))),
        (
            "deliveries",
            event(subject::fence::<Deliveries>(&domain::delivery::Id {
                account,
                endpoint,
                delivery,
            })),
        ),
        ("inbox", inbox(account, "1.2")),
    ]
}

/// What a client may say of consumers of the account.
fn asked(account: AccountId) -> Vec<String> {
    let api = format!("$JS.{account}.API");
    let mut asked = vec![format!("{api}.INFO"), format!("{api}.STREAM.NAMES")];
    for stream in [topology::JOBS, topology::UPLOADS, topology::DELIVERIES] {
        asked.push(format!("{api}.CONSUMER.MSG.NEXT.{stream}.1"));
        asked.push(format!("{api}.CONSUMER.CREATE.{stream}.1"));
        asked.push(format!("$JS.ACK.{stream}.{}.1.1.1.1.1", consumer(account, 1)));
    }
    asked
}

fn allowed(rights: &Value, which: &str) -> Vec<String> {
    let list = rights[which]["allow"].as_array().unwrap();
    list.iter().map(|subject| subject.as_str().unwrap().to_owned()).collect()
}

fn any_of(filters: &[String], subject: &str) -> bool {
    filters.iter().any(|filter| matches(filter, subject))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2_000) })]

    #[test]
    fn rights_reach_all_that_an_account_sees_and_nothing_of_another(
        own in account(), other in account(), sees in sees(), id in any::<u128>(),
    ) {
        prop_assume!(own != other);
        let rights = serde_json::to_value(Rights::of(own, sees)).unwrap();
        let (say, hear) = (allowed(&rights, "pub"), allowed(&rights, "sub"));
        for (what, subject) in told(own, id) {
            let seen = match what {
                "jobs" => sees.jobs,
                "uploads" => sees.uploads,
                "deliveries" => sees.deliveries,
                _ => true,
            };
            prop_assert_eq!(any_of(&hear, &subject), seen, "{}", subject);
            prop_assert!(!any_of(&say, &subject), "nobody says {}", subject);
        }
        for (_, subject) in told(other, id) {
            prop_assert!(!any_of(&hear, &subject) && !any_of(&say, &subject), "{}", subject);
        }
        for subject in asked(other) {
            prop_assert!(!any_of(&say, &subject) && !any_of(&hear, &subject), "{}", subject);
        }
        if sees.anything() {
            prop_assert!(asked(own).iter().any(|subject| any_of(&say, subject)));
        }
        // Whoever says what they may says it to the gate: nothing of it is JetStream's own.
        for foreign in ["$JS.API.INFO", "$JS.API.STREAM.INFO.JOBS", "$SYS.REQ.SERVER.PING", "$KV.keys.a", "darkroom.ops.a"] {
            prop_assert!(!any_of(&say, foreign) && !any_of(&hear, foreign), "{}", foreign);
        }
    }

    #[test]
    fn no_filter_that_is_taken_hears_another(
        own in account(), other in account(), id in any::<u128>(), tail in hostile(), shape in 0_usize..7,
        number in 1..=MAX_CONSUMERS,
    ) {
        prop_assume!(own != other);
        let filter = match shape {
            0 => tail,
            1 => format!("darkroom.job.{tail}"),
            2 => format!("darkroom.job.{own}{tail}"),
            3 => format!("darkroom.job.{own}.{tail}"),
            4 => format!("darkroom.job.{other}.{tail}"),
            5 => format!("darkroom.job.*.{tail}"),
            _ => format!("darkroom.{tail}.{own}.>"),
        };
        let body = json!({ "config": { "filter_subject": filter } }).to_string();
        let Ok(wish) = wish::read(own, topology::JOBS, number, body.as_bytes()) else { return Ok(()) };
        prop_assert!(wish.filter.starts_with(&format!("darkroom.job.{own}.")), "{}", wish.filter);
        prop_assert!(!wish.filter.contains(['\r', '\n', ' ', '\t', '\0']), "{}", wish.filter);
        for (_, subject) in told(other, id) {
            prop_assert!(!matches(&wish.filter, &subject), "{} hears {}", wish.filter, subject);
        }
        prop_assert_eq!(&wish.request["config"]["durable_name"], &json!(consumer(own, number)));
        prop_assert_eq!(&wish.request["config"]["filter_subject"], &json!(wish.filter));
    }

    #[test]
    fn no_name_is_another_accounts_consumer_or_inbox(
        own in account(), other in account(), text in hostile(), number in any::<u8>(),
    ) {
        prop_assume!(own != other);
        for name in [text.clone(), format!("{own}-{text}"), format!("{text}-{number}"), format!("{own}-{number}")] {
            if let Some((account, number)) = owner(&name) {
                prop_assert_eq!(consumer(account, number), name);
                prop_assert!((1..=MAX_CONSUMERS).contains(&number));
            }
        }
        prop_assert!(!is_own(own, &text));
        prop_assert!(!is_own(own, &inbox(other, &text)));
        let reply = inbox(own, &text);
        if is_own(own, &reply) {
            prop_assert!(matches(&inbox(own, ">"), &reply) && !matches(&inbox(other, ">"), &reply));
            prop_assert!(!reply.contains(['*', '>', ' ', '\r', '\n', '\t', '\0']), "{}", reply);
        }
    }
}
