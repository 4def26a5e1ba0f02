//! `darkroom readmodel`: the rows, made again from the log.
