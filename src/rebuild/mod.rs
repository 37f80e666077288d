//! Runs a build definition over a source tree in a sealed sandbox.

pub mod sandbox;
