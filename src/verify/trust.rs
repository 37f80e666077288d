//! What verification starts from: Sigstore roots, public keys, registry keys, trusted builders.
//!
//! Nothing is fetched. The defaults are embedded in the program and are data under `policies/trust/`.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::OnceLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde::Deserialize;
use sigstore_crypto::{Keyring, SigningScheme};
use sigstore_trust_root::{SigstoreInstance, TransparencyLog, TrustedRoot};
use sigstore_types::{Artifact, Bundle};
use sigstore_verify::{Policy, VerificationResult, Verifier};

use super::builders::Builders;
use super::error::VerifyError;
use super::policy::{PolicyError, toml_text};
use super::public_key::PublicKey;

const NPM_KEYS: &str = include_str!("../../policies/trust/npm-keys.toml");
const CLOUD_BUILD_KEYS: &str = include_str!("../../policies/trust/google-cloud-build-keys.toml");

/// One Sigstore instance: its certificate authorities, logs and timestamp authorities.
pub struct SigstoreRoot {
    name: String,
    root: TrustedRoot,
    verifier: Verifier,
    /// Names of the authorities, read when there are several instances to choose from.
    authorities: OnceLock<Vec<Vec<u8>>>,
}

impl std::fmt::Debug for SigstoreRoot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SigstoreRoot").field("name", &self.name).finish_non_exhaustive()
    }
}

impl SigstoreRoot {
    /// Reads a `trusted_root.json`.
    ///
    /// # Errors
    /// Malformed, or holding keys and certificates that cannot be used.
    pub fn from_json(name: &str, json: &str) -> Result<Self, VerifyError> {
        let bad = |reason: String| VerifyError::TrustRoot { source_name: name.to_owned(), reason };
        let root = TrustedRoot::from_json(json).map_err(|e| bad(e.to_string()))?;
        Self::from_root(name, root)
    }

    /// The public Sigstore instance, as embedded in this program.
    ///
    /// # Errors
    /// Never with an unmodified build.
    pub fn public_good() -> Result<Self, VerifyError> {
        Self::embedded("sigstore.dev", SigstoreInstance::PublicGood)
    }

    /// The staging instance, as embedded in this program.
    ///
    /// # Errors
    /// Never with an unmodified build.
    pub fn staging() -> Result<Self, VerifyError> {
        Self::embedded("sigstage.dev", SigstoreInstance::Staging)
    }

    /// GitHub's own instance for private repositories, as embedded in this program.
    ///
    /// # Errors
    /// Never with an unmodified build.
    pub fn github() -> Result<Self, VerifyError> {
        Self::embedded("GitHub", SigstoreInstance::GitHub)
    }

    fn embedded(name: &str, instance: SigstoreInstance) -> Result<Self, VerifyError> {
        let root = TrustedRoot::from_embedded(instance)
            .map_err(|e| VerifyError::TrustRoot { source_name: name.to_owned(), reason: e.to_string() })?;
        Self::from_root(name, root)
    }

    fn from_root(name: &str, root: TrustedRoot) -> Result<Self, VerifyError> {
        let bad = |reason: String| VerifyError::TrustRoot { source_name: name.to_owned(), reason };
        let verifier = Verifier::new(&root).map_err(|e| bad(e.to_string()))?;
        Ok(Self { name: name.to_owned(), root, verifier, authorities: OnceLock::new() })
    }

    /// The name under which answers mention it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it has transparency logs; GitHub's private instance has none.
    pub fn has_logs(&self) -> bool {
        !self.root.tlogs.is_empty()
    }

    /// Whether it has certificate transparency logs.
    pub fn has_certificate_logs(&self) -> bool {
        !self.root.ctlogs.is_empty()
    }

    /// Certificates of the authorities that count at that time, roots and intermediates alike, as Sigstore's
    /// own clients take them.
    pub(crate) fn authorities_at(&self, time: Timestamp) -> impl Iterator<Item = &[u8]> {
        self.root
            .certificate_authorities
            .iter()
            .filter(move |authority| authority.valid_for.is_none_or(|window| window.contains(time)))
            .flat_map(|authority| &authority.cert_chain.certificates)
            .map(|certificate| certificate.raw_bytes.as_bytes())
    }

    /// Keys of the transparency logs with their times.
    pub(crate) fn log_keys(&self) -> Result<Keyring, String> {
        self.root.rekor_keys().map_err(|e| e.to_string())
    }

    /// Keys of the certificate logs that sign in that way.
    pub(crate) fn certificate_log_keys(&self, scheme: SigningScheme) -> Result<Keyring, String> {
        self.root.ctfe_keys(scheme).map_err(|e| e.to_string())
    }

    /// Verifies a bundle with the logs that have begun to count by `as_of`. The library leaves out those that
    /// have not begun by the machine's clock.
    pub(crate) fn verify(
        &self,
        artifact: Artifact<'_>,
        bundle: &Bundle,
        policy: &dyn Policy,
        as_of: Timestamp,
    ) -> Result<VerificationResult, sigstore_verify::Error> {
        let has_begun = |log: &TransparencyLog| {
            log.public_key.valid_for.is_none_or(|window| window.has_started_by(as_of))
        };
        if self.root.tlogs.iter().all(has_begun) {
            return self.verifier.verify(artifact, bundle, policy);
        }
        let mut root = self.root.clone();
        root.tlogs.retain(has_begun);
        Verifier::new(&root)?.verify(artifact, bundle, policy)
    }

    /// Whether one of its authorities bears that name.
    pub(crate) fn issues(&self, issuer_der: &[u8]) -> bool {
        let names = || {
            let certificates = self.root.fulcio_certs();
            certificates.iter().filter_map(|der| super::certificate::subject_der(der.as_bytes())).collect()
        };
        self.authorities.get_or_init(names).iter().any(|subject| subject == issuer_der)
    }

    pub(crate) fn knows_log(&self, key_id: &[u8]) -> bool {
        self.root.tlogs.iter().any(|log| log.log_id.key_id.as_bytes() == key_id)
    }
}

/// A key that the caller trusts, with the identifier by which envelopes may refer to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustedKey {
    /// What an envelope's `keyid` must be where it is present; the SSH fingerprint unless the caller
    /// says otherwise.
    pub id: String,
    /// Whether the caller chose `id`.
    pub id_is_given: bool,
    /// The key.
    pub key: PublicKey,
}

impl TrustedKey {
    /// A key under its fingerprint.
    pub fn new(key: PublicKey) -> Self {
        Self { id: key.ssh_fingerprint(), id_is_given: false, key }
    }

    /// Whether an envelope's `keyid` means this key: its identifier, or where the caller chose none
    /// one of its fingerprints, which name the same bytes.
    pub(crate) fn is_called(&self, key_id: &str) -> bool {
        self.id == key_id
            || (!self.id_is_given && (self.key.fingerprint() == key_id || self.key.id() == key_id))
    }

    /// A key under a name that envelopes use for it.
    pub fn named(key: PublicKey, id: impl Into<String>) -> Self {
        Self { id: id.into(), id_is_given: true, key }
    }
}

/// Keys by the names that documents use for them: given ones, or a list that is built in and read when it is
/// first asked for.
#[derive(Debug, Clone)]
pub struct NamedKeys {
    embedded: Option<(&'static str, &'static str, &'static str)>,
    keys: OnceLock<BTreeMap<String, PublicKey>>,
}

impl NamedKeys {
    const fn embedded(file: &'static str, text: &'static str, usage: &'static str) -> Self {
        Self { embedded: Some((file, text, usage)), keys: OnceLock::new() }
    }
}

impl Deref for NamedKeys {
    type Target = BTreeMap<String, PublicKey>;

    /// The keys. A test reads the lists that are built in; one that could not be read would name nobody, so
    /// that what its keys signed is refused.
    fn deref(&self) -> &Self::Target {
        self.keys.get_or_init(|| match self.embedded {
            Some((file, text, usage)) => keys_from_toml(file, text, usage).unwrap_or_default(),
            None => BTreeMap::new(),
        })
    }
}

impl From<BTreeMap<String, PublicKey>> for NamedKeys {
    fn from(keys: BTreeMap<String, PublicKey>) -> Self {
        Self { embedded: None, keys: OnceLock::from(keys) }
    }
}

/// Everything that verification starts from.
#[derive(Debug)]
pub struct Trust {
    /// Sigstore instances; a certificate is checked against the one whose authority issued it.
    pub sigstore: Vec<SigstoreRoot>,
    /// Keys that the caller named.
    pub keys: Vec<TrustedKey>,
    /// The npm registry's attestation keys by identifier.
    pub npm_keys: NamedKeys,
    /// Google Cloud Build's keys by region or global name.
    pub cloud_build_keys: NamedKeys,
    /// Builders whose provenance is believed.
    pub builders: Builders,
}

impl Trust {
    /// The embedded defaults: Sigstore's public instance and GitHub's, npm's and Cloud Build's keys,
    /// and the builders of `policies/trust/builders.toml`.
    ///
    /// # Errors
    /// Never with an unmodified build.
    pub fn embedded() -> Result<Self, VerifyError> {
        Ok(Self::from_roots(vec![SigstoreRoot::public_good()?, SigstoreRoot::github()?]))
    }

    /// The embedded defaults but for the Sigstore instances, which are these.
    pub fn from_roots(sigstore: Vec<SigstoreRoot>) -> Self {
        Self {
            sigstore,
            keys: Vec::new(),
            npm_keys: NamedKeys::embedded("policies/trust/npm-keys.toml", NPM_KEYS, "attestations"),
            cloud_build_keys: NamedKeys::embedded(
                "policies/trust/google-cloud-build-keys.toml",
                CLOUD_BUILD_KEYS,
                "",
            ),
            builders: Builders::embedded(),
        }
    }

    /// The same with other Sigstore roots.
    #[must_use]
    pub fn with_sigstore(mut self, roots: Vec<SigstoreRoot>) -> Self {
        self.sigstore = roots;
        self
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyFile {
    #[serde(default)]
    key: Vec<KeyEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyEntry {
    id: String,
    #[serde(default)]
    usage: String,
    spki: String,
}

/// Reads a list of keys as in `policies/trust/npm-keys.toml`; only those of that usage are taken.
///
/// # Errors
/// With file and line: unknown names, bad base64, a key of an unknown kind.
pub fn keys_from_toml(
    file: &str,
    text: &str,
    usage: &str,
) -> Result<BTreeMap<String, PublicKey>, PolicyError> {
    let raw: KeyFile = toml_text(file, text)?;
    let mut keys = BTreeMap::new();
    for entry in raw.key.into_iter().filter(|entry| entry.usage == usage) {
        let bad = |reason: String| PolicyError::at(file, text, &entry.id, reason);
        let der = STANDARD.decode(&entry.spki).map_err(|e| bad(e.to_string()))?;
        let key = PublicKey::from_der(&der, &entry.id).map_err(|e| bad(e.to_string()))?;
        if keys.insert(entry.id.clone(), key).is_some() {
            return Err(bad("this key is listed twice".to_owned()));
        }
    }
    Ok(keys)
}

#[cfg(test)]
mod tests {
    use super::{CLOUD_BUILD_KEYS, NPM_KEYS, Trust, keys_from_toml};

    #[test]
    fn the_lists_that_are_built_in_are_read() {
        let trust = Trust::from_roots(Vec::new());
        for (keys, text, usage) in
            [(&trust.npm_keys, NPM_KEYS, "attestations"), (&trust.cloud_build_keys, CLOUD_BUILD_KEYS, "")]
        {
            assert!(!keys.is_empty());
            assert_eq!(keys_from_toml("keys.toml", text, usage).as_ref().ok(), Some(&**keys));
        }
    }
}
