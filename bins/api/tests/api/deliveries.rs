//! What was told to endpoints: found by what it was, page by page, or all of it as a table.

use std::collections::BTreeSet;

use domain::{
    Timestamp,
    delivery::{self, Deliveries, Event},
    id::{DeliveryId, EndpointId},
};
use http::{Method, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    shapes,
    stage::{PATIENCE, Running, Tenant, World},
};

/// More than two of the largest pages.
const MANY: usize = 450;

/// `minute` minutes after a certain time.
fn at(minute: usize) -> Timestamp {
    let start: Timestamp = "2026-11-20T08:00:00Z".parse().unwrap();
    start + jiff::SignedDuration::from_mins(i64::try_from(minute).unwrap())
}

fn due(topic: &str, job: Option<Uuid>) -> Value {
    json!({
        "event": "due", "event_id": Uuid::new_v4(), "event_type": topic, "job": job, "seq": 7,
    })
}

/// Has all this happen to a new delivery, and answers its id.
async fn deliver(
    world: &World,
    to: (&Tenant, EndpointId),
    time: Timestamp,
    events: &[Value],
) -> String {
    let delivery = DeliveryId::from_uuid(Uuid::new_v4());
    let id = delivery::Id { account: to.0.account, endpoint: to.1, delivery };
    let read = |event: &Value| serde_json::from_value::<Event>(event.clone()).unwrap();
    let events: Vec<Event> = events.iter().map(read).collect();
    let log = world.connect("dispatcher").await;
    let decide = |_: &delivery::State| Ok::<_, delivery::Refusal>(events.clone());
    log.transact::<Deliveries, _>(&id, time, decide).await.unwrap();
    delivery.to_string()
}

fn endpoint() -> EndpointId {
    EndpointId::from_uuid(Uuid::new_v4())
}

/// The ids on every page, in order, and how many pages there were.
async fn paged(api: &Running, tenant: &Tenant, query: &str, limit: usize) -> (Vec<String>, usize) {
    let first = format!("/v1/deliveries?limit={limit}&{query}");
    let (mut ids, mut pages, mut path) = (Vec::new(), 0, first.clone());
    loop {
        let page = api.get(&path).by(tenant).send().await;
        assert_eq!(page.status, StatusCode::OK, "{query}: {}", page.body);
        let rows = page.body["deliveries"].as_array().unwrap();
        assert!(rows.len() <= limit, "{query}");
        ids.extend(rows.iter().map(|row| row["id"].as_str().unwrap().to_owned()));
        pages += 1;
        let Some(next) = page.body["next"].as_str() else { return (ids, pages) };
        path = format!("{first}&cursor={next}");
    }
}

/// The cells of a table, its head first.
async fn table(api: &Running, tenant: &Tenant, query: &str) -> Vec<Vec<String>> {
    let path = format!("/v1/deliveries?format=csv&{query}");
    let response = api.get(&path).by(tenant).open().await;
    assert_eq!(response.status(), StatusCode::OK, "{query}");
    let headers = response.headers();
    assert_eq!(headers["content-type"], "text/csv; charset=utf-8; header=present");
    assert_eq!(headers["content-disposition"], "attachment; filename=\"deliveries.csv\"");
    let body = tokio::time::timeout(PATIENCE, response.into_body().collect());
    let body = body.await.unwrap().unwrap().to_bytes();
    let text = std::str::from_utf8(&body).unwrap();
    let rows = text.strip_suffix("\r\n").unwrap().split("\r\n");
    rows.map(|row| row.split(',').map(str::to_owned).collect()).collect()
}

fn ids(table: &[Vec<String>]) -> Vec<String> {
    table.iter().skip(1).map(|row| row[0].clone()).collect()
}

#[tokio::test]
async fn a_table_holds_all_that_pages_hold_one_after_the_other() {
    let world = World::memory().await;
    let (api, tenant, other) = (world.api("a").await, world.tenant().await, world.tenant().await);
    let (to, mut made) = (endpoint(), Vec::new());
    for number in 0..MANY {
        // Five at a time, so that a page ends among those of one time as well.
        let time = at(number / 5);
        made.push(deliver(&world, (&tenant, to), time, &[due("job.completed", None)]).await);
    }
    deliver(&world, (&other, to), at(0), &[due("job.completed", None)]).await;

    let (listed, pages) = paged(&api, &tenant, "", 200).await;
    assert_eq!((listed.len(), pages), (MANY, 3));
    let once: BTreeSet<&String> = listed.iter().collect();
    assert_eq!(once, made.iter().collect());
    assert_eq!(paged(&api, &tenant, "", 7).await.0, listed);
    assert_eq!(ids(&table(&api, &tenant, "").await), listed);
    let to_it = format!("endpoint={to}");
    assert_eq!(ids(&table(&api, &tenant, &to_it).await), listed);
    // Newest first, and each stretch of time has its own.
    let since = format!("since={}", at(60));
    let until = format!("until={}", at(60));
    assert_eq!(paged(&api, &tenant, &since, 50).await, (listed[..150].to_vec(), 3));
    assert_eq!(ids(&table(&api, &tenant, &since).await), listed[..150]);
    assert_eq!(ids(&table(&api, &tenant, &until).await), listed[150..]);
}

#[tokio::test]
async fn deliveries_are_found_by_endpoint_status_topic_job_and_time() {
    let world = World::memory().await;
    let (api, tenant) = (world.api("a").await, world.tenant().await);
    let (first, second) = (endpoint(), endpoint());
    let (job, other) = (Uuid::new_v4(), Uuid::new_v4());
    let delivered = json!({"event": "delivered", "attempt": 1, "status": 204, "latency_ms": 3});
    let exhausted = json!({"event": "exhausted", "attempts": 1, "code": "gone"});
    let all = [
        (first, at(0), vec![due("job.completed", Some(job)), delivered.clone()]),
        (first, at(1), vec![due("job.failed", Some(other)), exhausted]),
        (second, at(2), vec![due("job.completed", Some(job))]),
        (second, at(3), vec![due("destination.proven", None), delivered.clone()]),
        (second, at(4), vec![due("endpoint.test", None), delivered]),
    ];
    let mut made = Vec::new();
    for (endpoint, time, events) in &all {
        made.push(deliver(&world, (&tenant, *endpoint), *time, events).await);
    }
    let minute = |minute: usize| at(minute).to_string();
    for (query, expected) in [
        (String::new(), vec![4, 3, 2, 1, 0]),
        (format!("endpoint={first}"), vec![1, 0]),
        ("status=delivered".to_owned(), vec![4, 3, 0]),
        ("status=exhausted".to_owned(), vec![1]),
        ("status=waiting".to_owned(), vec![2]),
        ("topic=job.completed".to_owned(), vec![2, 0]),
        ("topic=job.*".to_owned(), vec![2, 1, 0]),
        ("topic=job.complete".to_owned(), vec![]),
        ("topic=destination.*".to_owned(), vec![3]),
        ("topic=endpoint.test".to_owned(), vec![4]),
        ("topic=*".to_owned(), vec![4, 3, 2, 1, 0]),
        (format!("job={job}"), vec![2, 0]),
        (format!("job={other}"), vec![1]),
        (format!("job={}", Uuid::new_v4()), vec![]),
        (format!("since={}", minute(2)), vec![4, 3, 2]),
        (format!("until={}", minute(2)), vec![1, 0]),
        (format!("since={}&until={}", minute(1), minute(3)), vec![2, 1]),
        ("since=2026-11-20T08:01:00.000000001Z".to_owned(), vec![4, 3, 2]),
        ("until=2026-11-20T08:01:00.000000001Z".to_owned(), vec![1, 0]),
        (format!("job={job}&endpoint={first}&status=delivered"), vec![0]),
        (format!("job={job}&status=waiting&since={}", minute(1)), vec![2]),
        (format!("endpoint={second}&topic=job.*&until={}", minute(4)), vec![2]),
        (format!("endpoint={second}&status=delivered&since={}", minute(4)), vec![4]),
    ] {
        let expected: Vec<String> = expected.into_iter().map(|n: usize| made[n].clone()).collect();
        assert_eq!(paged(&api, &tenant, &query, 2).await.0, expected, "{query}");
        assert_eq!(ids(&table(&api, &tenant, &query).await), expected, "{query}");
    }

    // Told again, one is where it was, and waits.
    let again = format!("/v1/deliveries/{}/redeliver", made[1]);
    let asked = api.request(Method::POST, &again).by(&tenant).body("{}").send().await;
    assert_eq!(asked.status, StatusCode::ACCEPTED, "{}", asked.body);
    let waiting = [made[2].clone(), made[1].clone()];
    assert_eq!(paged(&api, &tenant, "status=waiting", 1).await.0, waiting);
    assert_eq!(paged(&api, &tenant, &format!("job={other}"), 1).await.0, waiting[1..]);
}

#[tokio::test]
async fn a_row_of_a_table_says_how_its_last_attempt_went() {
    let world = World::memory().await;
    let (api, tenant) = (world.api("a").await, world.tenant().await);
    let (to, job) = (endpoint(), Uuid::new_v4());
    let failed = json!({
        "event": "attempt_failed", "attempt": 1, "code": "status", "status": 503,
        "latency_ms": 12, "retry_at": at(9), "address": "2001:db8::7",
    });
    let given_up = json!({"event": "exhausted", "attempts": 1, "code": "disabled"});
    let tried =
        deliver(&world, (&tenant, to), at(2), &[due("job.completed", Some(job)), failed]).await;
    let lost =
        deliver(&world, (&tenant, to), at(1), &[due("account.opened", None), given_up]).await;
    deliver(&world, (&tenant, to), at(0), &[due("endpoint.test", None)]).await;

    let page = api.get("/v1/deliveries").by(&tenant).send().await.body;
    let document = api.get("/openapi.json").send().await.body;
    assert_eq!(shapes::departures(&document, "/v1/deliveries", "get", &page), [""; 0]);
    let table = table(&api, &tenant, "").await;
    let cells = |row: usize| -> Vec<(&str, &str)> {
        let head = table[0].iter().map(String::as_str);
        head.zip(table[row].iter().map(String::as_str)).collect()
    };
    let row = &page["deliveries"][0];
    let text = |name: &str| row[name].as_str().unwrap();
    let (to, job, two, nine) =
        (to.to_string(), job.to_string(), at(2).to_string(), at(9).to_string());
    assert_eq!(
        cells(1),
        [
            ("id", tried.as_str()),
            ("endpoint", &to),
            ("topic", "job.completed"),
            ("job", &job),
            ("sequence", "7"),
            ("status", "waiting"),
            ("attempts", "1"),
            ("due_at", &two),
            ("updated_at", &two),
            ("retry_at", &nine),
            ("http_status", "503"),
            ("latency_ms", "12"),
            ("code", "status"),
            ("address", "2001:db8::7"),
            ("attempted_at", &two),
            ("event", text("event")),
            ("webhook_id", text("webhook_id")),
            ("duplicates", "0"),
        ]
    );
    let lost_cells = cells(2);
    assert!(lost_cells.contains(&("id", &lost)) && lost_cells.contains(&("code", "disabled")));
    for empty in ["job", "retry_at", "http_status", "latency_ms", "code", "address", "attempted_at"]
    {
        assert!(cells(3).contains(&(empty, "")), "{empty}");
    }
    // Nothing that a spreadsheet would take for a formula or for a cell's end.
    for cell in table.iter().flatten() {
        assert!(!cell.starts_with(['=', '+', '-', '@']) && !cell.contains(['"', '\t']), "{cell}");
    }
}

#[tokio::test]
async fn what_cannot_be_looked_for_is_said_by_name() {
    let world = World::memory().await;
    let (api, tenant) = (world.api("a").await, world.tenant().await);
    let cursor = "0".repeat(48);
    for (query, param, said) in [
        ("endpoint=mine".to_owned(), "endpoint", "id"),
        ("status=failed".to_owned(), "status", "waiting, delivered, exhausted"),
        ("topic=jobs.*".to_owned(), "topic", "job.completed"),
        ("job=7".to_owned(), "job", "id"),
        ("since=yesterday".to_owned(), "since", "2026-11-20T08:00:00Z"),
        ("until=2026-11-20T08:00:00+01:00".to_owned(), "until", "2026-11-20T08:00:00Z"),
        (format!("since={}&until={}", at(1), at(0)), "until", "after 2026-11-20T08:01:00Z"),
        ("limit=0".to_owned(), "limit", "1 to 200"),
        ("cursor=page-2".to_owned(), "cursor", "page before"),
        ("format=xlsx".to_owned(), "format", "json or csv"),
        ("format=csv&limit=10".to_owned(), "limit", "every row"),
        (format!("format=csv&cursor={cursor}"), "cursor", "every row"),
    ] {
        let answer = api.get(&format!("/v1/deliveries?{query}")).by(&tenant).send().await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{query}");
        assert_eq!(answer.headers["content-type"], "application/problem+json");
        assert_eq!(answer.body["param"], param, "{query}: {}", answer.body);
        let detail = answer.body["detail"].as_str().unwrap();
        assert!(detail.contains(said), "{query}: {detail}");
    }
    let odd = api.get("/v1/deliveries?page=2").by(&tenant).send().await;
    assert_eq!(odd.status, StatusCode::BAD_REQUEST);
    assert!(odd.body["detail"].as_str().unwrap().contains("until"), "{}", odd.body);
}

#[tokio::test]
async fn what_an_endpoint_may_have_taken_more_than_once_is_counted() {
    let world = World::memory().await;
    let (api, tenant) = (world.api("a").await, world.tenant().await);
    let failed = |attempt: u32, code: &str| {
        json!({
            "event": "attempt_failed", "attempt": attempt, "code": code,
            "latency_ms": 12, "retry_at": at(9),
        })
    };
    let delivered = |attempt: u32| json!({"event": "delivered", "attempt": attempt, "status": 204, "latency_ms": 3});
    let again = json!({"event": "redelivery_requested"});
    for (minute, events, duplicates) in [
        (0, vec![], 0),
        (1, vec![delivered(1)], 0),
        (2, vec![failed(1, "status"), failed(2, "unreachable"), delivered(3)], 0),
        (3, vec![failed(1, "interrupted"), delivered(2)], 1),
        (4, vec![failed(1, "timeout"), failed(2, "interrupted"), failed(3, "status")], 1),
        (5, vec![delivered(1), again, delivered(2), delivered(3)], 2),
    ] {
        let events: Vec<Value> =
            std::iter::once(due("job.completed", None)).chain(events).collect();
        let id = deliver(&world, (&tenant, endpoint()), at(minute), &events).await;
        let one = api.get(&format!("/v1/deliveries/{id}")).by(&tenant).send().await.body;
        assert_eq!(one["duplicates"], duplicates, "{events:?}");
    }
}
