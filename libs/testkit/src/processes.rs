//! Processes seen from outside: who is whose child, what one holds open, and how to end it.

use std::{fs, path::Path};

use rustix::process::{Pid, Signal, kill_process};

/// A process as `/proc` shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// Its id.
    pub pid: u32,
    /// Its parent's id.
    pub parent: u32,
    /// Its name; the kernel keeps 15 bytes of it.
    pub name: String,
}

/// Ends a process as a power cut would. One that has ended is left alone.
///
/// # Panics
/// When the id is none.
pub fn kill(pid: u32) {
    signal(pid, Signal::KILL);
}

/// Asks a process to end.
///
/// # Panics
/// When the id is none.
pub fn terminate(pid: u32) {
    signal(pid, Signal::TERM);
}

/// Ends a process as a fault in it would: where cores are allowed, it leaves one.
///
/// # Panics
/// When the id is none.
pub fn abort(pid: u32) {
    signal(pid, Signal::ABORT);
}

fn signal(pid: u32, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    match kill_process(pid, signal) {
        Ok(()) | Err(rustix::io::Errno::SRCH) => {}
        Err(error) => panic!("signal {pid:?}: {error}"),
    }
}

/// Whether the process is there and has not ended.
#[must_use]
pub fn is_alive(pid: u32) -> bool {
    look(pid).is_some()
}

/// The children of a process.
#[must_use]
pub fn children(pid: u32) -> Vec<Process> {
    all().into_iter().filter(|process| process.parent == pid).collect()
}

/// The children of a process, theirs, and so on.
#[must_use]
pub fn descendants(pid: u32) -> Vec<Process> {
    let (all, mut found) = (all(), Vec::<Process>::new());
    let mut parents = vec![pid];
    while let Some(parent) = parents.pop() {
        for process in all.iter().filter(|process| process.parent == parent) {
            parents.push(process.pid);
            found.push(process.clone());
        }
    }
    found
}

/// What a process holds open, as the kernel spells it.
///
/// # Panics
/// When the process is not there.
#[must_use]
pub fn open_files(pid: u32) -> Vec<String> {
    let entries = fs::read_dir(Path::new("/proc").join(pid.to_string()).join("fd")).unwrap();
    // One that is closed meanwhile is not open.
    let links = entries.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
    links.map(|link| link.display().to_string()).collect()
}

fn all() -> Vec<Process> {
    let entries = fs::read_dir("/proc").unwrap();
    let ids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    ids.filter_map(look).collect()
}

/// Zombies have ended.
fn look(pid: u32) -> Option<Process> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // 4711 (darkroom-worker) S 4242 ...
    let (before, after) = stat.rsplit_once(')')?;
    let name = before.split_once('(')?.1.to_owned();
    let mut fields = after.split_whitespace();
    let (state, parent) = (fields.next()?, fields.next()?.parse().ok()?);
    (!matches!(state, "Z" | "X")).then_some(Process { pid, parent, name })
}
