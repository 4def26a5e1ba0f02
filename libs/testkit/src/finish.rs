//! Programs that a test waits for: one that does not end in time is killed, and fails the test with its name
//! and what it had said.

use std::{
    io::{Read, Write as _},
    process::{Child, Command, ExitStatus, Output, Stdio},
    sync::{Arc, Mutex},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

/// How long a program may take that nobody gave more.
const ENDS_WITHIN: Duration = Duration::from_secs(180);
/// How often is looked whether it has ended.
const PACE: Duration = Duration::from_millis(5);

/// A program is run to its end, which must come.
pub trait Finish {
    /// Runs it with nothing on its standard input, and gives what it said.
    ///
    /// # Panics
    /// When it cannot be started, or does not end in time; the message names it.
    fn finish(&mut self) -> Output {
        self.finish_within(ENDS_WITHIN, b"")
    }

    /// The same with this on its standard input.
    ///
    /// # Panics
    /// As [`Finish::finish`].
    fn finish_given(&mut self, input: &[u8]) -> Output {
        self.finish_within(ENDS_WITHIN, input)
    }

    /// The same within another time.
    ///
    /// # Panics
    /// As [`Finish::finish`].
    fn finish_within(&mut self, limit: Duration, input: &[u8]) -> Output;
}

impl Finish for Command {
    fn finish_within(&mut self, limit: Duration, input: &[u8]) -> Output {
        let name = named(self);
        let given = if input.is_empty() { Stdio::null() } else { Stdio::piped() };
        let spawned = self.stdin(given).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut child = spawned.unwrap_or_else(|error| panic!("{name}: {error}"));
        if let Some(mut stdin) = child.stdin.take() {
            let input = input.to_vec();
            // One that ends without having read it all has its reasons.
            thread::spawn(move || stdin.write_all(&input));
        }
        let (out, err) = (Said::by(child.stdout.take()), Said::by(child.stderr.take()));
        let until = Instant::now() + limit;
        let status = ended(&mut child, until);
        // What it started may hold its output open longer than itself.
        let whole = out.is_whole(until) && err.is_whole(until);
        let (stdout, stderr) = (out.so_far(), err.so_far());
        match status {
            Some(status) if whole => Output { status, stdout, stderr },
            _ => panic!(
                "{name} did not end within {limit:?}, and said\n{}\n{}",
                String::from_utf8_lossy(&stdout),
                String::from_utf8_lossy(&stderr)
            ),
        }
    }
}

/// Waits for a process that is about to end, and kills it if it does not within `limit`: then there is
/// no status.
///
/// # Panics
/// When it is not a child of this process.
pub fn ends_within(child: &mut Child, limit: Duration) -> Option<ExitStatus> {
    ended(child, Instant::now() + limit)
}

fn ended(child: &mut Child, until: Instant) -> Option<ExitStatus> {
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return Some(status);
        }
        if Instant::now() > until {
            child.kill().unwrap();
            child.wait().unwrap();
            return None;
        }
        thread::park_timeout(PACE);
    }
}

/// The program and its arguments, without its environment, in which secrets are.
fn named(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
}

/// What comes out of a pipe.
struct Said {
    bytes: Arc<Mutex<Vec<u8>>>,
    reading: JoinHandle<()>,
}

impl Said {
    fn by(pipe: Option<impl Read + Send + 'static>) -> Self {
        let (mut pipe, bytes) = (pipe.unwrap(), Arc::<Mutex<Vec<u8>>>::default());
        let keeper = Arc::clone(&bytes);
        let reading = thread::spawn(move || {
            let mut chunk = vec![0; 64 << 10];
            while let Ok(read @ 1..) = pipe.read(&mut chunk) {
                keeper.lock().unwrap().extend_from_slice(&chunk[..read]);
            }
        });
        Self { bytes, reading }
    }

    /// Whether all of it has come by then.
    fn is_whole(&self, until: Instant) -> bool {
        while !self.reading.is_finished() && Instant::now() < until {
            thread::park_timeout(PACE);
        }
        self.reading.is_finished()
    }

    fn so_far(&self) -> Vec<u8> {
        self.bytes.lock().unwrap().clone()
    }
}

#[cfg(test)]
mod tests {
    use std::panic::catch_unwind;

    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn what_a_program_says_is_given_whole() {
        let said = shell("cat; head -c 300000 /dev/zero >&2; exit 3").finish_given(b"hear");
        assert_eq!((said.status.code(), &said.stdout[..]), (Some(3), &b"hear"[..]));
        assert_eq!(said.stderr.len(), 300_000);
    }

    #[test]
    fn one_that_hangs_is_killed_and_its_words_are_told() {
        let soon = Duration::from_millis(300);
        // The second one ends, and what it started does not.
        for script in ["echo waiting; exec sleep 60", "echo waiting; sleep 2 &"] {
            let hangs = || shell(script).finish_within(soon, b"");
            let told = catch_unwind(hangs).unwrap_err();
            let told = told.downcast_ref::<String>().unwrap();
            assert!(told.starts_with("sh -c") && told.contains("\nwaiting\n"), "{told}");
        }
    }
}
