//! Bounds on component definitions.

/// A definition in bytes: a thousand times what the largest of ours has.
pub const DEFINITION_BYTES_MAX: u64 = 1 << 20;
