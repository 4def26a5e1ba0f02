//! Cores: none is left by a part that a fault ends, though the system would allow it.

use std::{
    fs,
    os::unix::process::ExitStatusExt as _,
    process::{Command, ExitStatus},
};

use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};
use tempfile::TempDir;
use testkit::{Part, Stack};

use super::planted::{Planted, files, found};

/// Where the system puts cores, as the kernel has it.
const PATTERN: &str = "/proc/sys/kernel/core_pattern";

/// Each part ends as a fault would end it, and leaves nothing of its memory.
pub(super) fn leave_none(stack: &mut Stack, planted: &[Planted]) {
    for part in [Part::Api(0), Part::Worker, Part::Dispatcher] {
        let limits = fs::read_to_string(format!("/proc/{}/limits", stack.pid(part))).unwrap();
        let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
        let sizes: Vec<&str> = core.split_whitespace().skip(4).take(2).collect();
        assert_eq!(sizes, ["0", "0"], "{part:?}");
        // Who may, raises it again: then the part's own memory is still not to be dumped.
        let pid = Pid::from_raw(stack.pid(part).cast_signed());
        let raised = prlimit(pid, Resource::Core, Rlimit { current: None, maximum: None });
        println!("{part:?}: the limit of cores was raised: {}", raised.is_ok());
        let ended = stack.abort(part);
        assert_eq!(ended.signal(), Some(6), "{part:?}");
        assert!(!ended.core_dumped(), "{part:?} left a core");
    }
    let is_core = |path: &&std::path::PathBuf| {
        path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("core"))
    };
    assert_eq!(files(stack.data()).iter().filter(is_core).count(), 0);

    // Others leave one here, and what they held is found in it.
    let (folder, ended) = unguarded(&planted[0].text);
    assert_eq!(ended.signal(), Some(6));
    assert!(ended.core_dumped(), "the system lets nobody dump, so nothing was shown");
    let pattern = fs::read_to_string(PATTERN).unwrap();
    if !pattern.starts_with(['|', '/']) {
        let cores = files(folder.path());
        let hits = cores.iter().flat_map(|core| found(planted, "a core", &fs::read(core).unwrap()));
        assert!(hits.count() > 0, "{cores:?}");
    }
}

/// A process that is not hardened, with this in its memory, and the folder that it ended in.
fn unguarded(secret: &str) -> (TempDir, ExitStatus) {
    let folder = tempfile::tempdir().unwrap();
    // What it may be raised to at most.
    let most =
        getrlimit(Resource::Core).maximum.map_or("unlimited".to_owned(), |most| most.to_string());
    let script = format!("ulimit -c {most} && held={secret} && kill -ABRT $$");
    let ended = Command::new("/bin/sh").args(["-c", &script]).current_dir(&folder).status();
    (folder, ended.unwrap())
}
