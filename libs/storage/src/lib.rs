//! S3: the buckets results go to, pre-signed links, deterministic keys, and a server for one machine.
//!
//! A [`Bucket`] writes, and signs links for others to read or write with; it never needs more than
//! the PutObject family of permissions. Reading is a type of its own, [`Reader`], so that code which
//! stores into a customer's bucket cannot read there by accident. Credentials are always the ones in
//! the [`Destination`]: no environment variable, profile, metadata service or proxy setting is asked.
//!
//! All connections of a process go through one [`Network`]. Endpoints that customers choose belong
//! behind [`Network::through`], whose [`Resolve`] decides which addresses a host may be reached at.

mod body;
mod bucket;
mod cdn;
mod client;
mod customer_key;
mod destination;
pub mod embedded;
mod error;
mod headers;
mod key;
pub mod layout;
mod lifecycle;
mod multipart;
mod network;
mod proof;
mod ranges;
mod reader;
mod role;
mod secret;
mod settings;
mod uploads;

pub use body::Body;
pub use bucket::{Bucket, Object, Presigned, Stored};
pub use cdn::{Cdn, CdnError, CdnSettings, InvalidCdn};
pub use customer_key::{CustomerKey, InvalidCustomerKey};
pub use destination::{Credentials, Destination, Encryption, InvalidDestination};
pub use error::{Answer, Error};
pub use headers::{InvalidHeader, ObjectHeaders};
pub use key::InvalidKey;
pub use lifecycle::{ERASURES, Expiry, Platform, RESULTS, UPLOADS, results_of, uploads_of};
pub use multipart::{MULTIPART_ABOVE_BYTES, PART_BYTES};
pub use network::{Network, Patience, Resolve};
pub use proof::{PROBE_KEY, Policy, prove};
pub use ranges::{Described, Range, Ranges};
pub use reader::{Found, Listed, Reader};
pub use role::{Role, RoleSettings, check_role};
pub use secret::Secret;
pub use settings::{InvalidSettings, Settings};
pub use uploads::{Part, Uploads};
