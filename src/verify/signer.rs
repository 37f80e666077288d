//! Who signed.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The holder of the key that made a verified signature.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Signer {
    /// A short-lived Fulcio certificate; both values are from the certificate.
    Keyless {
        /// OpenID Connect issuer that vouched for the identity.
        issuer: String,
        /// Subject alternative name.
        identity: String,
    },
    /// A long-lived public key given by the caller or part of a trust root.
    Key {
        /// `SHA256:` and the unpadded base64 SHA-256 of the key's SubjectPublicKeyInfo, or the name under
        /// which the trust root lists it.
        id: String,
    },
    /// An OpenPGP certificate.
    OpenPgp {
        /// Fingerprint of the primary key, upper-case hexadecimal.
        fingerprint: String,
    },
    /// An SSH key from an allowed-signers file.
    Ssh {
        /// Principal that matched.
        principal: String,
        /// `SHA256:` and the unpadded base64 fingerprint.
        fingerprint: String,
    },
    /// A minisign key.
    Minisign {
        /// Key id, upper-case hexadecimal.
        key_id: String,
    },
}

impl fmt::Display for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Keyless { issuer, identity } => write!(f, "{identity} (by {issuer})"),
            Self::Key { id } => write!(f, "key {id}"),
            Self::OpenPgp { fingerprint } => write!(f, "OpenPGP {fingerprint}"),
            Self::Ssh { principal, fingerprint } => write!(f, "{principal} (SSH {fingerprint})"),
            Self::Minisign { key_id } => write!(f, "minisign {key_id}"),
        }
    }
}
