//! From what was seen to what it means: the register of findings, and each finding's standing in one
//! release.
//!
//! [`register`] is what people write about findings in `policies/`, [`evidence`] what would show
//! something and what was seen; [`look`] answers what needs no running program, from the release's
//! authenticated [`source`] and from clones of a [`repository`]; [`standing`] derives what the machine
//! shows beside what people say; [`history`] keeps what was seen of earlier releases.
//! [`control`] does for the security model what those do for findings. A [`policy`] decides what all of it
//! leads to, and a [`waiver`] is an exception to that with an end.

pub mod control;
pub mod definition;
pub mod evidence;
pub mod history;
pub mod look;
pub mod policy;
pub mod probed;
pub mod register;
pub mod repository;
pub mod source;
pub mod standing;
pub mod waiver;
