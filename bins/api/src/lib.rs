//! The API: HTTP in, decisions out. The only crate that knows warp.
//!
//! Every process keeps a read model of its own, so replicas are added freely. What is written goes
//! to the log and nowhere else; what is read comes from the read model once that holds everything
//! that was stored before the question.

mod app;
mod auth;
mod call;
mod callers;
mod console;
mod currency;
mod demands;
mod document;
mod edge;
mod error;
pub mod export;
mod fields;
mod fresh;
#[doc(hidden)]
pub mod fuzzed;
mod incoming;
mod logs;
mod members;
pub mod ops;
mod past;
mod places;
mod problem;
pub mod projection;
mod quotas;
mod reads;
mod routes;
mod serve;
mod server;
mod sessions;
mod settings;
mod subscribers;
mod tls;
mod uses;
mod views;

pub use crate::{
    error::Error,
    server::{Readiness, Server, run},
    sessions::settings::Sessions,
    settings::{Api, DEFAULTS, InvalidSettings, Served, Settings},
};
