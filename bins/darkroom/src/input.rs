//! `darkroom input`: buckets that sources may be read from, as `s3://bucket/key`.

use std::io::{Write as _, stderr, stdin, stdout};

use clap::{Args, Subcommand};
use http::Method;
use serde_json::{Value, json};
use service::{Failure, OrTry};

use crate::{client::Client, connection::Where};

/// Let jobs read sources from buckets of yours, named s3://bucket/key
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  darkroom input set films --region eu-west-1 --prefix originals/ --access-key AKIA...
  darkroom input list
  darkroom preview s3://films/originals/a.mov
  darkroom input remove 5f0c...

The secret key is read from standard input, one line. It needs s3:GetObject below the prefix and
nothing else, is sealed at once, and is never shown again.")]
pub(crate) struct Arguments {
    #[command(subcommand)]
    verb: Verb,
    #[command(flatten)]
    place: Where,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Set one; the same bucket and prefix again replaces its credentials
    Set(Set),
    /// Show them, without their credentials
    List,
    /// Read from one no more
    Remove {
        /// Its id, as `list` shows it
        id: String,
    },
}

#[derive(Debug, Args)]
struct Set {
    /// The bucket
    bucket: String,
    /// Where it is
    #[arg(long, default_value = "us-east-1")]
    region: String,
    /// Base URL of its server [default: AWS]
    #[arg(long, value_name = "URL")]
    endpoint: Option<String>,
    /// Only keys that begin with this folder
    #[arg(long, default_value = "")]
    prefix: String,
    /// The bucket stands in the path of URLs, not in the host name
    #[arg(long)]
    path_style: bool,
    /// The AWS account that must own the bucket
    #[arg(long, value_name = "ACCOUNT")]
    bucket_owner: Option<String>,
    /// Id of the access key
    #[arg(long, value_name = "ID")]
    access_key: String,
}

/// Runs the command.
pub(crate) async fn run(arguments: Arguments) -> Result<(), Failure> {
    let client = Client::new(&arguments.place.connection()?)?;
    let answer = match arguments.verb {
        Verb::Set(set) => {
            let mut secret = String::new();
            stdin().read_line(&mut secret).or_try("the secret key on standard input")?;
            client.json(Method::PUT, "/v1/inputs", Some(&set.wish(secret.trim()))).await?
        }
        Verb::List => client.json(Method::GET, "/v1/inputs", None).await?,
        Verb::Remove { id } => {
            let id: String =
                id.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').collect();
            client.json(Method::DELETE, &format!("/v1/inputs/{id}"), None).await?
        }
    };
    let mut out = stdout().lock();
    match answer.get("inputs").and_then(Value::as_array) {
        None => writeln!(out, "{}", line(&answer))?,
        Some(inputs) => {
            if inputs.is_empty() {
                writeln!(stderr(), "No bucket yet. Name one: darkroom input set --help")?;
            }
            for input in inputs {
                writeln!(out, "{}", line(input))?;
            }
        }
    }
    Ok(())
}

impl Set {
    fn wish(&self, secret_key: &str) -> Value {
        json!({
            "bucket": self.bucket, "region": self.region, "endpoint": self.endpoint,
            "prefix": self.prefix, "path_style": self.path_style,
            "bucket_owner": self.bucket_owner, "access_key": self.access_key,
            "secret_key": secret_key,
        })
    }
}

/// An input in one line.
fn line(input: &Value) -> String {
    let text = |field: &str| input.get(field).and_then(Value::as_str).unwrap_or_default();
    if input.get("removed").is_some() {
        return format!("{}  removed", text("id"));
    }
    let at = match text("endpoint") {
        "" => text("region").to_owned(),
        endpoint => endpoint.to_owned(),
    };
    let place = format!("{}  s3://{}/{}  {at}", text("id"), text("bucket"), text("prefix"));
    match text("access_key_hint") {
        "" => place,
        hint => format!("{place}  key ...{hint}"),
    }
}
