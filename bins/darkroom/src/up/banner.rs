//! What a person sees once everything runs.

use std::{
    io::{self, Write},
    path::Path,
};

use zeroize::Zeroizing;

use super::owner::EMAIL;

/// The lines about the console: a link that lets somebody in, once, or whom it lets in.
pub(crate) fn console(env: &[(&str, String)], token: Option<&str>) -> Zeroizing<String> {
    let url = value(env, "DARKROOM_URL");
    // What follows the # never leaves the browser but in the body of the one request that uses it.
    Zeroizing::new(match token {
        Some(token) => format!(
            "{url}/console/join#{token}\n              the link works once, and makes you {EMAIL}"
        ),
        None => format!(
            "{url}/console/\n              a new password: darkroom member reset {account} ADDRESS, and its token behind {url}/console/reset#",
            account = value(env, "DARKROOM_ACCOUNT")
        ),
    })
}

fn value<'a>(env: &'a [(&str, String)], name: &str) -> &'a str {
    let found = env.iter().find(|(known, _)| *known == name);
    found.map_or("", |(_, value)| value.as_str())
}

/// Says where everything is and what to try next, as commands that can be pasted. What the file says
/// is exported, so that commands find it wherever the data lie.
pub(crate) fn show(data: &Path, env: &[(&str, String)], console: &str) -> io::Result<()> {
    let value = |name| value(env, name);
    let file = data.join(super::demo_env::NAME);
    let file = file.display();
    let mut out = io::stdout().lock();
    writeln!(
        out,
        "
  Darkroom is ready

    console   {console}
    API       {url}
    key       {key}
    secret    in {file}
    bucket    {bucket} at {s3}
    event log {nats}

  Try, in another terminal:

    ./justw demo
    set -a; . {file}; set +a
    curl -u \"$DARKROOM_KEY:$DARKROOM_SECRET\" \"$DARKROOM_URL/v2/previews/\" \\
         -d '{{\"url\": \"https://example.com/photograph.jpg\", \"sizes\": [\"640x480\", 128]}}'
    target/debug/darkroom preview docs/sample.jpg --sizes 640x480,128
    target/debug/darkroom replay --since 1h
    target/debug/darkroom events --follow
    target/debug/darkroom audit verify

  Ctrl-C stops everything.
",
        url = value("DARKROOM_URL"),
        key = value("DARKROOM_KEY"),
        bucket = value("DARKROOM_S3_BUCKET"),
        s3 = value("DARKROOM_S3_ENDPOINT"),
        nats = value("DARKROOM_NATS_URL"),
    )?;
    out.flush()
}
