//! What one job may use, and what an account's jobs may use together. Every number has a name, a
//! unit and a default.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

macro_rules! limits {
    ($(#[$all_doc:meta])* $All:ident, $(#[$own_doc:meta])* $Own:ident {
        $($(#[$doc:meta])* $name:ident: $unit:ty = $default:expr,)+
    }) => {
        $(#[$all_doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct $All {
            $($(#[$doc])* pub $name: $unit,)+
        }

        impl Default for $All {
            fn default() -> Self {
                Self { $($name: $default,)+ }
            }
        }

        impl $All {
            /// Every limit by name.
            pub const NAMES: &[&str] = &[$(stringify!($name),)+];

            /// With what an account has of its own.
            #[must_use]
            pub fn with(&self, own: &$Own) -> Self {
                Self { $($name: own.$name.unwrap_or(self.$name),)+ }
            }

            /// Name, value here, and what an account has of its own.
            pub fn beside(&self, own: &$Own) -> Vec<(&'static str, u64, Option<u64>)> {
                vec![$((stringify!($name), self.$name.into(), own.$name.map(Into::into)),)+]
            }
        }

        $(#[$own_doc])*
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
        #[serde(default)]
        pub struct $Own {
            $($(#[$doc])* #[serde(skip_serializing_if = "Option::is_none")] pub $name: Option<$unit>,)+
        }

        impl $Own {
            /// Sets the limit of that name, or with `None` takes the installation's.
            ///
            /// # Errors
            /// When there is no such limit, or the value is 0 or too large for it.
            pub fn set(&mut self, name: &str, value: Option<u64>) -> Result<(), InvalidLimit> {
                let invalid = || InvalidLimit { name: name.chars().take(40).collect() };
                if value == Some(0) {
                    return Err(invalid());
                }
                match name {
                    $(stringify!($name) => {
                        let value = value.map(<$unit>::try_from).transpose();
                        self.$name = value.map_err(|_large| invalid())?;
                    })+
                    _ => return Err(invalid()),
                }
                Ok(())
            }
        }
    };
}

/// No limit of that name takes that value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{name}\" is no limit, or not with this value")]
pub struct InvalidLimit {
    name: String,
}

limits! {
    /// Limits of a job: those of an installation.
    Limits,
    /// Limits that an account has of its own; absent ones are the installation's.
    Overrides {
        /// Largest source, in bytes.
        source_bytes: u64 = 2 << 30,
        /// Longest fetch of a source, in milliseconds.
        fetch_ms: u64 = 600_000,
        /// Most pixels of one decoded picture.
        pixels: u64 = 100_000_000,
        /// Most bytes of all artifacts together.
        output_bytes: u64 = 512 << 20,
        /// Most artifacts.
        artifacts: u32 = 4_096,
        /// Address space of the renderer, in bytes.
        renderer_memory_bytes: u64 = 1_536 << 20,
        /// CPU time of the renderer, in milliseconds.
        renderer_cpu_ms: u64 = 60_000,
        /// Wall-clock time of the renderer, in milliseconds.
        renderer_wall_ms: u64 = 60_000,
        /// Most pages drawn of one file.
        pages: u32 = 1_000,
        /// Most frames decoded of one film or moving picture.
        frames: u32 = 20_000,
        /// Most pixels of all frames decoded of one film or moving picture together.
        frame_pixels: u64 = 40_000_000_000,
        /// Longest film or sound that is looked at, in milliseconds.
        duration_ms: u64 = 48 * 3_600_000,
        /// Most entries of an archive that are looked at.
        entries: u32 = 10_000,
        /// Most bytes that the parts of a compressed file may expand to, together.
        expanded_bytes: u64 = 1 << 30,
        /// Deepest nesting: archives in archives, groups in drawings, parts in messages.
        nesting: u32 = 32,
        /// Memory of a hosted program (office, ocr, browser), in bytes.
        hosted_memory_bytes: u64 = 2 << 30,
        /// CPU time of a hosted program, in milliseconds.
        hosted_cpu_ms: u64 = 120_000,
        /// Wall-clock time of a hosted program, in milliseconds.
        hosted_wall_ms: u64 = 120_000,
        /// Most requests that a web page may make while it is pictured, its own among them.
        page_requests: u32 = 200,
        /// Most bytes that a web page may load while it is pictured.
        page_bytes: u64 = 64 << 20,
        /// Tallest picture of a web page, in pixels; what lies below is cut off.
        page_height: u32 = 16_384,
        /// Largest metadata, in bytes of JSON. It travels in one event, sealed, which makes it a third
        /// larger; an event has at most 256 KiB.
        metadata_bytes: u32 = 128 << 10,
    }
}

limits! {
    /// What all jobs of an account may use together: the quotas of an installation.
    Quotas,
    /// Quotas that an account has of its own; absent ones are the installation's.
    QuotaOverrides {
        /// Most jobs that have been accepted and have not ended.
        jobs_in_flight: u64 = 100_000,
        /// Most jobs accepted in a minute.
        jobs_per_minute: u64 = 600_000,
        /// Most bytes of sources read in a day (UTC).
        source_bytes_per_day: u64 = 10 << 40,
        /// Most bytes uploaded in a day (UTC).
        upload_bytes_per_day: u64 = 10 << 40,
        /// Most uploads that have been started and are neither completed nor expired.
        uploads_in_flight: u64 = 1_000,
        /// Most bytes of results that lie in development storage.
        development_bytes: u64 = 10 << 30,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_s_own_limits_stand_before_the_installation_s() {
        let mut own = Overrides::default();
        for name in Limits::NAMES {
            own.set(name, Some(7)).expect(name);
        }
        let limits = Limits::default().with(&own);
        assert!(limits.beside(&own).iter().all(|(_, value, own)| (*value, *own) == (7, Some(7))));
        own.set("pixels", None).expect("taken back");
        assert_eq!(Limits::default().with(&own).pixels, Limits::default().pixels);
        for (name, value) in [("pixel", 1), ("pixels", 0), ("pages", u64::MAX)] {
            assert!(own.set(name, Some(value)).is_err(), "{name} {value}");
        }
    }

    #[test]
    fn only_own_limits_are_written() {
        let own = Overrides { pages: Some(5), ..Overrides::default() };
        assert_eq!(serde_json::to_string(&own).expect("json"), r#"{"pages":5}"#);
    }
}
