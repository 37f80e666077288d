//! Bounds on reading a user's configuration.

/// Bounds for one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeploymentLimits {
    /// Length of a file in bytes. Default 16 MiB: the largest generated `snmp.yml` in use has 1.5 MiB.
    pub file_bytes_max: u64,
    /// Nodes of a document, each alias counted with all that it stands for. Default 2,000,000; a document
    /// of aliases to aliases passes it at once.
    pub nodes_max: u64,
    /// Nesting. Default 100: yaml.v3, which the servers use, stops at 10,000, and their own schemas nest
    /// less than 20 deep.
    pub depth_max: usize,
}

impl DeploymentLimits {
    /// The documented defaults.
    pub const DEFAULT: Self = Self { file_bytes_max: 16 << 20, nodes_max: 2_000_000, depth_max: 100 };
}
