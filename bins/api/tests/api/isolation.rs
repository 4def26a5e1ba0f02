//! Nobody sees another's, nobody does what they may not: every route of the document, by everybody.
//!
//! Routes come from `/openapi.json`, so one that is added is tested without anybody thinking of it.
//! A path with `{id}` needs something of its kind that belongs to somebody: see [`make`].

pub(crate) mod fixtures;
mod members;
mod timing;

use bytes::Bytes;
use domain::scope::Scope;
use http::{HeaderMap, Method, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::Value;
use uuid::Uuid;

use self::fixtures::{body, make, owner_misses};
use crate::shapes;
use crate::stage::{PATIENCE, Running, Tenant, World, eventually};

/// One verb at one path.
#[derive(Debug, Clone)]
pub(crate) struct Route {
    pub(crate) method: Method,
    pub(crate) path: String,
    /// What a key must be allowed; `None`: keys open nothing here.
    pub(crate) scope: Option<Scope>,
}

impl Route {
    pub(crate) fn has_id(&self) -> bool {
        self.path.contains("{id}")
    }

    /// With something in the open places.
    pub(crate) fn about(&self, id: &str) -> String {
        self.path.replace("{id}", id).replace("{name}", "page-1_original.jpg")
    }
}

/// Every route that wants to know who asks.
pub(crate) async fn routes(api: &Running) -> Vec<Route> {
    let document = api.get("/openapi.json").send().await.body;
    let mut routes = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (verb, operation) in item.as_object().unwrap() {
            let Some(ways) = operation.get("security").and_then(Value::as_array) else { continue };
            let key = ways.iter().find_map(|way| way.get("key"));
            let scope = key.map(|names| Scope::parse(names[0].as_str().unwrap()).unwrap());
            let method = verb.to_uppercase().parse().unwrap();
            routes.push(Route { method, path: path.clone(), scope });
        }
    }
    assert!(routes.len() >= 20, "{routes:?}");
    routes
}

/// An answer to the byte.
#[derive(Debug, PartialEq)]
struct Exact {
    status: StatusCode,
    headers: Vec<(String, String)>,
    body: String,
}

async fn ask(api: &Running, route: &Route, path: &str, authorization: Option<&str>) -> Exact {
    let mut ask = api.request(route.method.clone(), path).body(body(route));
    if let Some(authorization) = authorization {
        ask = ask.header("authorization", authorization);
    }
    let (parts, body) = ask.open().await.into_parts();
    let body = tokio::time::timeout(PATIENCE, body.collect()).await.unwrap().unwrap().to_bytes();
    Exact { status: parts.status, headers: spelled(&parts.headers), body: text(&body) }
}

fn spelled(headers: &HeaderMap) -> Vec<(String, String)> {
    let told = headers.iter().filter(|(name, _)| *name != "date");
    let mut told: Vec<_> =
        told.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect();
    told.sort();
    told
}

fn text(body: &Bytes) -> String {
    String::from_utf8(body.to_vec()).unwrap()
}

impl Exact {
    /// The same, had it been about another id.
    fn about(mut self, id: &str, other: &str) -> Self {
        self.body = self.body.replace(id, other);
        for (_, value) in &mut self.headers {
            *value = value.replace(id, other);
        }
        self
    }
}

/// A key of a tenant that may do everything but that.
async fn without(world: &World, scope: Scope) -> Tenant {
    let scopes = Scope::ALL.iter().copied().filter(|other| *other != scope).collect();
    world.tenant_with(|application| application.terms.scopes = Some(scopes)).await
}

/// Keys that open nothing, each in its own way.
async fn shut_out(world: &World, api: &Running) -> Vec<(&'static str, Tenant)> {
    let owner = world.tenant().await;
    let revoked = world.tenant().await;
    api.submit(&revoked).await;
    world.revoke(&revoked).await;
    eventually("the key is revoked", PATIENCE, || async {
        api.get("/v1/counts").by(&revoked).send().await.status == StatusCode::UNAUTHORIZED
    })
    .await;
    let past = "2020-01-01T00:00:00Z".parse().unwrap();
    let expired = world.tenant_with(|application| application.terms.expires_at = Some(past)).await;
    let damaged = owner.key.split_at(owner.key.len() - 1).0.to_owned();
    vec![
        ("revoked", revoked),
        ("expired", expired),
        ("wrong secret", Tenant { secret: world.tenant().await.secret, ..owner.clone() }),
        ("unknown key", Tenant { key: world.tenant().await.key, ..owner.clone() }),
        ("damaged key", Tenant { key: damaged, ..owner }),
    ]
}

#[tokio::test]
async fn every_route_tells_owners_strangers_nobody_and_those_who_may_not_apart() {
    let world = World::memory().await;
    let api = world.api("a").await;
    let (owner, stranger) = (world.tenant().await, world.tenant().await);
    let shut_out = shut_out(&world, &api).await;
    let document = api.get("/openapi.json").send().await.body;
    let mut wrong = Vec::new();
    for route in routes(&api).await {
        let what = format!("{} {}", route.method, route.path);
        let mut expect = |who: &str, held: bool, answer: &Exact| {
            if !held {
                wrong.push(format!("{what} by {who}: {} {}", answer.status, answer.body));
            }
        };
        let never = Uuid::new_v4().to_string();
        // Nobody, with and without something there.
        let id =
            if route.has_id() { make(&world, &api, &owner, &route).await } else { never.clone() };
        let path = route.about(&id);
        for authorization in [None, Some("Bearer x"), Some("Basic !"), Some("")] {
            let answer = ask(&api, &route, &path, authorization).await;
            expect("nobody", answer.status == StatusCode::UNAUTHORIZED, &answer);
        }
        for (who, tenant) in &shut_out {
            let answer = ask(&api, &route, &path, Some(&tenant.basic())).await;
            expect(who, answer.status == StatusCode::UNAUTHORIZED, &answer);
        }
        let Some(scope) = route.scope else {
            let answer = ask(&api, &route, &path, Some(&owner.basic())).await;
            expect("a key", answer.status == StatusCode::UNAUTHORIZED, &answer);
            continue;
        };
        let answer = ask(&api, &route, &path, Some(&without(&world, scope).await.basic())).await;
        let named = answer.body.contains(scope.name());
        expect("a key without the scope", answer.status == StatusCode::FORBIDDEN && named, &answer);
        if route.has_id() {
            let theirs = ask(&api, &route, &path, Some(&stranger.basic())).await;
            expect("a stranger", theirs.status == StatusCode::NOT_FOUND, &theirs);
            let nothing = ask(&api, &route, &route.about(&never), Some(&stranger.basic())).await;
            expect("a stranger, to the byte", theirs.about(&id, &never) == nothing, &nothing);
        }
        let own = ask(&api, &route, &path, Some(&owner.basic())).await;
        let seen = own.status != StatusCode::NOT_FOUND || owner_misses(&route);
        let refused = [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN].contains(&own.status);
        expect("the owner", seen && !refused && !own.status.is_server_error(), &own);
        if let (true, Ok(body)) = (own.status.is_success(), serde_json::from_str(&own.body)) {
            let verb = route.method.as_str().to_lowercase();
            wrong.extend(shapes::departures(&document, &route.path, &verb, &body));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[tokio::test]
async fn a_stranger_finds_nothing_of_anybody_in_any_list() {
    let world = World::memory().await;
    let api = world.api("a").await;
    let (owner, stranger) = (world.tenant().await, world.tenant().await);
    let mut theirs = vec![owner.account.to_string(), owner.key.clone()];
    let routes = routes(&api).await;
    for route in routes.iter().filter(|route| route.has_id() && route.scope.is_some()) {
        theirs.push(make(&world, &api, &owner, route).await);
    }
    let lists = routes
        .iter()
        .filter(|route| route.method == Method::GET && !route.has_id() && route.scope.is_some());
    for route in lists {
        let answer = ask(&api, route, &route.path, Some(&stranger.basic())).await;
        assert_eq!(answer.status, StatusCode::OK, "{route:?} {}", answer.body);
        for id in &theirs {
            assert!(!answer.body.contains(id.as_str()), "{route:?} shows {id}: {}", answer.body);
        }
    }
}

#[tokio::test]
async fn event_streams_are_as_closed_as_everything_else() {
    let world = World::memory().await;
    let api = world.api("a").await;
    let (owner, stranger) = (world.tenant().await, world.tenant().await);
    let id = api.submit(&owner).await["id"].as_str().unwrap().to_owned();
    let open = |tenant: &Tenant, id: &str| {
        let ask = api.get(&format!("/v1/jobs/{id}/events")).by(tenant);
        ask.header("accept", "text/event-stream")
    };
    for (who, tenant) in shut_out(&world, &api).await {
        let answer = open(&tenant, &id).send().await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{who}");
    }
    let blind = without(&world, Scope::JobsRead).await;
    assert_eq!(open(&blind, &id).send().await.status, StatusCode::FORBIDDEN);
    let never = Uuid::new_v4().to_string();
    let theirs = open(&stranger, &id).send().await;
    let nothing = open(&stranger, &never).send().await;
    assert_eq!(theirs.status, StatusCode::NOT_FOUND);
    assert_eq!(theirs.body.to_string().replace(&id, &never), nothing.body.to_string());
}

#[tokio::test]
async fn a_key_without_its_secret_opens_no_route_that_asks_for_one() {
    let world = World::memory().await;
    let api = world.api("a").await;
    let origin = "https://app.example";
    let page =
        world.tenant_with(|application| application.terms.origins = vec![origin.into()]).await;
    let mut open = Vec::new();
    for route in routes(&api).await {
        let path = route.about(&Uuid::new_v4().to_string());
        let ask = api.request(route.method.clone(), &path).body(body(&route));
        let ask = ask.header("authorization", &page.bare()).header("origin", origin);
        if ask.open().await.status() != StatusCode::UNAUTHORIZED {
            open.push(format!("{} {}", route.method, route.path));
        }
    }
    open.sort();
    let pages = [
        "GET /v1/artifacts/{id}/{name}",
        "GET /v1/uploads/{id}",
        "GET /v2/previews/{id}",
        "POST /v1/uploads",
        "POST /v1/uploads/{id}/complete",
        "POST /v1/uploads/{id}/parts",
        "POST /v2/previews",
    ];
    assert_eq!(open, pages, "what pages may do is said here as well");
}
