//! `darkroom doctor`: what is there, and what is not.
