//! `darkroom destination`: where an account's results go, and whether that bucket is write-only.

mod show;

use std::{
    io::{IsTerminal as _, Read as _, Write as _, stderr, stdin, stdout},
    path::PathBuf,
};

use clap::{Args, Subcommand};
use http::Method;
use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
use serde_json::{Map, Value, json};
use service::{Failure, OrTry};
use zeroize::Zeroizing;

use crate::{client::Client, connection::Where, exit::Exit};

/// Where the API has it.
const PATH: &str = "/v1/destination";
/// The longest secret that is read, in bytes.
const MAX_SECRET_BYTES: u64 = 4 << 10;

/// Send results to a bucket of your own, and prove that it can only be written to
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  darkroom destination set --bucket results --region eu-west-1 --access-key AKIA... < secret.txt
  darkroom destination set --bucket results --endpoint https://s3.example.com --access-key K --secret-file secret.txt
  darkroom destination policy       the policy to give to those credentials
  darkroom destination prove        try what they may do, now
  darkroom destination demand on    refuse jobs unless it is proven write-only

The secret key is read from a prompt, from standard input or from a file, never from the command line.")]
pub(crate) struct Arguments {
    #[command(flatten)]
    place: Where,
    /// Show what the API answers instead of a summary
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Send results to a bucket from now on, and try its credentials
    Set(Box<Set>),
    /// Where results go, and what was found out about that bucket's credentials
    Show,
    /// Try what the credentials may do; ends with 1 unless they can do nothing but store
    Prove,
    /// The smallest policy that the credentials need, in IAM's language
    Policy,
    /// Refuse jobs unless the destination is proven write-only, or do not
    Demand {
        /// Which
        #[arg(value_name = "on|off", value_parser = ["on", "off"])]
        demanded: String,
    },
    /// Send results to development storage from now on; what lies in the bucket stays there
    Clear,
}

#[derive(Debug, Args)]
struct Set {
    /// The bucket
    #[arg(long, value_name = "NAME")]
    bucket: String,
    /// Region to sign for
    #[arg(long, value_name = "REGION")]
    region: Option<String>,
    /// Base URL of an S3 service other than AWS
    #[arg(long, value_name = "URL")]
    endpoint: Option<String>,
    /// Put before every key
    #[arg(long, value_name = "PREFIX")]
    prefix: Option<String>,
    /// Whether the bucket stands in the path [default: true beside --endpoint]
    #[arg(long, value_name = "true|false")]
    path_style: Option<bool>,
    /// Id of the access key
    #[arg(long, value_name = "ID", required_unless_present = "role")]
    access_key: Option<String>,
    /// Read the secret key from this file; `-` is standard input
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,
    /// Take on this role instead of using keys; it has to trust Darkroom for the external id that is the account's id
    #[arg(long, value_name = "ARN", conflicts_with_all = ["access_key", "secret_file"])]
    role: Option<String>,
    /// Ask the bucket's server to encrypt: sse-s3, sse-kms (with --kms-key) or sse-c (with --customer-key-file)
    #[arg(long, value_name = "KIND", value_parser = ["none", "sse-s3", "sse-kms", "sse-c"], default_value = "none")]
    encryption: String,
    /// Id or ARN of the key of your key service
    #[arg(long, value_name = "KEY", required_if_eq("encryption", "sse-kms"))]
    kms_key: Option<String>,
    /// Read your own encryption key, 32 bytes in base64, from this file
    #[arg(long, value_name = "FILE", required_if_eq("encryption", "sse-c"))]
    customer_key_file: Option<PathBuf>,
    /// The AWS account that must own the bucket
    #[arg(long, value_name = "12 DIGITS")]
    bucket_owner: Option<String>,
    /// A header of every object
    #[arg(long, value_name = "NAME=VALUE", value_parser = header)]
    header: Vec<(String, String)>,
}

#[derive(Debug, thiserror::Error)]
enum DestinationError {
    #[error("read {}", path.display())]
    File {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("read the secret key")]
    Secret(#[source] std::io::Error),
    #[error("no secret key was given")]
    NoSecret,
}

/// Runs the command.
pub(crate) async fn run(arguments: Arguments) -> Result<Exit, Failure> {
    let client = Client::new(&arguments.place.connection()?)?;
    let ask = |method, path, body| ask(&client, method, path, body);
    let answer = match &arguments.verb {
        Verb::Set(set) => {
            ask(Method::PUT, PATH, Some(wish(set)?)).await?;
            // Its answer is under way already; this waits for it.
            ask(Method::POST, "/v1/destination/proof", None).await?
        }
        Verb::Show | Verb::Policy => ask(Method::GET, PATH, None).await?,
        Verb::Prove => ask(Method::POST, "/v1/destination/proof", None).await?,
        Verb::Demand { demanded } => {
            let body = json!({ "demand_write_only": demanded == "on" });
            ask(Method::PATCH, PATH, Some(body)).await?
        }
        Verb::Clear => ask(Method::DELETE, PATH, None).await?,
    };
    if arguments.json || matches!(arguments.verb, Verb::Policy) {
        let shown = match arguments.verb {
            Verb::Policy => answer.get("policy").unwrap_or(&Value::Null),
            _ => &answer,
        };
        writeln!(stdout(), "{shown:#}")?;
    } else {
        write!(stdout(), "{}", show::summary(&answer))?;
    }
    let proven = show::text(&answer, "/write_only/standing") == "write_only";
    let wanted = matches!(arguments.verb, Verb::Prove);
    Ok(if wanted && !proven { Exit::Amiss } else { Exit::Well })
}

async fn ask(
    client: &Client,
    method: Method,
    path: &str,
    body: Option<Value>,
) -> Result<Value, Failure> {
    Ok(client.json(method, path, body.as_ref()).await?)
}

fn wish(set: &Set) -> Result<Value, Failure> {
    let secret = match &set.role {
        Some(_) => None,
        None => Some(secret(set)?),
    };
    let headers: Map<String, Value> =
        set.header.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
    let key = set.customer_key_file.as_ref().map(file).transpose()?;
    let encryption = json!({
        "kind": set.encryption.replace('-', "_"),
        "key_id": set.kms_key,
        "key": key.as_ref().map(|key| key.trim()),
    });
    Ok(json!({
        "bucket": set.bucket,
        "region": set.region,
        "endpoint": set.endpoint,
        "prefix": set.prefix,
        "path_style": set.path_style,
        "access_key": set.access_key,
        "secret_key": secret.as_ref().map(|secret| secret.as_str()),
        "role": set.role,
        "encryption": encryption,
        "bucket_owner": set.bucket_owner,
        "headers": headers,
    }))
}

/// The secret key: from a file, from standard input, or typed unseen.
fn secret(set: &Set) -> Result<Zeroizing<String>, Failure> {
    let text = match &set.secret_file {
        Some(path) if path.as_os_str() != "-" => file(path)?,
        None if stdin().is_terminal() => typed().map_err(DestinationError::Secret)?,
        _ => read(stdin().lock()).map_err(DestinationError::Secret)?,
    };
    let text = Zeroizing::new(text.trim().to_owned());
    if text.is_empty() {
        return Err(DestinationError::NoSecret)
            .or_try("write it to standard input, or name a file with --secret-file");
    }
    Ok(text)
}

fn file(path: &PathBuf) -> Result<Zeroizing<String>, Failure> {
    let failed = |source| DestinationError::File { path: path.clone(), source };
    Ok(std::fs::File::open(path).and_then(read).map_err(failed)?)
}

fn read(from: impl std::io::Read) -> std::io::Result<Zeroizing<String>> {
    let mut text = Zeroizing::new(String::new());
    from.take(MAX_SECRET_BYTES).read_to_string(&mut text)?;
    Ok(text)
}

/// Asks at the terminal, without an echo.
fn typed() -> std::io::Result<Zeroizing<String>> {
    write!(stderr(), "Secret key: ")?;
    stderr().flush()?;
    let terminal = stdin();
    let before = tcgetattr(&terminal)?;
    let mut silent = before.clone();
    silent.local_modes.remove(LocalModes::ECHO);
    tcsetattr(&terminal, OptionalActions::Flush, &silent)?;
    let mut line = Zeroizing::new(String::new());
    let read = terminal.read_line(&mut line);
    tcsetattr(&terminal, OptionalActions::Flush, &before)?;
    writeln!(stderr())?;
    read.map(|_| line)
}

/// `name=value`.
fn header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write NAME=VALUE")?;
    Ok((name.trim().to_owned(), value.to_owned()))
}
