//! What a person sees once everything runs.

use std::{
    io::{self, Write},
    path::Path,
};

/// Says where everything is and what to try next, as commands that can be pasted.
pub(crate) fn show(data: &Path, env: &[(&str, String)]) -> io::Result<()> {
    let value = |name: &str| {
        let found = env.iter().find(|(known, _)| *known == name);
        found.map_or("", |(_, value)| value.as_str())
    };
    let file = data.join(super::demo_env::NAME);
    let file = file.display();
    let mut out = io::stdout().lock();
    writeln!(
        out,
        "
  Darkroom is ready

    API       {url}
    key       {key}
    secret    in {file}
    bucket    {bucket} at {s3}
    event log {nats}

  Try, in another terminal:

    ./justw demo
    . {file}
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
