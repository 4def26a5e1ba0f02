//! What every process needs: settings, telemetry, a clock, a start and an end.

pub mod clock;
mod failure;
pub mod hardening;
pub mod lifecycle;
pub mod settings;
pub mod telemetry;

pub use clock::{Clock, ManualClock, SystemClock};
pub use failure::{Chain, Failure, OrTry};
pub use hardening::disable_core_dumps;
pub use lifecycle::run_main;
pub use settings::{SettingsError, Sources};
pub use telemetry::LogSettings;
