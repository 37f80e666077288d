//! Every bound on untrusted input, one file for each stage, each bound with the place it comes from.
//!
//! Bounds are arguments: nothing reads them from the environment, and raising one is a decision that
//! shows in the caller's code.

pub mod archive;
pub mod compare;
pub mod component;
pub mod debian;
pub mod deployment;
pub mod evaluate;
pub mod fetch;
pub mod git;
pub mod go;
pub mod observe;
pub mod policy;
pub mod probe;
pub mod pypi;
pub mod rebuild;
pub mod report;
pub mod root_fs;
pub mod sandbox;
pub mod signature;
pub mod verify;
