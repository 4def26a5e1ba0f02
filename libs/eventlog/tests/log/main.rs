//! The log against its in-memory twin, a real server, three of them, and their failures.

mod contract;
mod faults;
mod following;
mod guards;
mod support;
