//! Programs that print lines and go on, for as long as a test listens to them.

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
    sync::mpsc::{self, Receiver, RecvTimeoutError},
    thread,
    time::{Duration, Instant},
};

/// A program that goes on; killed when it is dropped.
pub struct Going {
    child: Child,
    name: String,
    lines: Receiver<String>,
}

impl Going {
    /// Starts it with nothing on its standard input.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn start(command: &mut Command) -> Self {
        let name = command.get_program().to_string_lossy().into_owned();
        let spawned = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
        let mut child = spawned.unwrap_or_else(|error| {
            panic!("{name}: {error}: run `./justw test`, which installs it")
        });
        let output = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            // Nobody listens any more once the test is over.
            output.lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
        });
        Self { child, name, lines }
    }

    /// What `wanted` makes of the next lines, of so many; of fewer where the program says no more. Blocks.
    ///
    /// # Panics
    /// When they do not come within `limit`; the message has the lines that came.
    pub fn lines<T>(
        &self,
        count: usize,
        limit: Duration,
        wanted: impl Fn(&str) -> Option<T>,
    ) -> Vec<T> {
        let until = Instant::now() + limit;
        let (mut found, mut heard) = (Vec::new(), Vec::new());
        while found.len() < count {
            match self.lines.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    found.extend(wanted(&line));
                    heard.push(line);
                }
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {
                    panic!("{} has not said enough within {limit:?}: {heard:#?}", self.name)
                }
            }
        }
        found
    }
}

impl Drop for Going {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
