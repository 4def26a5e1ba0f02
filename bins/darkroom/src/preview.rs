//! `darkroom preview`: one file through the running system, with everybody watching.
