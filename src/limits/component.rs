//! Bounds on component definitions.

/// A definition in bytes: a thousand times what the largest of ours has.
pub const DEFINITION_BYTES_MAX: u64 = 1 << 20;

/// Archives that one source is built with: the releases of the first world have one, and a sandbox has 25
/// places for mounts, of which Debian's top folders take fewer than 15.
pub const INPUTS_MAX: usize = 8;
