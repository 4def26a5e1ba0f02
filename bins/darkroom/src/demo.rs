//! `darkroom demo`: the whole story in one screen.
