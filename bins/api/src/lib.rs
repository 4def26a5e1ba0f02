//! The API: HTTP in, decisions out. The only crate that knows warp.
//!
//! Every process keeps a read model of its own, so replicas are added freely. What is written goes
//! to the log and nowhere else; what is read comes from the read model once that holds everything
//! that was stored before the question.

mod app;
mod auth;
mod call;
mod callers;
mod currency;
mod document;
mod edge;
mod error;
mod fresh;
mod incoming;
pub mod ops;
mod problem;
pub mod projection;
mod reads;
mod routes;
mod serve;
mod server;
mod settings;
mod tls;
mod views;

pub use crate::{
    error::Error,
    server::{Readiness, Server, run},
    settings::{Api, DEFAULTS, InvalidSettings, Settings},
};
