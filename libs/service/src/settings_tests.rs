//! Tests of the layers and of what their errors say.
