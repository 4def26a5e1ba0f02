//! A control group around one walled process and all it starts, where this machine lets us have
//! one: version 1 (memory, pids) and version 2, of which neither is required.

use std::cell::OnceCell;
use std::fs::{self, File};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use rustix::rand::GetRandomFlags;

/// How the folders of our groups begin. The worker's process id and a random number follow.
const PREFIX: &str = "darkroom-";
/// Longest wait for one killed process to be gone, in milliseconds.
const END_MS: i64 = 500;
/// Kernel memory, page tables and the like, beside what the process asked for.
const SLACK_BYTES: u64 = 32 << 20;

/// The groups of one process. Dropped, all inside are killed and the groups removed.
#[derive(Debug)]
pub(crate) struct Cgroup {
    folders: Vec<Folder>,
}

#[derive(Debug)]
struct Folder {
    path: PathBuf,
    /// Who writes to it goes inside.
    door: File,
    caps_memory: bool,
    version: u8,
}

/// Where this process may make groups.
#[derive(Debug)]
pub(crate) struct Ground {
    parents: Vec<Parent>,
}

impl Ground {
    /// Looks for it, and sweeps up what workers that have gone left there.
    pub(crate) fn find() -> Self {
        let parents = parents();
        parents.iter().for_each(Parent::sweep);
        Self { parents }
    }

    /// Makes groups for one process and all that it will start. `None` where there are none to be
    /// had.
    pub(crate) fn make(&self, processes: u32) -> Option<Cgroup> {
        let folders: Vec<Folder> =
            self.parents.iter().filter_map(|parent| parent.make(processes)).collect();
        (!folders.is_empty()).then_some(Cgroup { folders })
    }
}

impl Cgroup {
    /// Where to write a zero to go inside.
    pub(crate) fn doors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.folders.iter().map(|folder| folder.door.as_fd())
    }

    /// Sets the most memory of all inside together, what lies in their tmpfs included.
    pub(crate) fn cap_memory(&self, bytes: u64) {
        let bytes = bytes.saturating_add(SLACK_BYTES).to_string();
        for folder in self.folders.iter().filter(|folder| folder.caps_memory) {
            let files: &[&str] = match folder.version {
                1 => &["memory.limit_in_bytes", "memory.memsw.limit_in_bytes"],
                _ => &["memory.max"],
            };
            for file in files {
                if let Err(error) = fs::write(folder.path.join(file), &bytes) {
                    tracing::debug!(error = %error, file, "a control group took no limit");
                }
            }
        }
    }

    /// What it caps, for the list of walls.
    pub(crate) fn describe(&self) -> String {
        let memory = self.folders.iter().any(|folder| folder.caps_memory);
        let version = self.folders.first().map_or(0, |folder| folder.version);
        format!("cgroup v{version}{}", if memory { " with memory" } else { " without memory" })
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        for folder in &self.folders {
            folder.end();
        }
    }
}

impl Folder {
    /// Kills all inside, waits for their end, and removes the folder.
    fn end(&self) {
        // Where all inside have ended, as they mostly have, that is all.
        if fs::remove_dir(&self.path).is_ok() {
            return;
        }
        let listed = fs::read_to_string(self.path.join("cgroup.procs")).unwrap_or_default();
        let pids = listed.lines().filter_map(|line| Pid::from_raw(line.parse().ok()?));
        let handles: Vec<_> =
            pids.filter_map(|pid| pidfd_open(pid, PidfdFlags::empty()).ok()).collect();
        for handle in &handles {
            // An error means that it has ended already.
            let _ = pidfd_send_signal(handle, Signal::KILL);
        }
        let patience = Timespec { tv_sec: 0, tv_nsec: END_MS * 1_000_000 };
        for handle in &handles {
            let _ = poll(&mut [PollFd::new(handle, PollFlags::IN)], Some(&patience));
        }
        // What cannot be removed yet is swept up when this worker has gone.
        let _ = fs::remove_dir(&self.path);
    }
}

/// A group that may hold ours.
#[derive(Debug)]
struct Parent {
    path: PathBuf,
    version: u8,
    /// Asked of the first group made in it: looking for files is most of what making one costs.
    caps: OnceCell<Caps>,
}

/// What groups of a parent can cap.
#[derive(Debug, Clone, Copy)]
struct Caps {
    memory: bool,
    swap: bool,
    processes: bool,
}

impl Caps {
    fn of(group: &Path) -> Self {
        let has = |file: &str| group.join(file).exists();
        Self {
            memory: has("memory.limit_in_bytes") || has("memory.max"),
            swap: has("memory.swap.max"),
            processes: has("pids.max"),
        }
    }
}

impl Parent {
    const fn new(path: PathBuf, version: u8) -> Self {
        Self { path, version, caps: OnceCell::new() }
    }

    fn make(&self, processes: u32) -> Option<Folder> {
        let mut random = [0; 8];
        rustix::rand::getrandom(&mut random, GetRandomFlags::empty()).ok()?;
        let name = format!("{PREFIX}{}-{:016x}", std::process::id(), u64::from_ne_bytes(random));
        let path = self.path.join(name);
        fs::create_dir(&path).ok()?;
        let caps = *self.caps.get_or_init(|| Caps::of(&path));
        let capped =
            caps.processes && fs::write(path.join("pids.max"), processes.to_string()).is_ok();
        if caps.swap {
            let _ = fs::write(path.join("memory.swap.max"), "0");
        }
        let door = File::options().write(true).open(path.join("cgroup.procs"));
        match door {
            Ok(door) if caps.memory || capped => {
                Some(Folder { path, door, caps_memory: caps.memory, version: self.version })
            }
            _ => {
                let _ = fs::remove_dir(&path);
                None
            }
        }
    }

    /// Removes groups of workers that have gone, which were killed then.
    fn sweep(&self) {
        for entry in fs::read_dir(&self.path).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let worker = name.to_str().and_then(|name| name.strip_prefix(PREFIX));
            let pid = worker.and_then(|worker| worker.split_once('-')).map(|(pid, _)| pid);
            if pid.is_some_and(|pid| !Path::new("/proc").join(pid).exists()) {
                // Fails while something is still inside, as it should.
                let _ = fs::remove_dir(entry.path());
            }
        }
    }
}

/// Where this process may make groups: inside its own, or beside it where version 2 forbids that.
fn parents() -> Vec<Parent> {
    let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    parents_in(&own, &mounts)
}

/// The same, from the texts of `/proc/self/cgroup` and `/proc/self/mountinfo`.
fn parents_in(own: &str, mounts: &str) -> Vec<Parent> {
    let mut found = Vec::new();
    for controller in ["memory", "pids"] {
        let group = own.lines().find_map(|line| {
            let (controllers, group) = line.split_once(':')?.1.split_once(':')?;
            controllers.split(',').any(|name| name == controller).then_some(group)
        });
        let mount = mounts.lines().filter_map(Mount::parse).find(|mount| {
            mount.kind == "cgroup" && mount.options.split(',').any(|name| name == controller)
        });
        if let (Some(group), Some(mount)) = (group, mount) {
            let path = mount.folder(group);
            if found.iter().all(|parent: &Parent| parent.path != path) {
                found.push(Parent::new(path, 1));
            }
        }
    }
    if !found.is_empty() {
        return found;
    }
    let group = own.lines().find_map(|line| line.strip_prefix("0::"));
    let mount = mounts.lines().filter_map(Mount::parse).find(|mount| mount.kind == "cgroup2");
    let (Some(group), Some(mount)) = (group, mount) else { return found };
    let path = mount.folder(group);
    // A group with processes of its own cannot hand controllers down: then the one above it may.
    for path in [Some(path.as_path()), path.parent()].into_iter().flatten() {
        let handed = fs::read_to_string(path.join("cgroup.subtree_control")).unwrap_or_default();
        if handed.split_whitespace().any(|name| name == "memory" || name == "pids") {
            found.push(Parent::new(path.to_owned(), 2));
            break;
        }
    }
    found
}

/// A line of `/proc/self/mountinfo`.
struct Mount<'a> {
    root: &'a str,
    point: &'a str,
    kind: &'a str,
    options: &'a str,
}

impl<'a> Mount<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let (before, after) = line.split_once(" - ")?;
        let mut before = before.split(' ').skip(3);
        let mut after = after.split(' ');
        Some(Self {
            root: before.next()?,
            point: before.next()?,
            kind: after.next()?,
            options: after.nth(1)?,
        })
    }

    /// A group's folder; the mount may show only a part of the tree.
    fn folder(&self, group: &str) -> PathBuf {
        let inside = group.strip_prefix(self.root).unwrap_or(group);
        Path::new(self.point).join(inside.trim_start_matches('/'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_mountinfo_tells_where_a_group_lies() {
        let line = "36 31 0:31 /docker/x /sys/fs/cgroup/memory rw,nosuid shared:9 - cgroup cgroup rw,memory";
        let mount = Mount::parse(line).expect("parsed");
        assert_eq!((mount.kind, mount.options), ("cgroup", "rw,memory"));
        assert_eq!(mount.folder("/docker/x/y"), Path::new("/sys/fs/cgroup/memory/y"));
        assert!(Mount::parse("36 31").is_none());
    }

    #[test]
    fn version_1_is_found_by_controller_and_nothing_is_found_where_nothing_is_handed_down() {
        let mounts = "1 0 0:1 / /cg/memory rw - cgroup none rw,memory\n\
            2 0 0:2 / /cg/both rw - cgroup none rw,cpu,pids\n\
            3 0 0:3 / /cg/unified rw - cgroup2 none rw\n";
        let found = parents_in("8:cpu,pids:/a\n4:memory:/a/b\n0::/a\n", mounts);
        let paths: Vec<_> = found.iter().map(|parent| parent.path.as_path()).collect();
        assert_eq!(paths, [Path::new("/cg/memory/a/b"), Path::new("/cg/both/a")]);
        assert!(found.iter().all(|parent| parent.version == 1));
        assert!(parents_in("0::/a\n", mounts).is_empty());
        assert!(parents_in("", "").is_empty());
    }
}
