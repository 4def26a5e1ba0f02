//! stills
