//! What lanes let in, when, and whom they turn away.

use super::*;

const WIDE: Width = Width { at_once: 4, per_second: None };

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_790_000_000 + second).unwrap()
}

fn endpoint() -> EndpointId {
    EndpointId::from_uuid(uuid::Uuid::nil())
}

/// As the log knows an endpoint that has failed since the beginning.
fn open(until: i64) -> Standing {
    let circuit = Circuit::Open { failing_since: at(0), until: at(until) };
    Standing { circuit, well_at: None }
}

/// As the log knows an endpoint that was found well, or enabled.
fn well(second: i64) -> Standing {
    Standing { circuit: Circuit::Closed, well_at: Some(at(second)) }
}

fn enter(lane: &Arc<Lane>, width: Width, second: i64) -> Option<Pass> {
    match lane.enter(width, at(second)) {
        Entry::Go(pass) => Some(pass),
        Entry::Wait(_) => None,
    }
}

#[test]
fn no_more_are_under_way_than_the_lane_is_wide() {
    let lane = Arc::new(Lane::default());
    let passes: Vec<Pass> = (0..10).filter_map(|_| enter(&lane, WIDE, 0)).collect();
    assert_eq!(passes.len(), 4);
    drop(passes);
    assert!(enter(&lane, WIDE, 0).is_some());
}

#[test]
fn an_endpoint_that_failed_gets_one_at_a_time() {
    let lane = Arc::new(Lane::default());
    lane.failed(at(0));
    let first = enter(&lane, WIDE, 0);
    assert!(first.is_some() && enter(&lane, WIDE, 0).is_none());
    lane.succeeded();
    assert!(enter(&lane, WIDE, 0).is_some());
}

#[test]
fn after_failures_in_a_row_it_is_left_alone_and_then_tried_with_one() {
    let lane = Arc::new(Lane::default());
    for _ in 1..FAILURES {
        assert_eq!(lane.failed(at(0)), Consequence::None);
    }
    let open = lane.failed(at(1));
    assert_eq!(open, Consequence::Open { failing_since: at(0), until: at(16) });
    assert!(enter(&lane, WIDE, 15).is_none());
    assert_eq!(lane.failed(at(2)), Consequence::None);
    let probe = enter(&lane, WIDE, 16);
    assert!(probe.is_some() && enter(&lane, WIDE, 16).is_none());
    drop(probe);
    let again = lane.failed(at(17));
    assert_eq!(again, Consequence::Open { failing_since: at(0), until: at(47) });
    assert_eq!(lane.succeeded(), Consequence::Close);
    assert_eq!(lane.succeeded(), Consequence::None);
    assert!(enter(&lane, WIDE, 17).is_some());
}

#[test]
fn an_endpoint_that_refuses_what_it_is_told_is_left_alone_ten_times_later() {
    let lane = Arc::new(Lane::default());
    for refusal in 1..FAILURES * REFUSALS {
        assert_eq!(lane.refused(at(0)), Consequence::None);
        let passes = (0..10).filter_map(|_| enter(&lane, WIDE, 0)).collect::<Vec<_>>().len();
        assert_eq!(passes, if refusal < REFUSALS { 4 } else { 1 });
    }
    assert_eq!(lane.refused(at(1)), Consequence::Open { failing_since: at(0), until: at(16) });
    assert_eq!(lane.succeeded(), Consequence::Close);
}

#[test]
fn breaks_are_known_after_a_restart() {
    let lane = Lanes::default().of(endpoint(), open(60));
    assert!(enter(&lane, WIDE, 59).is_none());
    assert!(enter(&lane, WIDE, 60).is_some());
}

#[test]
fn breaks_that_others_found_are_kept_and_end_when_others_find_it_well() {
    let lanes = Lanes::default();
    let lane = lanes.of(endpoint(), Standing::default());
    assert!(enter(&lane, WIDE, 0).is_some());
    lanes.of(endpoint(), open(60));
    assert!(enter(&lane, WIDE, 59).is_none());
    // What the log said before is no news after a success here.
    assert_eq!(lane.succeeded(), Consequence::Close);
    lanes.of(endpoint(), open(60));
    assert_eq!((0..10).filter_map(|_| enter(&lane, WIDE, 59)).collect::<Vec<_>>().len(), 4);
    lanes.of(endpoint(), open(120));
    assert!(enter(&lane, WIDE, 119).is_none());
    lanes.of(endpoint(), well(70));
    assert_eq!((0..10).filter_map(|_| enter(&lane, WIDE, 71)).collect::<Vec<_>>().len(), 4);
}

#[test]
fn days_of_failures_count_no_more_once_it_was_enabled() {
    let (lanes, day) = (Lanes::default(), 86_400);
    let lane = lanes.of(endpoint(), Standing::default());
    for hour in 0..119 {
        lane.failed(at(hour * 3_600));
    }
    assert_eq!(lane.failed(at(5 * day)), Consequence::Disable { failing_since: at(0) });
    lanes.of(endpoint(), well(6 * day));
    for hour in 0..119 {
        lanes.of(endpoint(), well(6 * day));
        let consequence = lane.failed(at(6 * day + 1 + hour * 3_600));
        assert!(!matches!(consequence, Consequence::Disable { .. }), "hour {hour}");
    }
    let again = Consequence::Disable { failing_since: at(6 * day + 1) };
    assert_eq!(lane.failed(at(11 * day + 1)), again);
}

#[test]
fn five_days_of_failures_disable_and_a_single_long_gap_does_not() {
    let (lane, day) = (Lane::default(), 86_400);
    for hour in 0..119 {
        let consequence = lane.failed(at(hour * 3_600));
        assert!(!matches!(consequence, Consequence::Disable { .. }), "hour {hour}");
    }
    assert_eq!(lane.failed(at(5 * day)), Consequence::Disable { failing_since: at(0) });
    let lane = Lane::default();
    lane.failed(at(0));
    lane.succeeded();
    assert_eq!(lane.failed(at(6 * day)), Consequence::None);
}

#[test]
fn a_second_takes_no_more_than_its_share_and_those_turned_away_come_back_in_turn() {
    let lane = Arc::new(Lane::default());
    let narrow = Width { at_once: 100, per_second: Some(10) };
    let went = (0..50).filter(|_| enter(&lane, narrow, 0).is_some()).count();
    assert_eq!(went, 10);
    let mut waits = Vec::new();
    for _ in 0..50 {
        if let Entry::Wait(wait) = lane.enter(narrow, at(0)) {
            waits.push(wait);
        }
    }
    assert!(waits.is_sorted() && waits.last() > waits.first());
    assert_eq!((0..50).filter(|_| enter(&lane, narrow, 1).is_some()).count(), 10);
}

fn now() -> Timestamp {
    at(0)
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_in_a_lane_that_moves_gets_room_and_goes_before_newcomers() {
    let lane = Arc::new(Lane::default());
    let passes: Vec<Pass> = (0..4).filter_map(|_| enter(&lane, WIDE, 0)).collect();
    let waiting = tokio::spawn({
        let lane = Arc::clone(&lane);
        async move { lane.enter_soon(WIDE, now).await }
    });
    tokio::task::yield_now().await;
    drop(passes);
    // Nobody has run since: the one that waited is first all the same.
    let newcomer = tokio::spawn({
        let lane = Arc::clone(&lane);
        async move { lane.enter_soon(WIDE, now).await }
    });
    assert!(matches!(waiting.await.unwrap(), Entry::Go(_)));
    assert!(matches!(newcomer.await.unwrap(), Entry::Go(_)));
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_in_a_lane_that_does_not_move() {
    let lane = Arc::new(Lane::default());
    let _hang: Vec<Pass> = (0..4).filter_map(|_| enter(&lane, WIDE, 0)).collect();
    let began = Instant::now();
    assert!(matches!(lane.enter_soon(WIDE, now).await, Entry::Wait(_)));
    assert_eq!(began.elapsed().as_secs(), A_MOMENT.as_secs());
    let began = Instant::now();
    assert!(matches!(lane.enter_soon(WIDE, now).await, Entry::Wait(_)));
    assert_eq!(began.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn no_more_wait_than_a_lane_takes_in_a_second() {
    let lane = Arc::new(Lane::default());
    let _slow: Vec<Pass> = (0..4).filter_map(|_| enter(&lane, WIDE, 0)).collect();
    let all = (0..20).map(|_| lane.enter_soon(WIDE, now));
    let mut all: futures::stream::FuturesUnordered<_> = all.collect();
    let began = Instant::now();
    let mut at_once = 0;
    while let Some(entry) = futures::StreamExt::next(&mut all).await {
        assert!(matches!(entry, Entry::Wait(_)));
        at_once += u32::from(began.elapsed() < A_MOMENT);
    }
    assert_eq!(at_once, 20 - WIDE.at_once);
}

#[test]
fn thousands_that_wait_for_one_endpoint_come_back_over_minutes_and_after_its_break() {
    let lane = Arc::new(Lane::default());
    for _ in 0..FAILURES {
        lane.failed(at(0));
    }
    let mut seconds: Vec<u64> = Vec::new();
    for _ in 0..100_000 {
        seconds.push(lane.turns_away(WIDE, at(0)).unwrap().as_secs());
    }
    let (first, last) = (seconds.iter().min().unwrap(), seconds.iter().max().unwrap());
    assert!(*first >= FIRST_BREAK.as_secs() && *last <= (FIRST_BREAK + LONGEST_TURN).as_secs());
    let busiest = (0..=*last).map(|second| seconds.iter().filter(|it| **it == second).count());
    assert!(busiest.max().unwrap() < 300, "they do not come all at once");
    assert!(lane.turns_away(WIDE, at(15)).is_none());
}

#[tokio::test(start_paused = true)]
async fn those_who_wait_for_an_endpoint_that_does_not_move_come_back_seldom() {
    let lane = Arc::new(Lane::default());
    let _hang: Vec<Pass> = (0..4).filter_map(|_| enter(&lane, WIDE, 0)).collect();
    let longest = |count: u32| {
        (0..count).map(|_| lane.turns_away(WIDE, at(0)).unwrap()).max().unwrap() / count
    };
    assert!(longest(1_000) <= SHORTEST_WAIT / WIDE.at_once);
    tokio::time::advance(A_MOMENT).await;
    assert!(longest(1_000) >= SLOW_TURN);
}
