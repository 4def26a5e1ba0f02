//! A signing secret of an endpoint that is replaced: for how long the one before signs, and how many do.

use domain::endpoint::{self, Endpoints, Event, MAX_SECRETS};
use eventlog::Recorded;
use http::{Method, StatusCode};
use jiff::SignedDuration;
use serde_json::json;
use service::{Clock as _, SystemClock};

use crate::stage::{Answer, Running, Tenant, World};

const DAY_S: i64 = 86_400;
/// How long a rotation may take.
const MOMENT: SignedDuration = SignedDuration::from_secs(60);

struct Scene {
    world: World,
    api: Running,
    owner: Tenant,
    endpoint: endpoint::Id,
}

impl Scene {
    async fn set() -> Self {
        let world = World::memory().await;
        let (api, owner) = (world.api("a").await, world.tenant().await);
        let wish = json!({ "url": "https://hooks.example.com/" }).to_string();
        let ask = api.request(Method::POST, "/v1/endpoints").by(&owner).body(wish);
        let added = ask.send().await;
        assert_eq!(added.status, StatusCode::CREATED, "{}", added.body);
        let endpoint = added.body["id"].as_str().unwrap().parse().unwrap();
        let endpoint = endpoint::Id { account: owner.account, endpoint };
        Self { world, api, owner, endpoint }
    }

    async fn rotate(&self, body: impl Into<bytes::Bytes>) -> Answer {
        let path = format!("/v1/endpoints/{}/secret", self.endpoint);
        self.api.request(Method::POST, &path).by(&self.owner).body(body).send().await
    }

    async fn last(&self) -> Recorded<Endpoints> {
        self.world.log.history::<Endpoints>(&self.endpoint).await.unwrap().pop().unwrap()
    }
}

#[tokio::test]
async fn the_secret_before_signs_for_a_day_or_as_long_as_is_said_up_to_a_week() {
    let scene = Scene::set().await;
    for (body, overlap_s) in [
        ("", DAY_S),
        ("{}", DAY_S),
        (r#"{"overlap_s": null}"#, DAY_S),
        (r#"{"overlap_s": 0}"#, 0),
        (r#"{"overlap_s": 1}"#, 1),
        (r#"{"overlap_s": 604800}"#, 7 * DAY_S),
    ] {
        let answer = scene.rotate(body).await;
        assert_eq!(answer.status, StatusCode::OK, "{body}: {}", answer.body);
        let last = scene.last().await;
        let Event::SecretRotated { previous_until, .. } = last.event else {
            panic!("{body}: {:?}", last.event)
        };
        let overlap = previous_until.duration_since(last.time);
        let expected = SignedDuration::from_secs(overlap_s);
        assert!(overlap <= expected && overlap > expected - MOMENT, "{body}: {overlap}");
    }
    let before = scene.last().await.seq;
    for odd in ["-1", "604801", "1e9", "0.5", "\"3600\"", "true", "18446744073709551616"] {
        let answer = scene.rotate(format!(r#"{{"overlap_s": {odd}}}"#)).await;
        let said = (answer.status, &answer.body["code"], &answer.body["param"]);
        let expected = (StatusCode::BAD_REQUEST, &json!("field_invalid"), &json!("overlap_s"));
        assert_eq!(said, expected, "{odd}: {}", answer.body);
    }
    assert_eq!(scene.last().await.seq, before, "what is refused changes nothing");
}

#[tokio::test]
async fn no_more_than_ten_secrets_sign_at_once_the_newest_of_them() {
    let scene = Scene::set().await;
    let mut shown = Vec::new();
    for _ in 0..MAX_SECRETS + 2 {
        let answer = scene.rotate(r#"{"overlap_s": 604800, "scheme": "ed25519"}"#).await;
        shown.push(answer.body["public_key"].as_str().unwrap().to_owned());
    }
    let known = scene.world.log.load::<Endpoints>(&scene.endpoint).await.unwrap();
    let signings = known.state.endpoint().unwrap().signings(SystemClock.now());
    let sign: Vec<String> = signings.filter_map(|signing| signing.public_key.clone()).collect();
    let newest: Vec<String> = shown.into_iter().rev().take(10).collect();
    assert_eq!(sign, newest);
}
