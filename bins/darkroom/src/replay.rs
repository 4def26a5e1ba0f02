//! `darkroom replay`: the log, read again and held against its chain.
