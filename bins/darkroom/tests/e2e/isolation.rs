//! Two accounts beside each other: neither links, nor webhooks, nor commands lead from one to the other.

mod commands;
mod links;
mod webhooks;

use std::{path::PathBuf, process::Command};

use serde_json::{Value, json};
use tempfile::TempDir;
use testkit::{
    Answer, Caller, Finish as _, Source, SourceServer, WebhookReceiver, eventually, pictures,
};
use uuid::Uuid;

use crate::{
    endpoints,
    jobs::{self, PATIENCE},
    premises::{self, Said},
    up::{Up, bare},
};

/// Somebody with a key of their own.
struct Tenant {
    caller: Caller,
    account: String,
    application: String,
    key: String,
    secret: String,
}

/// A Darkroom with two accounts, and where their sources come from and their webhooks go.
struct Two {
    up: Up,
    sources: SourceServer,
    hooks: WebhookReceiver,
    owner: Tenant,
    stranger: Tenant,
    folder: TempDir,
}

impl Tenant {
    async fn of(up: &Up, account: &str, key: &str, secret: &str) -> Self {
        let caller = Caller::new(&up.env["DARKROOM_URL"], key, secret);
        eventually("the key is known", PATIENCE, || async {
            caller.is_ok("/v1/applications").await
        })
        .await;
        let listed = caller.get("/v1/applications").await.json();
        let application = text(&listed["applications"][0], "id");
        let text = ToOwned::to_owned;
        Self { caller, account: text(account), application, key: text(key), secret: text(secret) }
    }

    /// Every path of the API, asked as the one who has nothing there.
    async fn ask(&self, method: &str, path: &str, body: &Value) -> Answer {
        let json = [("content-type", "application/json")];
        self.caller.ask(method, path, &json, body.to_string()).await
    }
}

impl Two {
    async fn start() -> Self {
        let (up, sources, hooks) = premises::open().await;
        let env = |name: &str| up.env[name].clone();
        let owner = Tenant::of(
            &up,
            &env("DARKROOM_ACCOUNT"),
            &env("DARKROOM_KEY"),
            &env("DARKROOM_SECRET"),
        )
        .await;
        let data = up.data();
        let create = ["account", "create", "--label", "Stranger", "--json", "--data"];
        let mut create = Said::from(up.command().args(create).arg(&data).finish());
        assert!(create.well, "{}", create.err);
        let made: Value = serde_json::from_str(&std::mem::take(&mut create.out)).unwrap();
        let stranger =
            Tenant::of(&up, &text(&made, "account"), &text(&made, "key"), &text(&made, "secret"))
                .await;
        Self { up, sources, hooks, owner, stranger, folder: tempfile::tempdir().unwrap() }
    }

    /// A job of somebody's, done.
    async fn job(&self, of: &Tenant, name: &str, callback: Option<&str>) -> String {
        let picture = Source::bytes(pictures::png(64, 48, [200, 60, 20]));
        let url = self.sources.put(&format!("/{name}.png"), picture);
        let mut wish = json!({ "url": url, "sizes": ["40x40"] });
        if let Some(path) = callback {
            wish["callback_url"] = self.hooks.url(path).into();
        }
        let id = jobs::wish(&of.caller, &wish).await;
        assert_eq!(jobs::ended(&of.caller, &id).await["status"], "success");
        id
    }

    /// `darkroom` as somebody runs it who has a key and nothing else.
    fn command(&self, by: &Tenant, arguments: &[&str]) -> Said {
        let mut command: Command = bare(self.folder.path());
        command
            .args(arguments)
            .env("DARKROOM_URL", &self.up.env["DARKROOM_URL"])
            .env("DARKROOM_KEY", &by.key)
            .env("DARKROOM_SECRET", &by.secret);
        tokio::task::block_in_place(|| command.finish()).into()
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

impl Said {
    /// The same, had it been about another.
    fn about(&self, id: &str, other: &str) -> Self {
        let told = |text: &str| text.replace(id, other);
        Self { well: self.well, out: told(&self.out), err: told(&self.err) }
    }
}

fn text(value: &Value, name: &str) -> String {
    endpoints::text(value, name).to_owned()
}

/// An id that nothing has.
fn never() -> String {
    Uuid::new_v4().to_string()
}
