//! The API as commands use it: hand in, follow, fetch.
