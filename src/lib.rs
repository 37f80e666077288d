//! Rebuilds released components from authenticated source, compares the bytes with the published
//! release, and says what was proved, disproved and not established.
//!
//! # Architecture
//!
//! Modules, in the order in which data flows; a module uses only modules above it in this list, and
//! `tests/it/layering.rs` reads the sources and names whoever breaks that.
//!
//! Vocabulary (no I/O but hashing a given file): [`digest`], [`verdict`], [`limits`], [`artifact`],
//! [`observation`], [`statement`], [`event`], [`archive`],
//! [`observe`].
//! Ground (the only shared I/O): [`store`], [`fetch`].
//! Stages: [`component`], [`deployment`], [`verify`], [`source`], [`environment`], [`rebuild`], [`compare`],
//! [`probe`], [`evaluate`], [`attest`], [`report`], [`audit`].
//!
//! Why some of it lies where it does: [`verdict`] is vocabulary because every stage answers in its words;
//! [`archive`] and [`observe`] are bounded readers of foreign bytes that the stages share; the root file
//! system belongs to [`environment`], of which it is a function; the sandbox belongs to [`rebuild`];
//! [`verify`] stands before [`source`], which believes nothing that is not signed. [`deployment`] judges
//! what users wrote and depends on no other stage. A channel (Debian's archive, a registry, …) is a
//! variant of [`component::Channel`] with a lock of its own below [`environment`] and a flow of its own
//! below [`audit`]; all flows yield one [`report::Evidence`], so that nothing after them knows channels. The command line in `src/bin/reprove/` is another crate
//! to the compiler, so that the library cannot reach up into it; there alone are the clock, the
//! environment and the terminal.
//!
//! # Invariants
//!
//! 1. The library prints nothing and reads no clock, no environment variable and no home directory:
//!    time, limits, observers and paths are arguments.
//! 2. Network only in [`fetch`], git's included. What follows the environment runs from the store. [`probe`] speaks on a
//!    sandbox's own loopback, through sockets that reach nothing else.
//! 3. Observations are values; errors are for not having observed. A failed build, a differing byte,
//!    a bad signature are results.
//! 4. Three answers. Missing evidence never becomes a pass, and nothing judged is inconclusive.
//! 5. Published and rebuilt, announced and computed cannot be swapped: roles are types.
//! 6. Bytes decide: only a byte comparison says *identical*.
//! 7. What was read from the artifact under test is listed as such in every result.
//! 8. Every bound names where it comes from.

pub mod archive;
pub mod artifact;
pub mod attest;
pub mod audit;
pub mod compare;
pub mod component;
pub mod deployment;
pub mod digest;
pub mod environment;
pub mod evaluate;
pub mod event;
pub mod fetch;
pub mod limits;
pub mod observation;
pub mod observe;
pub mod probe;
pub mod rebuild;
pub mod report;
pub mod source;
pub mod statement;
pub mod store;
pub mod verdict;
pub mod verify;
