//! The integration tests, one binary: each module is a topic.
#![allow(clippy::print_stderr)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout
)]

mod archives;
mod attestation_corpus;
mod cli;
mod compare_built;
mod compare_formats;
mod compare_hostile;
mod compare_mutations;
mod compare_packages;
mod compare_programs;
mod compare_stamped;
mod controls;
#[rustfmt::skip]
mod compare_table;
mod conventions;
#[cfg(feature = "openpgp")]
mod debian;
mod deployment;
mod deployment_texts;
mod explain;
mod fetch;
mod findings;
mod git_release;
mod git_server;
mod git_source;
mod go_environment;
mod go_inputs;
mod go_sums;
mod go_wheel;
mod layering;
mod module_zip;
mod observe;
mod probe;
mod python_index;
mod readme;
mod rebuild;
mod root_fs;
mod sandbox;
mod sandbox_escape;
mod server;
mod signed_tags;
mod sigstore_world;
mod small_root;
mod sources;
mod store;
#[cfg(feature = "tuf")]
mod trust_update;
mod upstream;
mod verify_attestations;
mod verify_clock;
mod verify_command;
mod verify_formats;
mod verify_git;
mod verify_logged;
mod verify_mutations;
