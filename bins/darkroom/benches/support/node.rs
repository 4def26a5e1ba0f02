//! A peer that runs in Node.js or Python: commands go in as lines of JSON, results come out
//! likewise.

use std::process::Stdio;

use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
};

use super::{Trouble, root};

/// A running peer; it ends with this value.
pub struct Peer {
    child: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

impl Peer {
    /// Starts a script of `.config/bench`.
    pub fn start(script: &str, arguments: &[&str]) -> Result<Self, Trouble> {
        Self::run(
            Command::new("node").env("NODE_PATH", root().join(".tools/bench/node_modules")),
            script,
            arguments,
        )
    }

    /// Starts a script of `.config/bench` that is written in Python.
    pub fn start_python(script: &str, arguments: &[&str]) -> Result<Self, Trouble> {
        Self::run(&mut Command::new(root().join(".tools/venv-peers/bin/python")), script, arguments)
    }

    fn run(program: &mut Command, script: &str, arguments: &[&str]) -> Result<Self, Trouble> {
        let mut child = program
            .arg(root().join(".config/bench").join(script))
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| format!("start {script}: {error}"))?;
        let input = child.stdin.take().ok_or("the peer takes no commands")?;
        let output = child.stdout.take().ok_or("the peer gives no results")?;
        Ok(Self { child, input, output: BufReader::new(output).lines() })
    }

    /// Its process, while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// Sends a command without waiting for its result.
    pub async fn send(&mut self, command: Value) -> Result<(), Trouble> {
        self.input.write_all(format!("{command}\n").as_bytes()).await?;
        Ok(self.input.flush().await?)
    }

    /// The next result.
    pub async fn receive(&mut self) -> Result<Value, Trouble> {
        let line = self.output.next_line().await?.ok_or("the peer ended; its words are above")?;
        Ok(serde_json::from_str(&line)?)
    }

    /// Sends a command and waits for its result.
    pub async fn ask(&mut self, command: Value) -> Result<Value, Trouble> {
        self.send(command).await?;
        self.receive().await
    }
}
