//! Starts a component in the sandbox, asks it, and records its answers.
//!
//! [`spec`] says what is started, asked and expected; [`answer`] what was found. A probe can tell what a
//! program answers to these requests on this machine. It cannot tell that a program that answers as if a
//! fault were mended has mended it: a wrapper around the old program that recognises the request passes.
//! What ties the program to its source is the rebuild, and whoever reads an answer needs both.

pub mod answer;
pub mod spec;
