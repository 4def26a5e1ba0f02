//! HTTP to addresses that strangers chose: fetching sources and posting webhooks, without being led anywhere else.
//!
//! A URL is parsed once ([`SourceUrl`], [`HookUrl`]) and the parsed value is what is used. Every new connection
//! goes through the [`Gate`]: the host is resolved once, *all* its addresses are judged by the [`Guard`], and only
//! judged addresses are connected to. There is no other way to a socket in this crate, so redirects, retries and
//! pooled connections need no rules of their own. Proxy variables of the environment are never read.

mod allow;
mod body;
mod client;
mod connect;
mod error;
mod exchange;
mod fetch;
#[doc(hidden)]
pub mod fuzzed;
mod gate;
mod guard;
mod name;
mod own;
mod post;
mod registry;
mod resolve;
mod settings;
mod tls;
mod url;

pub use allow::{AllowList, BadEntry, Entry, Network};
pub use body::Body;
pub use client::Client;
pub use error::{Error, Phase, RedirectError, SetupError};
pub use exchange::Answer;
pub use fetch::Fetched;
pub use gate::{Gate, GateError, Refusal};
pub use guard::{Guard, Reason, Tier};
pub use post::{PostError, Posted, RESPONSE_BYTES_KEPT, RESPONSE_BYTES_READ};
pub use resolve::{Resolve, ResolveError, SystemResolver};
pub use settings::Settings;
pub use url::{HookUrl, Plaintext, SourceUrl, UrlError};
