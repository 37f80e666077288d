//! From what was seen to what it means: the register of findings, and each finding's standing in one
//! release.
//!
//! [`register`] is what people write about findings in `policies/`, [`evidence`] what would show
//! something and what was seen; [`standing`] derives what the machine shows beside what people say.

pub mod definition;
pub mod evidence;
pub mod register;
pub mod standing;
