//! Tests of the key ring file.
