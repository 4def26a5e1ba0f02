//! A member's decisions, as tables.

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use super::*;
use crate::{Sealed, aggregate::fold, scope::Role};

const IDLE: SignedDuration = SignedDuration::from_hours(1);

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_790_000_000 + seconds).unwrap()
}

fn sealed(text: &str) -> Sealed {
    Sealed::from_envelope(text.to_owned())
}

fn session(n: u128) -> crate::id::SessionId {
    crate::id::SessionId::from_uuid(Uuid::from_u128(n))
}

fn offer(token: &str, until: i64) -> Offer {
    Offer { token_digest: token.to_owned(), expires_at: at(until) }
}

fn invitation(role: Role) -> Invitation {
    Invitation {
        email: sealed("email"),
        email_digest: "e".to_owned(),
        role,
        offer: offer("t", 100),
        by: None,
    }
}

/// The state after these, the first at `at(0)`, each a second later.
fn after(events: &[Event]) -> State {
    let timed = events.iter().zip(0..).map(|(event, second)| (event, at(second)));
    fold::<Members>(timed)
}

fn joined_as(role: Role) -> Vec<Event> {
    let mut events = invite(&State::default(), &invitation(role)).unwrap();
    events.extend(join(&after(&events), "t", &sealed("p"), at(1)).unwrap());
    events
}

fn with(mut events: Vec<Event>, more: impl IntoIterator<Item = Event>) -> State {
    events.extend(more);
    after(&events)
}

fn shown(totp: Option<u64>) -> Shown {
    Shown { password: sealed("p"), totp: totp.map(|step| (sealed("secret"), step)) }
}

fn beginning(n: u128) -> Beginning {
    Beginning { session: session(n), token_digest: format!("s{n}"), expires_at: at(100_000) }
}

#[test]
fn an_invitation_joins_once_in_time_and_by_its_own_token() {
    let invited = after(&invite(&State::default(), &invitation(Role::Member)).unwrap());
    for (token, when, joins) in
        [("t", 1, true), ("t", 99, true), ("t", 100, false), ("u", 1, false), ("", 1, false)]
    {
        let joined = join(&invited, token, &sealed("p"), at(when));
        assert_eq!(joined.is_ok(), joins, "{token} at {when}");
    }
    let joined = after(&joined_as(Role::Member));
    assert_eq!(join(&joined, "t", &sealed("q"), at(2)), Err(Refusal::Token));
    assert_eq!(invite(&joined, &invitation(Role::Owner)), Err(Refusal::Joined));
    assert_eq!(join(&State::default(), "t", &sealed("p"), at(1)), Err(Refusal::Token));
}

#[test]
fn a_second_invitation_makes_the_first_ones_token_useless() {
    let mut again = invitation(Role::Admin);
    again.offer = offer("u", 200);
    let mut events = invite(&State::default(), &invitation(Role::Member)).unwrap();
    events.extend(invite(&after(&events), &again).unwrap());
    let state = after(&events);
    assert_eq!(state.role, Some(Role::Admin));
    assert_eq!(join(&state, "t", &sealed("p"), at(3)), Err(Refusal::Token));
    assert!(join(&state, "u", &sealed("p"), at(3)).is_ok());
}

#[test]
fn a_reset_sets_one_password_in_time_and_ends_every_session() {
    let logged_in = log_in(&after(&joined_as(Role::Member)), &shown(None), &beginning(1), at(2));
    let mut events = joined_as(Role::Member);
    events.extend(logged_in.unwrap());
    assert_eq!(after(&events).sessions.len(), 1);
    events.extend(offer_reset(&after(&events), offer("r", 60), Totp::Kept, None).unwrap());
    let offered = after(&events);
    assert_eq!(reset_password(&offered, "x", &sealed("q"), at(5)), Err(Refusal::Token));
    assert_eq!(reset_password(&offered, "r", &sealed("q"), at(60)), Err(Refusal::Token));
    events.extend(reset_password(&offered, "r", &sealed("q"), at(59)).unwrap());
    let reset = after(&events);
    assert!(reset.sessions.is_empty());
    assert_eq!(reset.password, Some(sealed("q")));
    assert_eq!(reset_password(&reset, "r", &sealed("z"), at(59)), Err(Refusal::Token));
    assert_eq!(log_in(&reset, &shown(None), &beginning(2), at(60)), Err(Refusal::Shown));
}

#[test]
fn an_invited_member_can_do_nothing_yet() {
    let invited = after(&invite(&State::default(), &invitation(Role::Owner)).unwrap());
    let nobody = State::default();
    for (state, refusal) in [(&invited, Refusal::NotJoined), (&nobody, Refusal::Unknown)] {
        assert_eq!(log_in(state, &shown(None), &beginning(1), at(2)), Err(refusal));
        assert_eq!(fail_login(state, LoginFailure::Password, at(2)), Err(refusal));
        assert_eq!(offer_reset(state, offer("r", 9), Totp::Kept, None), Err(refusal));
        assert_eq!(change_password(state, &sealed("p"), &sealed("q")), Err(refusal));
        assert_eq!(set_totp(state, &sealed("secret"), 1), Err(refusal));
        assert_eq!(log_out(state, session(1)), Err(refusal));
    }
}

#[test]
fn a_one_time_code_opens_once_and_no_earlier_one_afterwards() {
    let mut events = joined_as(Role::Member);
    events.extend(set_totp(&after(&events), &sealed("secret"), 50).unwrap());
    let state = after(&events);
    for (totp, opens) in [(None, false), (Some(49), false), (Some(50), false), (Some(51), true)] {
        let tried = log_in(&state, &shown(totp), &beginning(1), at(3));
        assert_eq!(tried.is_ok(), opens, "{totp:?}");
    }
    let other = Shown { totp: Some((sealed("another"), 51)), ..shown(None) };
    assert_eq!(log_in(&state, &other, &beginning(1), at(3)), Err(Refusal::Shown));
    events.extend(log_in(&state, &shown(Some(51)), &beginning(1), at(3)).unwrap());
    let used = log_in(&after(&events), &shown(Some(51)), &beginning(2), at(4));
    assert_eq!(used, Err(Refusal::Shown));
    // Without a password, codes can be given up; a reset may do it too.
    let offered = offer_reset(&after(&events), offer("r", 60), Totp::Cleared, None).unwrap();
    assert_eq!(with(events.clone(), offered).totp, None);
    assert_eq!(with(events.clone(), clear_totp(&after(&events)).unwrap()).totp, None);
}

#[test]
fn delays_double_from_the_third_failure_on_and_end_at_a_quarter_of_an_hour() {
    let seconds: Vec<i64> = (0..16).map(|failures| delay(failures).as_secs()).collect();
    assert_eq!(seconds, [0, 0, 0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900]);
    assert_eq!(delay(u32::MAX).as_secs(), 900);
}

#[test]
fn while_log_ins_are_delayed_none_succeeds_and_none_is_noted() {
    let failed = Event::LoginFailed { reason: LoginFailure::Password };
    // Five failures, the last at second 6: four seconds to wait.
    let state = with(joined_as(Role::Member), vec![failed.clone(); 5]);
    assert_eq!(state.delayed_until(), Some(at(10)));
    assert_eq!(log_in(&state, &shown(None), &beginning(1), at(9)), Err(Refusal::Delayed));
    assert_eq!(fail_login(&state, LoginFailure::Password, at(9)), Ok(vec![]));
    assert_eq!(fail_login(&state, LoginFailure::Totp, at(10)).unwrap().len(), 1);
    let logged_in = log_in(&state, &shown(None), &beginning(1), at(10)).unwrap();
    let mut events = joined_as(Role::Member);
    events.extend(vec![failed; 5]);
    assert_eq!(with(events, logged_in).failures, 0);
}

#[test]
fn a_session_ends_when_idle_and_whatever_happens_in_the_end() {
    let mut events = joined_as(Role::Member);
    events.extend(log_in(&after(&events), &shown(None), &beginning(1), at(2)).unwrap());
    let state = after(&events);
    let known = &state.sessions[&session(1)];
    assert!(known.goes_on(at(3_601), IDLE));
    assert!(!known.goes_on(at(3_602), IDLE));
    assert!(!known.goes_on(at(100_000), SignedDuration::from_hours(1_000)));
    assert_eq!(see(&state, session(1), at(601)), Ok(vec![]));
    assert_eq!(see(&state, session(1), at(602)), Ok(vec![Event::Seen { session: session(1) }]));
    assert_eq!(see(&state, session(2), at(602)), Ok(vec![]));
    assert_eq!(log_out(&state, session(2)), Ok(vec![]));
    assert!(with(events, log_out(&state, session(1)).unwrap()).sessions.is_empty());
}

#[test]
fn beyond_the_most_sessions_the_oldest_ends() {
    let mut events = joined_as(Role::Member);
    for n in 0..=state::MAX_SESSIONS as u128 {
        events.extend(log_in(&after(&events), &shown(None), &beginning(n), at(100)).unwrap());
    }
    let state = after(&events);
    assert_eq!(state.sessions.len(), state::MAX_SESSIONS);
    assert!(!state.sessions.contains_key(&session(0)));
}

#[test]
fn an_owner_is_removed_by_becoming_something_else_first() {
    let owner = joined_as(Role::Owner);
    assert_eq!(remove(&after(&owner), None), Err(Refusal::Owner));
    let demoted = with(owner.clone(), set_role(&after(&owner), Role::Admin, None).unwrap());
    assert_eq!(set_role(&demoted, Role::Admin, None), Ok(vec![]));
    assert_eq!(remove(&demoted, None), Ok(vec![Event::Removed { by: None }]));
    let invited = after(&invite(&State::default(), &invitation(Role::Owner)).unwrap());
    assert!(remove(&invited, None).is_ok());
    let gone = with(owner, [Event::Removed { by: None }]);
    assert_eq!(gone, State::default());
    assert!(invite(&gone, &invitation(Role::Member)).is_ok());
}

#[test]
fn sessions_end_with_a_role_and_when_their_member_says_so() {
    let mut events = joined_as(Role::Member);
    for n in [1, 2] {
        events.extend(log_in(&after(&events), &shown(None), &beginning(n), at(2)).unwrap());
    }
    let both = after(&events);
    assert_eq!(both.sessions.len(), 2);
    assert_eq!(set_role(&both, Role::Member, None), Ok(vec![]), "nothing changes, nobody goes");
    let promoted = set_role(&both, Role::Admin, None).unwrap();
    // Sessions go first: what breaks off in between leaves nobody with more than they had.
    for cut in 1..promoted.len() {
        let state = with(events.clone(), promoted[..cut].to_vec());
        assert_eq!((state.role, state.sessions.len()), (Some(Role::Member), 2 - cut));
    }
    let state = with(events.clone(), promoted);
    assert_eq!((state.role, state.sessions.len()), (Some(Role::Admin), 0));

    let gone = with(events, log_out_everywhere(&both).unwrap());
    assert!(gone.sessions.is_empty());
    assert_eq!(log_out_everywhere(&gone), Ok(vec![]));
    assert_eq!(log_out_everywhere(&State::default()), Err(Refusal::Unknown));
}
