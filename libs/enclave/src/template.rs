//! A template as the worker holds it: a process that has loaded what a kind of renderer needs, has
//! never seen a byte of any job, and is forked once for each.

use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

use crate::cgroup::{Cgroup, Ground};
use crate::control::{Packet, Purpose, Word};
use crate::pool::StartError;
use crate::process::{Process, post_mortem};
use crate::socket::{Socket, SocketError};
use crate::words;

/// Processes of a renderer: itself, and room for a reader of its last words.
const PROCESSES: u32 = 4;
/// Longest wait for a template to have loaded all, or to fork.
const TIMEOUT: Duration = Duration::from_secs(20);
/// How many renderers are forked from one template before it is replaced.
const MOST_FORKS: u32 = 1_024;
/// How long one template is used.
const MOST_TIME: Duration = Duration::from_mins(10);

/// Whether somebody may have learnt how the memory of a template's renderers is laid out: one of
/// them has crashed, as it does when a guess of an address was wrong.
#[derive(Debug, Clone, Default)]
pub(crate) struct Layout(Arc<AtomicBool>);

impl Layout {
    pub(crate) fn suspect(&self) {
        self.0.store(true, Ordering::Release);
    }

    pub(crate) fn is_suspect(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// One template. Dropped, it is ended; what was forked from it goes on.
#[derive(Debug)]
pub(crate) struct Template {
    executable: PathBuf,
    ground: Ground,
    process: Process,
    layout: Layout,
    forks: u32,
    started: Instant,
}

impl Template {
    /// Starts a process and waits until it has loaded all and stands behind its walls.
    pub(crate) fn start(executable: &Path) -> Result<Self, StartError> {
        let mut process = Process::template(executable)?;
        let until = Some(Instant::now() + TIMEOUT);
        match heard(process.socket.receive_packet(until)) {
            Ok((Word::Ready, _)) => {}
            Ok((word, _)) => {
                return Err(StartError::Walls { detail: format!("it began with {word:?}") });
            }
            Err(Trouble::Said(detail)) => return Err(StartError::Walls { detail }),
            Err(Trouble::Socket(error)) => {
                let end = post_mortem(process.kill()).1;
                return Err(StartError::Walls { detail: format!("{error}; {end}") });
            }
        }
        Ok(Self {
            executable: executable.to_owned(),
            ground: Ground::find(),
            process,
            layout: Layout::default(),
            forks: 0,
            started: Instant::now(),
        })
    }

    /// A renderer of its own process, which puts up its own walls before it reads anything.
    pub(crate) fn fork(&mut self, purpose: Purpose) -> Result<Process, StartError> {
        let spawn = |source: std::io::Error| StartError::Spawn {
            executable: self.executable.clone(),
            source,
        };
        let (ours, theirs) =
            socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)
                .map_err(|errno| spawn(errno.into()))?;
        let cgroup = self.ground.make(PROCESSES);
        let doors = cgroup.iter().flat_map(Cgroup::doors);
        let descriptors: Vec<BorrowedFd<'_>> = [theirs.as_fd()].into_iter().chain(doors).collect();
        let asked = self.process.socket.send_packet(&purpose.to_bytes(), &descriptors);
        let until = Some(Instant::now() + TIMEOUT);
        let answer = asked
            .map_err(Trouble::Socket)
            .and_then(|()| heard(self.process.socket.receive_packet(until)));
        self.forks += 1;
        match answer {
            Ok((Word::Forked, Packet { descriptors, .. })) => {
                let process = descriptors.into_iter().next();
                let process = process.ok_or_else(|| StartError::Template {
                    detail: "it forked nothing".to_owned(),
                })?;
                Ok(Process::forked(Socket(ours), process, cgroup, self.layout.clone()))
            }
            Ok((word, _)) => Err(StartError::Template { detail: format!("it said {word:?}") }),
            Err(Trouble::Said(detail)) => Err(StartError::Template { detail }),
            Err(Trouble::Socket(error)) => Err(StartError::Template { detail: error.to_string() }),
        }
    }

    /// Whether nothing should be forked from it any more, for it has served long enough.
    pub(crate) fn is_worn(&self) -> bool {
        self.forks >= MOST_FORKS || self.started.elapsed() >= MOST_TIME
    }

    /// Whether nothing that was forked from it should see a job any more.
    pub(crate) fn is_suspect(&self) -> bool {
        self.layout.is_suspect()
    }
}

enum Trouble {
    Said(String),
    Socket(SocketError),
}

/// What a template said, if it was nothing bad.
fn heard(packet: Result<Packet, SocketError>) -> Result<(Word, Packet), Trouble> {
    let packet = packet.map_err(Trouble::Socket)?;
    let (word, text) = packet.bytes.split_first().unwrap_or((&0, &[]));
    match Word::from_byte(*word) {
        Some(Word::Trouble) => Err(Trouble::Said(words::detail(&String::from_utf8_lossy(text)))),
        Some(word) => Ok((word, packet)),
        None => Err(Trouble::Said("it speaks another protocol".to_owned())),
    }
}
