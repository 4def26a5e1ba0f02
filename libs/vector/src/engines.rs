//! Names and versions of the libraries that take part, as they go on record.

/// A library and its version.
pub(crate) type Engine = (&'static str, &'static str);

pub(crate) const HAYRO: Engine = ("hayro", "0.9.0");
pub(crate) const RESVG: Engine = ("resvg", "0.49.0");

#[cfg(test)]
mod tests {
    #[test]
    fn the_versions_told_are_those_built_in() {
        let lock = include_str!("../../../Cargo.lock");
        for (name, version) in [super::HAYRO, super::RESVG] {
            let entry = format!("name = \"{name}\"\nversion = \"{version}\"\n");
            assert!(lock.contains(&entry), "{name} is no longer {version}");
        }
    }
}
