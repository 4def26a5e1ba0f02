//! A disk as small as a test wants it.

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
};

use tempfile::TempDir;

/// Mounts it, says so, and gives it every size that it is told.
const HOLD: &str = r#"
mount -t tmpfs -o "size=$SIZE" none "$AT" && echo mounted
while read -r size; do mount -o "remount,size=$size" "$AT" && echo mounted; done
"#;

/// A tmpfs in a mount namespace of its own, which goes with the process that holds it: no right of
/// this machine is needed, and nothing is left behind.
pub struct Tmpfs {
    holder: Child,
    says: BufReader<std::process::ChildStdout>,
    told: ChildStdin,
    path: PathBuf,
    _at: TempDir,
}

impl Tmpfs {
    /// One of so many bytes.
    ///
    /// # Panics
    /// When the machine gives no user namespaces; `unshare` and `mount` make it.
    #[must_use]
    pub fn of(size_bytes: u64) -> Self {
        let at = tempfile::tempdir().unwrap();
        let mut holder = Command::new("unshare")
            .args(["--user", "--map-root-user", "--mount", "sh", "-c", HOLD])
            .env("SIZE", size_bytes.to_string())
            .env("AT", at.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (told, says) = (holder.stdin.take().unwrap(), holder.stdout.take().unwrap());
        let inside = at.path().strip_prefix("/").unwrap();
        let path = Path::new("/proc").join(holder.id().to_string()).join("root").join(inside);
        let mut tmpfs = Self { holder, says: BufReader::new(says), told, path, _at: at };
        tmpfs.mounted();
        tmpfs
    }

    /// Where it is seen from outside.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Fills so many bytes of it.
    ///
    /// # Panics
    /// When it has no room for them.
    pub fn fill(&self, bytes: usize) {
        fs::write(self.path.join("ballast"), vec![1; bytes]).unwrap();
    }

    /// Takes away what [`Tmpfs::fill`] put there.
    ///
    /// # Panics
    /// When nothing was.
    pub fn empty(&self) {
        fs::remove_file(self.path.join("ballast")).unwrap();
    }

    /// Gives it another size.
    ///
    /// # Panics
    /// When the kernel does not.
    pub fn resize(&mut self, size_bytes: u64) {
        writeln!(self.told, "{size_bytes}").unwrap();
        self.mounted();
    }

    fn mounted(&mut self) {
        let mut line = String::new();
        self.says.read_line(&mut line).unwrap();
        assert_eq!(line, "mounted\n");
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}
