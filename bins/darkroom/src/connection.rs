//! Where a running Darkroom is and how to speak with it: `demo.env`, or the same names in the environment.
