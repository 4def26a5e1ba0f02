//! How long a failed log-in takes does not tell whether the address is known.

use api::Sessions;
use domain::scope::Role;
use futures::future::join_all;
use http::StatusCode;
use tokio::time::Instant;

use crate::{
    people::{Home, PASSWORD, quick},
    stage::World,
    statistics::{MAX_DEVIATIONS, deviations, median},
};

/// Log-ins of each kind.
const SAMPLES: usize = 1_000;
/// How often they are tried again where they differ. What tells something does so every time; a machine that
/// had so much else to do that answers took longer than they are held back does not.
const COURSES: usize = 3;

/// How they are tried. Hashes are cheap here, so that it takes seconds: with ever so little work the
/// rest weighs more. What they cost in earnest is tried when `DARKROOM_TIMING_COST` says it, over
/// some ten minutes.
struct Course {
    lanes: usize,
    settings: Sessions,
}

impl Course {
    fn of_environment() -> Self {
        match std::env::var_os("DARKROOM_TIMING_COST") {
            Some(cost) => Self {
                lanes: 2,
                settings: Sessions {
                    bcrypt_cost: cost.to_str().unwrap().parse().unwrap(),
                    failed_login_ms: Sessions::default().failed_login_ms,
                    ..quick()
                },
            },
            None => {
                let settings = Sessions { failed_login_ms: 300, hashing_threads: 2, ..quick() };
                Self { lanes: 40, settings: Sessions { hashing_queue: 64, ..settings } }
            }
        }
    }
}

/// Times of failed log-ins to addresses that are known, and that are not, in turn.
async fn times(home: &Home, lane: usize, rounds: usize) -> [Vec<f64>; 2] {
    let mut times = [Vec::new(), Vec::new()];
    for round in 0..rounds {
        let first = (round + lane) % 2;
        for which in [first, 1 - first] {
            // Nobody has to wait.
            home.pass(60);
            let email = format!("{}{lane}@example.com", ["known", "other"][which]);
            let began = Instant::now();
            let answer = home.log_in(&email, "wrong wrong wrong").await;
            times[which].push(began.elapsed().as_secs_f64());
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
        }
    }
    times
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn how_long_a_failed_log_in_takes_does_not_tell_whether_the_address_is_known() {
    let Course { lanes, settings } = Course::of_environment();
    let home = Home::with(World::real().await, settings).await;
    for lane in 0..lanes {
        let email = format!("known{lane}@example.com");
        let token = home.invite(&home.tenant, &email, Role::Member).await;
        assert_eq!(home.join(&token, PASSWORD).await.status, StatusCode::CREATED);
    }
    let mut differed = Vec::new();
    for _ in 0..COURSES {
        let (mut known, mut unknown) = (Vec::new(), Vec::new());
        let all = (0..lanes).map(|lane| times(&home, lane, SAMPLES / lanes));
        for [one, two] in join_all(all).await {
            known.extend(one);
            unknown.extend(two);
        }
        assert_eq!((known.len(), unknown.len()), (SAMPLES, SAMPLES));
        let apart = deviations(&known, &unknown);
        if apart.abs() < MAX_DEVIATIONS {
            return;
        }
        let (known, unknown) = (median(&known), median(&unknown));
        differed.push(format!("{apart} deviations: {known} s and {unknown} s"));
    }
    panic!("{differed:#?}");
}
