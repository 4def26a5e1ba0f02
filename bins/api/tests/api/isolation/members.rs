//! The same for members: the cookie of one account's owner opens nothing of another.

use domain::scope::Role;
use http::StatusCode;
use http_body_util::BodyExt as _;
use serde_json::json;
use uuid::Uuid;

use super::{
    Exact, Route, Running,
    fixtures::{body, make},
    routes, spelled, text,
};
use crate::{
    people::{Home, OURS, PASSWORD, Person, cookie},
    stage::PATIENCE,
};

async fn ask(api: &Running, route: &Route, id: &str, who: &str) -> Exact {
    let ask = api.request(route.method.clone(), &route.about(id)).body(body(route));
    let answer = ask.header("cookie", who).header("origin", OURS).open().await;
    let (parts, body) = answer.into_parts();
    let body = tokio::time::timeout(PATIENCE, body.collect()).await.unwrap().unwrap().to_bytes();
    Exact { status: parts.status, headers: spelled(&parts.headers), body: text(&body) }
}

/// An owner of another account, who has the same address as one of this.
async fn stranger(home: &Home, email: &str) -> String {
    let other = home.world.tenant().await;
    let token = home.invite(&other, email, Role::Owner).await;
    assert_eq!(home.join(&token, PASSWORD).await.status, StatusCode::CREATED);
    let account = other.account.to_string();
    let shown = json!({ "email": email, "password": PASSWORD, "account": account });
    cookie(&home.log_in_with(&shown).await)
}

async fn of_owners(home: &Home, route: &Route, owner: &Person) -> String {
    if route.path.starts_with("/v1/sessions") {
        let listed = home.get(owner, "/v1/sessions").await;
        return listed.body["sessions"][0]["id"].as_str().unwrap().to_owned();
    }
    make(&home.world, &home.api, &home.tenant, route).await
}

#[tokio::test]
async fn a_members_cookie_opens_nothing_of_another_account_on_any_route() {
    let home = Home::new().await;
    let owner = home.person("owner@example.com", Role::Owner).await;
    let stranger = stranger(&home, &owner.email).await;
    let (mut wrong, mut looked) = (Vec::new(), 0);
    let mut routes = routes(&home.api).await;
    routes.retain(Route::has_id);
    // The owner's own session ends last.
    routes.sort_by_key(|route| route.path.starts_with("/v1/sessions"));
    for route in &routes {
        let what = format!("{} {}", route.method, route.path);
        let id = of_owners(&home, route, &owner).await;
        let never = Uuid::new_v4().to_string();
        let theirs = ask(&home.api, route, &id, &stranger).await;
        let nothing = ask(&home.api, route, &never, &stranger).await;
        if theirs.status != StatusCode::NOT_FOUND || theirs.about(&id, &never) != nothing {
            wrong.push(format!("{what}: {} {}", nothing.status, nothing.body));
        }
        let own = ask(&home.api, route, &id, &owner.cookie).await;
        let closed = [StatusCode::UNAUTHORIZED, StatusCode::NOT_FOUND].contains(&own.status);
        if closed && !super::fixtures::owner_misses(route) {
            wrong.push(format!("{what} by the owner: {} {}", own.status, own.body));
        }
        looked += 1;
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(looked > 20, "only {looked} routes were looked at");
}
