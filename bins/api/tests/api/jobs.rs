//! `/v1`: lists, counts and cancellation.

use domain::{
    id::WorkerId,
    job::{Event, Jobs, Status},
};
use http::{Method, StatusCode};
use serde_json::Value;
use uuid::Uuid;

use crate::stage::World;

fn ids(list: &Value) -> Vec<String> {
    let jobs = list["jobs"].as_array().unwrap();
    jobs.iter().map(|job| job["id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_list_is_read_page_by_page_and_by_status() {
    let world = World::memory().await;
    let (api, tenant) = (world.api("a").await, world.tenant().await);
    let mut made = Vec::new();
    for _ in 0..5 {
        made.push(api.submit(&tenant).await["id"].as_str().unwrap().to_owned());
    }
    let all = api.get("/v1/jobs").by(&tenant).send().await.body;
    assert_eq!(all["next"], Value::Null);
    let mut listed = ids(&all);
    listed.sort();
    let mut sorted = made.clone();
    sorted.sort();
    assert_eq!(listed, sorted);
    let times: Vec<_> =
        all["jobs"].as_array().unwrap().iter().map(|job| job["requested_at"].to_string()).collect();
    assert!(times.is_sorted_by(|a, b| a >= b), "{times:?}");

    let mut paged = Vec::new();
    let mut path = "/v1/jobs?limit=2".to_owned();
    loop {
        let page = api.get(&path).by(&tenant).send().await.body;
        paged.extend(ids(&page));
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/v1/jobs?limit=2&cursor={next}");
    }
    assert_eq!(paged, ids(&all));

    let cancelled = format!("/v1/jobs/{}", made[2]);
    let answer = api.request(Method::DELETE, &cancelled).by(&tenant).send().await;
    assert_eq!(answer.status, StatusCode::ACCEPTED);
    assert_eq!(answer.body["status"], "cancelled");
    let of_status = api.get("/v1/jobs?status=cancelled").by(&tenant).send().await.body;
    assert_eq!(ids(&of_status), [made[2].clone()]);
    let counts = api.get("/v1/counts").by(&tenant).send().await.body;
    for status in Status::ALL {
        let expected = match status {
            Status::Queued => 4,
            Status::Cancelled => 1,
            _ => 0,
        };
        assert_eq!(counts[status.name()], expected, "{status:?}");
    }
    for wrong in ["limit=0", "limit=x", "status=done", "cursor=x", "page=2"] {
        let answer = api.get(&format!("/v1/jobs?{wrong}")).by(&tenant).send().await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{wrong}");
        assert_eq!(answer.headers["content-type"], "application/problem+json");
        assert!(answer.body["detail"].as_str().unwrap().len() > 10, "{wrong}");
    }
}

#[tokio::test]
async fn a_running_job_is_asked_to_stop_and_an_ended_one_is_not() {
    let world = World::memory().await;
    let (api, tenant) = (world.api("a").await, world.tenant().await);
    let id = tenant.id(&api.submit(&tenant).await);
    let worker = WorkerId::from_uuid(Uuid::new_v4());
    world.happen(id, Event::Started { attempt: 1, worker }).await;
    let mut told = world.log.cancels(id.account, id.job).await.unwrap();
    let path = format!("/v1/jobs/{}", id.job);
    for _ in 0..2 {
        let answer = api.request(Method::DELETE, &path).by(&tenant).send().await;
        assert_eq!(
            (answer.status, &answer.body["status"]),
            (StatusCode::ACCEPTED, &"cancelling".into())
        );
    }
    let heard = tokio::time::timeout(crate::stage::PATIENCE, futures::StreamExt::next(&mut told));
    assert!(heard.await.unwrap().is_some());
    let history = world.log.history::<Jobs>(&id).await.unwrap();
    assert_eq!(history.len(), 3, "asking twice is recorded once");
    world.happen(id, Event::Wiped { bytes: 0 }).await;
    world.happen(id, Event::Cancelled {}).await;
    let late = api.request(Method::DELETE, &path).by(&tenant).send().await;
    assert_eq!((late.status, &late.body["code"]), (StatusCode::CONFLICT, &"job_ended".into()));
}
