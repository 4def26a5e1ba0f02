//! What another has and what nobody has takes the same time to be denied.

use std::time::Instant;

use http::StatusCode;
use uuid::Uuid;

use super::{ask, fixtures::make, routes};
use crate::{
    stage::World,
    statistics::{MAX_DEVIATIONS, deviations, median},
};

/// How often each is asked for.
const SAMPLES: usize = 120;
/// How far apart medians may be whatever the order says, as noise of a busy machine is.
const MAX_RATIO: f64 = 1.25;

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
