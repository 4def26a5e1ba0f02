//! The whole as its users meet it: real processes, servers, files and clients.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test that cannot go on should fail where it stands, and say what it was at"
)]

mod accounts;
mod audit;
mod backup;
mod bad_input;
mod browser;
mod chaos;
mod checkpoints;
mod chromium;
mod commands;
mod console;
mod deliveries;
mod deliveries_faults;
mod deliveries_receiver;
mod destinations;
mod documents;
mod drill;
mod egress;
mod egress_pages;
mod endpoint_commands;
mod endpoint_keys;
mod endpoint_terms;
mod endpoints;
mod erasure;
mod events;
mod expiry;
mod full_disk;
mod inventory;
mod isolation;
mod jobs;
mod kept_logs;
mod keys;
mod kinds;
mod malformed;
mod metadata;
mod offsite;
mod passwords;
mod premises;
mod reading;
mod receipts;
mod renderer;
mod repeats;
mod replay;
mod replicas;
mod residue;
mod restored;
mod secrets;
mod snippets;
mod subscribers;
mod tampering;
mod up;
mod uploads;
mod verify_webhook;
