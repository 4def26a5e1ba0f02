//! The personal fields of jobs and accounts: sealed on the way into events, opened on the way out.
