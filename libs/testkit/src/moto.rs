//! An S3 server by others that holds its users to their policies: moto, in a process of its own.

use std::{
    process::{Child, Command, Stdio},
    time::Duration,
};

use serde_json::Value;
use storage::{Credentials, Destination, Encryption, Network, Patience, Reader, Secret};

use crate::{Caller, eventually, free_port, servers::tools};

/// How long it may take to start.
const STARTS: Duration = Duration::from_secs(30);
/// The user who may do everything.
const OWNER: &str = "owner";

/// A server with one bucket, and users who may do what their policies say and nothing else.
pub struct Moto {
    port: u16,
    child: Child,
    owner: Credentials,
}

impl Moto {
    /// Its bucket.
    pub const BUCKET: &str = "results";

    /// Starts one on a free port.
    ///
    /// # Panics
    /// When it does not start: `./justw --need tests` installs it.
    pub async fn start() -> Self {
        let port = free_port();
        let child = Command::new(tools().join("venv-moto/bin/moto_server"))
            .args(["--host", "127.0.0.1", "--port", &port.to_string()])
            .env("INITIAL_NO_AUTH_ACTION_COUNT", "0")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let nobody = Credentials {
            access_key: String::new(),
            secret_key: Secret::default(),
            session_token: None,
            role: None,
        };
        let mut moto = Self { port, child, owner: nobody };
        let caller = moto.caller();
        eventually("moto answers", STARTS, || async { caller.is_ok("/moto-api/data.json").await })
            .await;
        let everything = serde_json::json!({
            "Version": "2012-10-17",
            "Statement": [{ "Effect": "Allow", "Action": "s3:*", "Resource": "*" }],
        });
        moto.owner = moto.user(OWNER, Some(&everything)).await;
        moto.unguarded("PUT", &format!("/{}", Self::BUCKET), "s3", "").await;
        moto
    }

    /// Its port.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Its endpoint.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Adds a user with this policy, if any, and gives their keys.
    ///
    /// # Panics
    /// When moto takes neither.
    pub async fn user(&self, name: &str, policy: Option<&Value>) -> Credentials {
        let act = |action: &str, more: &str| {
            format!("Version=2010-05-08&Action={action}&UserName={name}{more}")
        };
        self.unguarded("POST", "/", "iam", &act("CreateUser", "")).await;
        if let Some(policy) = policy {
            let more = format!("&PolicyName=own&PolicyDocument={}", encoded(&policy.to_string()));
            self.unguarded("POST", "/", "iam", &act("PutUserPolicy", &more)).await;
        }
        let made = self.unguarded("POST", "/", "iam", &act("CreateAccessKey", "")).await;
        Credentials {
            access_key: between(&made, "AccessKeyId"),
            secret_key: Secret::from(between(&made, "SecretAccessKey")),
            session_token: None,
            role: None,
        }
    }

    /// Adds a role that is trusted as `trust` says, with this policy, if any, and gives its ARN.
    ///
    /// # Panics
    /// When moto takes neither.
    pub async fn role(&self, name: &str, trust: &Value, policy: Option<&Value>) -> String {
        let act = |action: &str, more: &str| {
            format!("Version=2010-05-08&Action={action}&RoleName={name}{more}")
        };
        let trust = encoded(&trust.to_string());
        let made = act("CreateRole", &format!("&AssumeRolePolicyDocument={trust}"));
        let made = self.unguarded("POST", "/", "iam", &made).await;
        if let Some(policy) = policy {
            let more = format!("&PolicyName=own&PolicyDocument={}", encoded(&policy.to_string()));
            self.unguarded("POST", "/", "iam", &act("PutRolePolicy", &more)).await;
        }
        between(&made, "Arn")
    }

    /// Lets everybody do everything from now on: where users are held to policies, moto answers
    /// pre-signed links with an error of its own.
    ///
    /// # Panics
    /// When it does not answer.
    pub async fn let_everybody_in(&self) {
        let headers = [("content-type", "text/plain")];
        let answer = self.caller().ask("POST", "/moto-api/reset-auth", &headers, "inf").await;
        assert_eq!(answer.status, 200);
    }

    /// Reads its bucket as its owner.
    ///
    /// # Panics
    /// Never.
    pub async fn reader(&self) -> Reader {
        let destination = Destination {
            endpoint: Some(self.endpoint()),
            region: "us-east-1".to_owned(),
            bucket: Self::BUCKET.to_owned(),
            prefix: String::new(),
            path_style: true,
            credentials: self.owner.clone(),
            encryption: Encryption::None,
            bucket_owner: None,
        };
        Reader::open(destination, &Network::direct(Patience::default())).await.unwrap()
    }

    fn caller(&self) -> Caller {
        Caller::new(self.endpoint(), "", "")
    }

    /// Asks without being held to a policy, as long as nobody else asks meanwhile.
    async fn unguarded(&self, method: &str, path: &str, service: &str, body: &str) -> String {
        let caller = self.caller();
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential=setup/20260101/us-east-1/{service}/aws4_request, SignedHeaders=host, Signature=none"
        );
        let guard = |count: &'static str| {
            caller.ask("POST", "/moto-api/reset-auth", &[("content-type", "text/plain")], count)
        };
        assert_eq!(guard("inf").await.status, 200);
        let url = format!("{}{path}", self.endpoint());
        let form = "application/x-www-form-urlencoded";
        let headers = [("authorization", authorization.as_str()), ("content-type", form)];
        let answer = caller.ask(method, &url, &headers, body.to_owned()).await;
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        assert_eq!(answer.status, 200, "{text}");
        assert_eq!(guard("0").await.status, 200);
        text
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What stands between the tags of this name.
fn between(xml: &str, tag: &str) -> String {
    let (_, rest) = xml.split_once(&format!("<{tag}>")).unwrap();
    rest.split_once('<').unwrap().0.to_owned()
}

/// As it stands in a form.
fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}
