//! The verbs of key pairs, line by line.

use jiff::Timestamp;

use super::*;
use crate::{Sealed, aggregate::fold, id::ApplicationId, scope::Scope};

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_790_000_000 + seconds).unwrap()
}

fn id(name: &str) -> ApplicationId {
    ApplicationId::derived(uuid::Uuid::nil(), name.as_bytes())
}

fn application(name: &str) -> Application {
    Application {
        application: id(name),
        key: format!("dk_test_{name}"),
        secret_digest: "first".to_owned(),
        terms: Terms::default(),
    }
}

fn given(events: &[Event]) -> State {
    fold::<Accounts>(events.iter().map(|event| (event, at(0))))
}

fn equipped() -> Vec<Event> {
    vec![Event::Opened { label: None }, Event::ApplicationAdded(application("a"))]
}

fn and(events: Vec<Event>, more: Event) -> State {
    given(&[events, vec![more]].concat())
}

#[test]
fn nothing_can_be_done_with_a_key_pair_that_is_not_there_or_of_an_account_on_its_way_out() {
    type Verb = fn(&State) -> Result<Vec<Event>, Refusal>;
    let verbs: [(&str, Verb); 4] = [
        ("change", |state| change_application(state, id("a"), Terms::default())),
        ("rotate", |state| rotate_application(state, id("a"), "second".to_owned(), at(60))),
        ("revoke", |state| revoke_application(state, id("a"))),
        ("use", |state| use_application(state, id("a"), "2026-11-22".parse().unwrap())),
    ];
    let revoked = Event::ApplicationRevoked { application: id("a") };
    for (name, verb) in verbs {
        assert_eq!(verb(&State::default()), Err(Refusal::Unknown), "{name}");
        let empty = given(&[Event::Opened { label: None }]);
        assert_eq!(verb(&empty), Err(Refusal::UnknownApplication), "{name}");
        let gone = and(equipped(), revoked.clone());
        assert_eq!(verb(&gone), Err(Refusal::UnknownApplication), "{name}");
        let going = and(equipped(), Event::ErasureRequested {});
        assert_eq!(verb(&going), Err(Refusal::Erased), "{name}");
        assert!(verb(&given(&equipped())).is_ok(), "{name}");
    }
}

#[test]
fn saying_again_what_holds_yields_no_event() {
    let state = given(&equipped());
    assert_eq!(add_application(&state, application("a")), Ok(vec![]));
    assert_eq!(change_application(&state, id("a"), Terms::default()), Ok(vec![]));
    assert_eq!(label(&state, None), Ok(vec![]));
    let named = Event::Labelled { label: Some(Sealed::from_envelope("x".to_owned())) };
    let state = and(equipped(), named.clone());
    assert_eq!(label(&state, None), Ok(vec![Event::Labelled { label: None }]));
    let Event::Labelled { label: same } = named else { unreachable!() };
    assert_eq!(label(&state, same), Ok(vec![]));
}

#[test]
fn an_account_has_so_many_key_pairs_and_no_more() {
    let added = (0..MAX_APPLICATIONS)
        .map(|number| Event::ApplicationAdded(application(&number.to_string())));
    let full: Vec<Event> = std::iter::once(Event::Opened { label: None }).chain(added).collect();
    let state = given(&full);
    let more = add_application(&state, application("one more"));
    assert_eq!(more, Err(Refusal::TooManyApplications));
    assert_eq!(add_application(&state, application("0")), Ok(vec![]));
}

#[test]
fn the_secret_before_opens_for_a_while_and_the_one_before_that_no_more() {
    let rotated = |secret: &str, until| Event::ApplicationRotated {
        application: id("a"),
        secret_digest: secret.to_owned(),
        previous_until: until,
    };
    let state = and(equipped(), rotated("second", at(60)));
    let pair = &state.applications[&id("a")];
    assert_eq!(pair.digests(at(59)), ["second", "first"]);
    assert_eq!(pair.changes_at(at(59)), Some(at(60)));
    assert_eq!(pair.digests(at(60)), ["second"]);
    assert_eq!(pair.changes_at(at(60)), None);
    let twice = [equipped(), vec![rotated("second", at(60)), rotated("third", at(90))]].concat();
    let pair = &given(&twice).applications[&id("a")];
    assert_eq!(pair.digests(at(59)), ["third", "second"]);
}

#[test]
fn a_key_pair_that_has_expired_opens_nothing_and_can_be_given_more_time() {
    let terms = |expires_at| Terms { expires_at, ..Terms::default() };
    let changed = |at| Event::ApplicationChanged { application: id("a"), terms: terms(Some(at)) };
    let state = and(equipped(), changed(at(60)));
    let pair = &state.applications[&id("a")];
    assert_eq!((pair.digests(at(59)).len(), pair.digests(at(60)).len()), (1, 0));
    assert_eq!(pair.changes_at(at(0)), Some(at(60)));
    let longer = change_application(&state, id("a"), terms(Some(at(120)))).unwrap();
    assert_eq!(longer, [changed(at(120))]);
    let unlimited = Terms { scopes: Some([Scope::JobsRead].into()), ..Terms::default() };
    assert!(unlimited.may(Scope::JobsRead) && !unlimited.may(Scope::JobsWrite));
}

#[test]
fn a_use_is_noted_once_a_day_and_more_rarely_in_a_long_history() {
    let used = |on: &str| Event::ApplicationUsed { application: id("a"), on: on.parse().unwrap() };
    let on = |state: &State, day: &str| use_application(state, id("a"), day.parse().unwrap());
    let state = and(equipped(), used("2026-11-22"));
    assert_eq!(on(&state, "2026-11-22"), Ok(vec![]));
    assert_eq!(on(&state, "2026-11-21"), Ok(vec![]), "a clock behind notes nothing");
    assert_eq!(on(&state, "2026-11-23"), Ok(vec![used("2026-11-23")]));
    let long = State { uses_noted: 400, ..state };
    assert_eq!(on(&long, "2026-11-28"), Ok(vec![]));
    assert_eq!(on(&long, "2026-11-29"), Ok(vec![used("2026-11-29")]));
    assert!(days_between_uses(u32::MAX) > days_between_uses(1_000));
}
