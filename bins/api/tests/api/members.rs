//! Who belongs to an account: invited, joined, made something else, reset, removed.

use domain::{
    account::{Application, Terms},
    id::ApplicationId,
    member::Event,
    scope::{Role, Scope},
};
use futures::future::join_all;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::{
    people::{Home, PASSWORD, Person, code, cookie, quick, secret, shaped},
    stage::{Answer, Tenant, World},
};

async fn invite(home: &Home, by: &Person, email: &str, role: &str) -> Answer {
    home.send(by, Method::POST, "/v1/members", &json!({ "email": email, "role": role })).await
}

fn path(person: &Person) -> String {
    format!("/v1/members/{}", person.id.member)
}

#[tokio::test]
async fn an_invitation_lets_one_person_join_once_in_time() {
    let home = Home::with(World::real().await, quick()).await;
    let owner = home.person("owner@example.com", Role::Owner).await;
    let first = invite(&home, &owner, " Bob@Example.com ", "admin").await;
    assert_eq!(first.status, StatusCode::CREATED, "{}", first.body);
    assert_eq!(first.body["member"]["status"], "invited");
    assert_eq!(first.body["member"]["email"], "Bob@Example.com");
    // Inviting again makes the first token useless.
    let second = invite(&home, &owner, "bob@example.com", "member").await;
    assert_eq!(second.body["member"]["id"], first.body["member"]["id"]);
    let token = |answer: &Answer| answer.body["invitation"]["token"].as_str().unwrap().to_owned();
    let stale = home.join(&token(&first), PASSWORD).await;
    assert_eq!((stale.status, &stale.body["param"]), (StatusCode::BAD_REQUEST, &json!("token")));
    for odd in ["", "x", &token(&second)[1..], "AAAA"] {
        assert_eq!(home.join(odd, PASSWORD).await.status, StatusCode::BAD_REQUEST, "{odd}");
    }
    let joined = home.join(&token(&second), PASSWORD).await;
    assert_eq!(joined.status, StatusCode::CREATED, "{}", joined.body);
    assert_eq!(joined.body["member"]["role"], "member");
    assert_eq!(home.join(&token(&second), PASSWORD).await.status, StatusCode::BAD_REQUEST);
    assert_eq!(code(&invite(&home, &owner, "BOB@example.com", "member").await), "member_exists");

    let late = invite(&home, &owner, "late@example.com", "member").await;
    home.pass(72 * 60);
    assert_eq!(home.join(&token(&late), PASSWORD).await.status, StatusCode::BAD_REQUEST);
    cookie(&home.log_in("bob@example.com", PASSWORD).await);
}

#[tokio::test]
async fn a_password_is_long_enough_uncommon_and_says_nothing_known() {
    let home = Home::new().await;
    let token = home.invite(&home.tenant, "alice.liddell@example.com", Role::Member).await;
    for (password, why) in [
        ("seven77", "at least 8"),
        (&"x".repeat(257), "at most 256"),
        ("Password1", "many people"),
        ("alice.liddell@example.com", "made of"),
        ("Darkroom123", "made of"),
        ("a tenant", "made of"),
    ] {
        let refused = home.join(&token, password).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{password}");
        assert_eq!(refused.body["param"], "password");
        let detail = refused.body["detail"].as_str().unwrap();
        assert!(detail.contains(why), "{password}: {detail}");
        assert!(!detail.contains(password), "{detail}");
    }
    // Any characters at all, as they are.
    let odd = "  \u{0}🂡 ünïcødé  ";
    assert_eq!(home.join(&token, odd).await.status, StatusCode::CREATED);
    cookie(&home.log_in("alice.liddell@example.com", odd).await);
    let trimmed = home.log_in("alice.liddell@example.com", odd.trim()).await;
    assert_eq!(trimmed.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn each_role_may_do_to_each_role_what_the_table_says() {
    let home = Home::new().await;
    let mut people = Vec::new();
    for role in Role::ALL {
        people.push((role, home.person(&format!("{}@example.com", role.name()), role).await));
    }
    for (role, by) in &people {
        for target in Role::ALL {
            let email = format!("{}-by-{}@example.com", target.name(), role.name());
            let may = match role {
                Role::Owner => true,
                Role::Admin => target != Role::Owner,
                Role::Member | Role::Auditor => false,
            };
            let invited = invite(&home, by, &email, target.name()).await;
            assert_eq!(invited.status == StatusCode::CREATED, may, "{email}: {}", invited.body);
            let other = home.person(&format!("x-{email}"), target).await;
            let reset = format!("{}/reset", path(&other));
            let reset = home.send(by, Method::POST, &reset, &json!({})).await;
            assert_eq!(reset.status == StatusCode::CREATED, may, "reset {email}");
            let change = async |role: &str| {
                let body = json!({ "role": role });
                home.send(by, Method::PATCH, &path(&other), &body).await.status == StatusCode::OK
            };
            assert_eq!(change("owner").await, *role == Role::Owner, "promote {email}");
            assert_eq!(change("auditor").await, may, "change {email}");
            let owner = home.person(&format!("y-{email}"), target).await;
            let removed = home.by(by, Method::DELETE, &path(&owner)).send().await;
            assert_eq!(removed.status == StatusCode::OK, may, "remove {email}: {}", removed.body);
            if !may {
                assert_eq!(removed.status, StatusCode::FORBIDDEN);
                let there = home.get(&people[0].1, &path(&owner)).await;
                assert_eq!(there.body["role"], target.name(), "nothing was done");
            }
        }
    }
    // A key pair is no owner.
    let by_key = |body: Value| {
        home.api.request(Method::POST, "/v1/members").by(&home.tenant).body(body.to_string()).send()
    };
    let owner = by_key(json!({ "email": "k@example.com", "role": "owner" })).await;
    assert_eq!((owner.status, code(&owner)), (StatusCode::FORBIDDEN, "owners_only"));
    let admin = by_key(json!({ "email": "k@example.com", "role": "admin" })).await;
    assert_eq!(admin.status, StatusCode::CREATED);
}

#[tokio::test]
async fn a_key_gives_nobody_more_than_it_has() {
    let home = Home::new().await;
    let admin = home.person("admin@example.com", Role::Admin).await;
    let (key, secret) = ("dk_of_people", "of people");
    let scopes = Some([Scope::MembersWrite, Scope::AccountRead, Scope::JobsRead].into());
    let application = Application {
        application: ApplicationId::from_uuid(uuid::Uuid::from_u128(7)),
        key: key.to_owned(),
        secret_digest: home.world.custody.secret_digest(secret),
        terms: Terms { scopes, ..Terms::default() },
    };
    home.world.add(home.tenant.account, application).await;
    let of_people =
        Tenant { key: key.to_owned(), secret: secret.to_owned(), ..home.tenant.clone() };
    for role in Role::ALL {
        let body = json!({ "email": "k@example.com", "role": role.name() }).to_string();
        let invited =
            home.api.request(Method::POST, "/v1/members").by(&of_people).body(body).send();
        assert_eq!(invited.await.status, StatusCode::FORBIDDEN, "{role:?}");
    }
    let reset = format!("{}/reset", path(&admin));
    let reset = home.api.request(Method::POST, &reset).by(&of_people).body("{}").send().await;
    assert_eq!((reset.status, code(&reset)), (StatusCode::FORBIDDEN, "scope_missing"));
    let removed = home.api.request(Method::DELETE, &path(&admin)).by(&of_people).send().await;
    assert_eq!(removed.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn an_account_keeps_an_owner() {
    let home = Home::new().await;
    let owner = home.person("owner@example.com", Role::Owner).await;
    // Somebody who was only invited cannot look after it.
    invite(&home, &owner, "invited@example.com", "owner").await;
    let demote = json!({ "role": "admin" });
    let last = home.send(&owner, Method::PATCH, &path(&owner), &demote).await;
    assert_eq!((last.status, code(&last)), (StatusCode::CONFLICT, "last_owner"));
    let last = home.by(&owner, Method::DELETE, &path(&owner)).send().await;
    assert_eq!(code(&last), "last_owner");
    let second = home.person("second@example.com", Role::Owner).await;
    let left = home.by(&owner, Method::DELETE, &path(&owner)).send().await;
    assert_eq!(left.status, StatusCode::OK, "{}", left.body);
    assert_eq!(code(&home.get(&owner, "/v1/me").await), "session_ended");
    let last = home.send(&second, Method::PATCH, &path(&second), &demote).await;
    assert_eq!(code(&last), "last_owner");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn owners_who_unmake_each_other_at_once_leave_one() {
    let home = Home::with(World::real().await, quick()).await;
    let watcher = home.person("watcher@example.com", Role::Auditor).await;
    for round in 0..8 {
        let one = home.person(&format!("one{round}@example.com"), Role::Owner).await;
        let two = home.person(&format!("two{round}@example.com"), Role::Owner).await;
        let demote = json!({ "role": "auditor" });
        let before = home.get(&watcher, "/v1/members").await;
        for other in owners(&before.body) {
            let kept = [one.id.member.to_string(), two.id.member.to_string()];
            if !kept.contains(&other) {
                let path = format!("/v1/members/{other}");
                home.send(&one, Method::PATCH, &path, &demote).await;
            }
        }
        let (one_path, two_path) = (path(&two), path(&one));
        join_all([
            home.send(&one, Method::PATCH, &one_path, &demote),
            home.send(&two, Method::PATCH, &two_path, &demote),
        ])
        .await;
        let after = home.get(&watcher, "/v1/members").await;
        assert!(!owners(&after.body).is_empty(), "round {round}: {}", after.body);
    }
}

fn owners(list: &Value) -> Vec<String> {
    let members = list["members"].as_array().unwrap().iter();
    let owners = members.filter(|member| member["role"] == "owner");
    owners.map(|member| member["id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn whoever_is_removed_is_out_at_once_and_may_be_invited_anew() {
    let home = Home::new().await;
    let owner = home.person("owner@example.com", Role::Owner).await;
    let bob = home.person("bob@example.com", Role::Admin).await;
    assert_eq!(home.by(&owner, Method::DELETE, &path(&bob)).send().await.status, StatusCode::OK);
    assert_eq!(code(&home.get(&bob, "/v1/me").await), "session_ended");
    assert_eq!(home.log_in(&bob.email, PASSWORD).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(home.get(&owner, &path(&bob)).await.status, StatusCode::NOT_FOUND);
    assert_eq!(home.get(&owner, "/v1/members").await.body["members"].as_array().unwrap().len(), 1);
    let again = invite(&home, &owner, &bob.email, "member").await;
    let token = again.body["invitation"]["token"].as_str().unwrap();
    assert_eq!(home.join(token, "another good password").await.status, StatusCode::CREATED);
    home.pass(60);
    cookie(&home.log_in(&bob.email, "another good password").await);
    let history = home.history(bob.id).await;
    assert!(history.contains(&Event::Removed { by: Some(owner.id.member) }));
}

#[tokio::test]
async fn a_role_holds_from_the_next_request_on_in_a_session_that_is_new() {
    let home = Home::new().await;
    let owner = home.person("owner@example.com", Role::Owner).await;
    let mut bob = home.person("bob@example.com", Role::Member).await;
    assert_eq!(code(&invite(&home, &bob, "c@example.com", "member").await), "scope_missing");
    for role in ["admin", "auditor"] {
        home.send(&owner, Method::PATCH, &path(&bob), &json!({ "role": role })).await;
        assert_eq!(code(&invite(&home, &bob, "c@example.com", "member").await), "session_ended");
        bob.cookie = cookie(&home.log_in(&bob.email, PASSWORD).await);
        let invited = invite(&home, &bob, "c@example.com", "member").await;
        assert_eq!(invited.status == StatusCode::CREATED, role == "admin", "{}", invited.body);
        let refused = invited.body["code"] == "scope_missing";
        assert_eq!(refused, role == "auditor", "{}", invited.body);
    }
    let odd = home.send(&owner, Method::PATCH, &path(&bob), &json!({ "role": "king" })).await;
    assert_eq!(odd.body["param"], "role");
}

#[tokio::test]
async fn a_reset_sets_a_password_once_in_time_and_ends_sessions() {
    let home = Home::new().await;
    let owner = home.person("owner@example.com", Role::Owner).await;
    let bob = home.person("bob@example.com", Role::Member).await;
    let offer = async || {
        let path = format!("{}/reset", path(&bob));
        let made = home.send(&owner, Method::POST, &path, &json!({})).await;
        assert_eq!(made.status, StatusCode::CREATED, "{}", made.body);
        made.body["reset"]["token"].as_str().unwrap().to_owned()
    };
    let reset = async |token: &str, password: &str| {
        let body = json!({ "token": token, "password": password }).to_string();
        home.api.request(Method::POST, "/v1/password-resets").body(body).send().await
    };
    let (first, second) = (offer().await, offer().await);
    assert_eq!(reset(&first, "a whole new password").await.body["param"], "token");
    // An offer changes nothing by itself.
    assert_eq!(home.get(&bob, "/v1/me").await.status, StatusCode::OK);
    assert_eq!(reset(&second, "password").await.body["param"], "password");
    let done = reset(&second, "a whole new password").await;
    assert_eq!(done.status, StatusCode::OK, "{}", done.body);
    assert_eq!(reset(&second, "yet another password").await.body["param"], "token");
    assert_eq!(code(&home.get(&bob, "/v1/me").await), "session_ended");
    cookie(&home.log_in(&bob.email, "a whole new password").await);
    let late = offer().await;
    home.pass(30);
    assert_eq!(reset(&late, "yet another password").await.body["param"], "token");
}

#[tokio::test]
async fn a_reset_ends_the_delay_of_failed_log_ins() {
    let home = Home::new().await;
    let owner = home.person("owner@example.com", Role::Owner).await;
    let bob = home.person("bob@example.com", Role::Member).await;
    for _ in 0..3 {
        home.log_in(&bob.email, "wrong wrong wrong").await;
    }
    assert_eq!(home.log_in(&bob.email, PASSWORD).await.status, StatusCode::TOO_MANY_REQUESTS);
    let made = home.send(&owner, Method::POST, &format!("{}/reset", path(&bob)), &json!({})).await;
    let body = json!({ "token": made.body["reset"]["token"], "password": "a whole new password" });
    home.api.request(Method::POST, "/v1/password-resets").body(body.to_string()).send().await;
    cookie(&home.log_in(&bob.email, "a whole new password").await);
}

#[tokio::test]
async fn members_of_one_account_do_not_see_those_of_another() {
    let home = Home::new().await;
    let owner = home.person("owner@example.com", Role::Owner).await;
    let other = home.world.tenant().await;
    let token = home.invite(&other, "theirs@example.com", Role::Owner).await;
    let theirs = home.join(&token, PASSWORD).await;
    let theirs = format!("/v1/members/{}", theirs.body["member"]["id"].as_str().unwrap());
    let never = "/v1/members/0190a5c4-9d2e-7c3b-8f1a-2b6d5e4f3a21";
    for (method, body) in [
        (Method::GET, json!(null)),
        (Method::PATCH, json!({ "role": "member" })),
        (Method::DELETE, json!(null)),
    ] {
        for path in [theirs.as_str(), never] {
            let answer = home.send(&owner, method.clone(), path, &body).await;
            assert_eq!(answer.status, StatusCode::NOT_FOUND, "{method} {path}");
        }
    }
    let reset = home.send(&owner, Method::POST, &format!("{theirs}/reset"), &json!({})).await;
    assert_eq!(reset.status, StatusCode::NOT_FOUND);
    assert_eq!(home.get(&owner, "/v1/members").await.body["members"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn what_is_no_address_is_refused_in_words() {
    let home = Home::new().await;
    let owner = home.person("owner@example.com", Role::Owner).await;
    for odd in
        ["bob", "bob@", "@example.com", "bob@example", "b ob@example.com", "bob@exa\nmple.com"]
    {
        let refused = invite(&home, &owner, odd, "member").await;
        assert_eq!(refused.body["param"], "email", "{odd}: {}", refused.body);
    }
    let missing =
        home.send(&owner, Method::POST, "/v1/members", &json!({ "role": "member" })).await;
    assert_eq!(code(&missing), "field_missing");
    let odd = json!({ "email": "b@example.com", "role": "member", "colour": 1 });
    let odd = home.send(&owner, Method::POST, "/v1/members", &odd).await;
    assert_eq!(code(&odd), "malformed_request");
}

#[tokio::test]
async fn what_is_answered_about_members_has_the_shape_that_the_document_promises() {
    let home = Home::new().await;
    let owner = home.person("owner@example.com", Role::Owner).await;
    let document = home.api.get("/openapi.json").send().await.body;
    let check = async |verb: Method, template: &str, id: &str, body: Value| {
        let answer = home.send(&owner, verb.clone(), &template.replace("{id}", id), &body).await;
        assert!(answer.status.is_success(), "{verb} {template}: {}", answer.body);
        shaped(&document, &verb.as_str().to_lowercase(), template, &answer);
        answer.body
    };
    let (get, post) = (Method::GET, Method::POST);
    let invitation = json!({ "email": "bob@example.com", "role": "member" });
    let invited = check(post.clone(), "/v1/members", "", invitation).await;
    let id = invited["member"]["id"].as_str().unwrap();
    let token = &invited["invitation"]["token"];
    check(post.clone(), "/v1/joins", "", json!({ "token": token, "password": PASSWORD })).await;
    check(get.clone(), "/v1/members", "", json!(null)).await;
    check(get.clone(), "/v1/members/{id}", id, json!(null)).await;
    check(Method::PATCH, "/v1/members/{id}", id, json!({ "role": "admin" })).await;
    let offered = check(post.clone(), "/v1/members/{id}/reset", id, json!({})).await;
    let reset = json!({ "token": offered["reset"]["token"], "password": "a whole new password" });
    check(post.clone(), "/v1/password-resets", "", reset).await;
    check(Method::DELETE, "/v1/members/{id}", id, json!(null)).await;
    let shown = json!({ "email": owner.email, "password": PASSWORD });
    let begun = check(post.clone(), "/v1/sessions", "", shown).await;
    check(get.clone(), "/v1/sessions", "", json!(null)).await;
    let session = begun["session"].as_str().unwrap();
    check(Method::DELETE, "/v1/sessions/{id}", session, json!(null)).await;
    check(get, "/v1/me", "", json!(null)).await;
    let password = json!({ "password": PASSWORD });
    let made = check(post.clone(), "/v1/me/totp", "", password.clone()).await;
    let secret = secret(made["enrolment"].as_str().unwrap());
    let code = passwords::totp::code(
        &secret,
        passwords::totp::step(u64::try_from(home.now().as_second()).unwrap()),
    );
    let confirmed = json!({ "enrolment": made["enrolment"], "code": code });
    check(Method::PUT, "/v1/me/totp", "", confirmed).await;
    check(post, "/v1/me/totp/off", "", password).await;
    let new = json!({ "current": PASSWORD, "password": "a whole new password" });
    check(Method::PUT, "/v1/me/password", "", new).await;
}
