//! Tests on real packages, toolchains and browsers. Each says on standard error what it needs and lacks.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr
)]

#[cfg(feature = "openpgp")]
mod audit;
#[cfg(feature = "openpgp")]
mod debian;
mod findings;
mod go;
mod go_family;
#[cfg(feature = "openpgp")]
mod go_prepared;
#[path = "../it/module_zip.rs"]
mod module_zip;
mod observe;
#[cfg(feature = "openpgp")]
mod probe;
#[cfg(feature = "openpgp")]
mod pypi;
mod report_browser;
mod report_schema;
mod root_fs;
#[path = "../it/server.rs"]
#[allow(dead_code)]
mod server;
