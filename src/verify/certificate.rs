//! What a Fulcio certificate claims. Reading it checks nothing: a chain, a time and a log do.
//!
//! Extensions are those of the Fulcio object identifier registry, `1.3.6.1.4.1.57264.1.<n>`: numbers
//! 1 to 6 hold raw UTF-8, numbers from 8 on a DER UTF8String.

use std::collections::BTreeMap;

use jiff::Timestamp;
use x509_cert::Certificate as X509;
use x509_cert::der::asn1::Utf8StringRef;
use x509_cert::der::{Decode as _, Encode as _};
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

const FULCIO_ARC: &str = "1.3.6.1.4.1.57264.1.";
/// [`FULCIO_ARC`] in DER; one more octet names an extension below 128, and there are none above.
const FULCIO_ARC_DER: &[u8] = &[0x2b, 6, 1, 4, 1, 0x83, 0xbf, 0x30, 1];
/// id-ce-subjectAltName (RFC 5280, 4.2.1.6) in DER.
const SUBJECT_ALT_NAME_DER: &[u8] = &[0x55, 0x1d, 0x11];
/// Fulcio's other name for a user name, `1.3.6.1.4.1.57264.1.7`.
const OTHER_NAME_NUMBER: u32 = 7;

/// Name, number of every Fulcio extension that a policy can speak about.
pub const CLAIMS: &[(&str, u32)] = &[
    ("issuer", 8),
    ("build-signer-uri", 9),
    ("build-signer-digest", 10),
    ("runner-environment", 11),
    ("source-repository-uri", 12),
    ("source-repository-digest", 13),
    ("source-repository-ref", 14),
    ("source-repository-identifier", 15),
    ("source-repository-owner-uri", 16),
    ("source-repository-owner-identifier", 17),
    ("build-config-uri", 18),
    ("build-config-digest", 19),
    ("build-trigger", 20),
    ("run-invocation-uri", 21),
    ("source-repository-visibility", 22),
    ("deployment-environment", 23),
    ("github-workflow-trigger", 2),
    ("github-workflow-sha", 3),
    ("github-workflow-name", 4),
    ("github-workflow-repository", 5),
    ("github-workflow-ref", 6),
    ("issuer-v1", 1),
];

/// Claims of one certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    identity: String,
    identity_is_uri: bool,
    issuer_organization: Option<String>,
    extensions: BTreeMap<u32, String>,
    not_before: Timestamp,
    not_after: Timestamp,
    key_der: Vec<u8>,
    issuer_der: Vec<u8>,
}

impl Certificate {
    /// Reads a DER certificate. A subject alternative name is required, as Fulcio always writes one.
    pub(crate) fn from_der(der: &[u8]) -> Result<Self, String> {
        let certificate = X509::from_der(der).map_err(|e| format!("the certificate is malformed: {e}"))?;
        let tbs = certificate.tbs_certificate();
        let mut extensions = BTreeMap::new();
        let mut names = None;
        for extension in tbs.extensions().map_or(&[][..], |list| list.as_slice()) {
            let oid = extension.extn_id.as_bytes();
            let bytes = extension.extn_value.as_bytes();
            if oid == SUBJECT_ALT_NAME_DER {
                names = Some(
                    SubjectAltName::from_der(bytes)
                        .map_err(|e| format!("the subject alternative name is malformed: {e}"))?,
                );
            }
            let Some(&[number]) = oid.strip_prefix(FULCIO_ARC_DER).filter(|n| n.first() < Some(&0x80)) else {
                continue;
            };
            let number = u32::from(number);
            let value = if number < OTHER_NAME_NUMBER {
                std::str::from_utf8(bytes).map(str::to_owned).map_err(|e| e.to_string())
            } else {
                Utf8StringRef::from_der(bytes).map(|s| s.as_str().to_owned()).map_err(|e| e.to_string())
            };
            let value = value.map_err(|e| format!("extension {FULCIO_ARC}{number} is malformed: {e}"))?;
            if extensions.insert(number, value).is_some() {
                return Err(format!("extension {FULCIO_ARC}{number} appears twice"));
            }
        }
        let names = names.ok_or("the certificate has no subject alternative name")?;
        let (identity, identity_is_uri) =
            names.0.iter().find_map(identity_of).ok_or("the subject alternative name holds no identity")?;
        let time = |t: &x509_cert::time::Time| {
            Timestamp::from_second(i64::try_from(t.to_unix_duration().as_secs()).unwrap_or(i64::MAX))
                .map_err(|e| e.to_string())
        };
        Ok(Self {
            identity,
            identity_is_uri,
            issuer_organization: organization(tbs.issuer()),
            extensions,
            not_before: time(&tbs.validity().not_before)?,
            not_after: time(&tbs.validity().not_after)?,
            issuer_der: tbs.issuer().to_der().map_err(|e| e.to_string())?,
            key_der: tbs.subject_public_key_info().to_der().map_err(|e| e.to_string())?,
        })
    }

    /// The subject alternative name: a URI, an e-mail address, or Fulcio's other name.
    pub fn identity(&self) -> &str {
        &self.identity
    }

    /// Whether [`Certificate::identity`] is a URI.
    pub const fn identity_is_uri(&self) -> bool {
        self.identity_is_uri
    }

    /// The OpenID Connect issuer (extension 8, else 1).
    pub fn issuer(&self) -> Option<&str> {
        self.claim(8).or_else(|| self.claim(1))
    }

    /// Organisation of the authority that issued the certificate.
    pub fn issuer_organization(&self) -> Option<&str> {
        self.issuer_organization.as_deref()
    }

    /// The extension of that number.
    pub fn claim(&self, number: u32) -> Option<&str> {
        self.extensions.get(&number).map(String::as_str)
    }

    /// The extension of that name in [`CLAIMS`].
    pub fn claim_named(&self, name: &str) -> Option<&str> {
        CLAIMS.iter().find(|(n, _)| *n == name).and_then(|(_, number)| self.claim(*number))
    }

    /// First second of validity.
    pub const fn not_before(&self) -> Timestamp {
        self.not_before
    }

    /// Last second of validity.
    pub const fn not_after(&self) -> Timestamp {
        self.not_after
    }

    /// DER of the issuing authority's name.
    pub(crate) fn issuer_der(&self) -> &[u8] {
        &self.issuer_der
    }

    /// The key as DER SubjectPublicKeyInfo.
    pub fn key_der(&self) -> &[u8] {
        &self.key_der
    }
}

/// Where a claim stands, for [`super::Check::from`].
pub(crate) fn place(number: u32) -> String {
    format!("certificate extension {FULCIO_ARC}{number}")
}

fn identity_of(name: &GeneralName) -> Option<(String, bool)> {
    match name {
        GeneralName::UniformResourceIdentifier(uri) => Some((uri.to_string(), true)),
        GeneralName::Rfc822Name(address) => Some((address.to_string(), false)),
        GeneralName::OtherName(other)
            if other.type_id.to_string() == format!("{FULCIO_ARC}{OTHER_NAME_NUMBER}") =>
        {
            other.value.decode_as::<Utf8StringRef<'_>>().ok().map(|s| (s.as_str().to_owned(), false))
        }
        _ => None,
    }
}

fn organization(name: &x509_cert::name::Name) -> Option<String> {
    name.iter_rdn()
        .flat_map(|rdn| rdn.iter())
        .find(|attribute| attribute.oid.to_string() == "2.5.4.10")
        .and_then(|attribute| {
            let value = &attribute.value;
            value
                .decode_as::<Utf8StringRef<'_>>()
                .map(|s| s.as_str().to_owned())
                .or_else(|_| {
                    value
                        .decode_as::<x509_cert::der::asn1::PrintableStringRef<'_>>()
                        .map(|s| s.as_str().to_owned())
                })
                .ok()
        })
}

/// DER of a certificate's subject name.
pub(crate) fn subject_der(der: &[u8]) -> Option<Vec<u8>> {
    X509::from_der(der).ok()?.tbs_certificate().subject().to_der().ok()
}
