//! `demo.env`: what scripts and the other commands need to reach what `up` started.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::keepsake::write_private;

/// The file's name within the data folder.
pub(crate) const NAME: &str = "demo.env";

/// The file, for as long as what it speaks of runs.
pub(crate) struct DemoEnv {
    path: PathBuf,
}

impl DemoEnv {
    /// Writes name and value pairs for a shell to source, for the owner's eyes alone.
    pub(crate) fn write(data: &Path, pairs: &[(&str, String)]) -> io::Result<Self> {
        let path = data.join(NAME);
        let text: String =
            pairs.iter().map(|(name, value)| format!("{name}={}\n", quoted(value))).collect();
        write_private(&path, text.as_bytes())?;
        Ok(Self { path })
    }

    /// Removes what a killed process left.
    pub(crate) fn clear(data: &Path) -> io::Result<()> {
        match fs::remove_file(data.join(NAME)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

impl Drop for DemoEnv {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.path) {
            tracing::debug!(%error, path = %self.path.display(), "not removed");
        }
    }
}

fn quoted(value: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:@%+=".contains(c);
    if !value.is_empty() && value.chars().all(plain) {
        return value.to_owned();
    }
    format!("'{}'", value.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_safe_to_source() {
        assert_eq!(quoted("http://127.0.0.1:7780"), "http://127.0.0.1:7780");
        assert_eq!(quoted("a b"), "'a b'");
        assert_eq!(quoted("a'$(x)"), r"'a'\''$(x)'");
        assert_eq!(quoted(""), "''");
    }

    #[test]
    fn the_file_goes_with_its_owner() {
        let folder = tempfile::tempdir().unwrap();
        let env = DemoEnv::write(folder.path(), &[("A", "1 2".into())]).unwrap();
        assert_eq!(fs::read_to_string(folder.path().join(NAME)).unwrap(), "A='1 2'\n");
        drop(env);
        assert!(!folder.path().join(NAME).exists());
        DemoEnv::clear(folder.path()).unwrap();
    }
}
