//! Something of every kind, each belonging to somebody.

use domain::{
    Sealed,
    delivery::{self, Deliveries},
    id::{DeliveryId, EndpointId, UploadId},
    upload::{self, Event, Uploads},
};
use http::Method;
use serde_json::{Value, json};
use service::{Clock as _, SystemClock};
use uuid::Uuid;

use super::Route;
use crate::stage::{Running, Tenant, World};

/// Makes something of `owner`'s that fits `{id}` in the route's path, and answers its id.
///
/// # Panics
/// When nobody has said yet how: add a line for the path here.
pub(crate) async fn make(world: &World, api: &Running, owner: &Tenant, route: &Route) -> String {
    let by = |method: Method, path: &str, body: &Value| {
        api.request(method, path).by(owner).body(body.to_string())
    };
    let id = |body: &Value, pointer: &str| {
        let id = body.pointer(pointer).and_then(Value::as_str);
        id.unwrap_or_else(|| panic!("nothing was made for {route:?}: {body}")).to_owned()
    };
    let kind = route.path.split("/{id}").next().unwrap_or_default();
    match kind {
        "/v2/previews" | "/v1/jobs" | "/v1/artifacts" => id(&api.submit(owner).await, "/id"),
        "/v1/erasures" => {
            let job = id(&api.submit(owner).await, "/id");
            let path = format!("/v1/jobs/{job}?erase=true");
            by(Method::DELETE, &path, &Value::Null).send().await;
            job
        }
        "/v1/applications" => {
            let made = by(Method::POST, "/v1/applications", &json!({})).send().await;
            id(&made.body, "/id")
        }
        "/v1/members" => {
            let email = format!("{}@example.com", Uuid::new_v4().simple());
            let invited = json!({ "email": email, "role": "member" });
            id(&by(Method::POST, "/v1/members", &invited).send().await.body, "/member/id")
        }
        "/v1/inputs" => {
            let input = json!({
                "region": "eu-central-1",
                "bucket": format!("originals-{}", Uuid::new_v4().simple()),
                "access_key": "AKEXAMPLE",
                "secret_key": "secret",
            });
            id(&by(Method::PUT, "/v1/inputs", &input).send().await.body, "/id")
        }
        "/v1/endpoints" => {
            let endpoint = json!({ "url": "https://hooks.example.com/darkroom" });
            id(&by(Method::POST, "/v1/endpoints", &endpoint).send().await.body, "/id")
        }
        "/v1/deliveries" => delivery(world, owner).await,
        "/v1/uploads" => upload(world, owner).await,
        // Only sessions see sessions; their own tests look at those.
        "/v1/sessions" => Uuid::new_v4().to_string(),
        _ => panic!(
            "{} {} has no fixture: say in {} how to make something of somebody's that fits {{id}}",
            route.method,
            route.path,
            file!()
        ),
    }
}

/// A body with which the route gets as far as looking for what `{id}` names. One without need of a
/// body takes this as well.
pub(crate) fn body(route: &Route) -> String {
    let fields = match (route.method.as_str(), route.path.as_str()) {
        ("PATCH", "/v1/members/{id}") => json!({ "role": "member" }),
        ("POST", "/v1/endpoints/{id}/replays") => json!({ "from_seq": 1 }),
        ("POST", "/v1/uploads/{id}/parts") => json!({ "parts": [1] }),
        ("POST", "/v1/uploads/{id}/complete") => {
            json!({ "parts": [{ "number": 1, "etag": "e" }], "checksum": { "crc32c": "e3069283" } })
        }
        _ => json!({}),
    };
    fields.to_string()
}

/// Whether an owner is told as well that there is nothing, because what `make` makes is not there
/// yet.
pub(super) fn owner_misses(route: &Route) -> bool {
    // A job that has not been done has no artifacts.
    route.path.starts_with("/v1/artifacts/")
}

/// A delivery that is due.
async fn delivery(world: &World, owner: &Tenant) -> String {
    let id = delivery::Id {
        account: owner.account,
        endpoint: EndpointId::from_uuid(Uuid::new_v4()),
        delivery: DeliveryId::from_uuid(Uuid::new_v4()),
    };
    let due: delivery::Event = serde_json::from_value(json!({
        "event": "due", "event_id": Uuid::new_v4(), "event_type": "job.completed",
        "job": Uuid::new_v4(), "seq": 1,
    }))
    .unwrap();
    let log = world.connect("dispatcher").await;
    let begin = |_: &delivery::State| Ok::<_, delivery::Refusal>(vec![due.clone()]);
    log.transact::<Deliveries, _>(&id, SystemClock.now(), begin).await.unwrap();
    id.delivery.to_string()
}

/// An upload that is complete, of which no bucket is asked any more.
async fn upload(world: &World, owner: &Tenant) -> String {
    let id = upload::Id { account: owner.account, upload: UploadId::from_uuid(Uuid::new_v4()) };
    let checksum = upload::Checksum::Crc32c("e3069283".to_owned());
    let started = upload::Started {
        application: Some(owner.application),
        file_name: None,
        size_bytes: 7,
        part_bytes: 7,
        multipart: Sealed::from_envelope("multipart".to_owned()),
        key: id.object_key(),
        checksum: Some(checksum.clone()),
        expires_at: "2999-01-01T00:00:00Z".parse().unwrap(),
    };
    let log = world.connect("operator").await;
    let events = [
        Event::Started(started),
        Event::CompletionRequested { checksum: checksum.clone() },
        Event::SourceUploaded { size_bytes: 7, checksum },
    ];
    let begin = |_: &upload::State| Ok::<_, upload::Refusal>(events.to_vec());
    log.transact::<Uploads, _>(&id, SystemClock.now(), begin).await.unwrap();
    id.upload.to_string()
}
