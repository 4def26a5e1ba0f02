//! What another has and what nobody has takes the same time to be denied.

use std::time::Instant;

use http::StatusCode;
use uuid::Uuid;

use super::{ask, fixtures::make, routes};
use crate::stage::World;

/// How often each is asked for.
const SAMPLES: usize = 120;
/// How far from chance, in standard deviations, an order may be: less than one in a million is.
const MAX_DEVIATIONS: f64 = 5.0;
/// How far apart medians may be whatever the order says, as noise of a busy machine is.
const MAX_RATIO: f64 = 1.25;

/// By how many standard deviations `ours` are ranked higher or lower than chance would (Mann and
/// Whitney's U, by its normal approximation).
fn deviations(ours: &[f64], theirs: &[f64]) -> f64 {
    let mut all: Vec<(f64, bool)> = ours.iter().map(|value| (*value, true)).collect();
    all.extend(theirs.iter().map(|value| (*value, false)));
    all.sort_by(|a, b| a.0.total_cmp(&b.0));
    let ranks: f64 =
        all.iter().zip(1_u32..).filter(|((_, own), _)| *own).map(|(_, rank)| f64::from(rank)).sum();
    let (n, m) = (ours.len() as f64, theirs.len() as f64);
    let expected = n * (n + m + 1.0) / 2.0;
    (ranks - expected) / (n * m * (n + m + 1.0) / 12.0).sqrt()
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

#[test]
fn an_order_by_chance_is_told_from_one_that_is_none() {
    let even: Vec<f64> = (0..100).map(|n| f64::from(n * 2)).collect();
    let odd: Vec<f64> = (0..100).map(|n| f64::from(n * 2 + 1)).collect();
    assert!(deviations(&even, &odd).abs() < 1.0);
    let later: Vec<f64> = odd.iter().map(|value| value + 100.0).collect();
    assert!(deviations(&even, &later) < -MAX_DEVIATIONS);
}

#[tokio::test]
async fn what_another_has_is_denied_in_the_time_that_it_takes_to_deny_what_nobody_has() {
    let world = World::memory().await;
    let api = world.api("a").await;
    let (owner, stranger) = (world.tenant().await, world.tenant().await);
    let by = stranger.basic();
    let all = routes(&api).await;
    for route in all.iter().filter(|route| route.has_id() && route.method == http::Method::GET) {
        if route.scope.is_none() {
            continue;
        }
        let id = make(&world, &api, &owner, route).await;
        let (mut theirs, mut nothing) = (Vec::new(), Vec::new());
        for _ in 0..SAMPLES {
            for (path, times) in [
                (route.about(&id), &mut theirs),
                (route.about(&Uuid::new_v4().to_string()), &mut nothing),
            ] {
                let began = Instant::now();
                let answer = ask(&api, route, &path, Some(&by)).await;
                times.push(began.elapsed().as_secs_f64());
                assert_eq!(answer.status, StatusCode::NOT_FOUND);
            }
        }
        let ratio = median(&theirs) / median(&nothing);
        let apart = !(1.0 / MAX_RATIO..=MAX_RATIO).contains(&ratio);
        let deviations = deviations(&theirs, &nothing);
        let told_apart = apart && deviations.abs() > MAX_DEVIATIONS;
        assert!(!told_apart, "{route:?}: {deviations} deviations, ratio {ratio}");
    }
}
