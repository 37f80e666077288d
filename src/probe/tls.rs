//! Offering one version of TLS, and TLS as a means of asking.
//!
//! Old versions are offered with a hello written by hand: no library that is fit for anything else still
//! speaks them, and the server's first answer is all that counts. Sources: RFC 2246, 4346, 5246 and 8446,
//! 4.1.2 and 4.1.3.

use std::io::{Read, Write};
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, ServerConfig, SignatureScheme};

use super::http::NoAnswer;
use super::spec::TlsVersion;

/// What became of an offer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Offered {
    /// The server chose this version (the two bytes of the protocol).
    Chosen(u16),
    /// The server refused the version: alert 70, `protocol_version`.
    Refused,
    /// Another alert.
    Alert(u8),
}

impl TlsVersion {
    /// The two bytes of the protocol.
    pub(super) const fn code(self) -> u16 {
        match self {
            Self::V1_0 => 0x0301,
            Self::V1_1 => 0x0302,
            Self::V1_2 => 0x0303,
            Self::V1_3 => 0x0304,
        }
    }
}

/// In a word, for people.
pub(super) fn version_word(code: u16) -> String {
    match code {
        0x0300 => "SSL 3.0".to_owned(),
        0x0301..=0x0304 => format!("TLS 1.{}", code - 0x0301),
        other => format!("version {other:#06x}"),
    }
}

const PROTOCOL_VERSION: u8 = 70;
/// `HelloRetryRequest` and `ServerHello` alike fit; RFC 8446, 5.1: a record holds at most 16 KiB.
const RECORD_BYTES_MAX: usize = 1 << 14;

/// Common suites of every version with both kinds of keys, so that a refusal is about the version.
const SUITES: [u16; 18] = [
    0x1301, 0x1302, 0x1303, // TLS 1.3
    0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8, // ECDHE with authenticated encryption
    0xc009, 0xc013, 0xc00a, 0xc014, // ECDHE with AES-CBC and SHA-1
    0x009c, 0x009d, 0x002f, 0x0035, 0x000a, // RSA
];

fn vector(wide: bool, content: &[u8]) -> Vec<u8> {
    let len = content.len() as u16;
    let mut bytes = if wide { len.to_be_bytes().to_vec() } else { vec![len.to_be_bytes()[1]] };
    bytes.extend_from_slice(content);
    bytes
}

fn hello(version: TlsVersion) -> Vec<u8> {
    let mut extensions = Vec::new();
    let mut extension = |kind: u16, content: Vec<u8>| {
        extensions.extend_from_slice(&kind.to_be_bytes());
        extensions.extend(vector(true, &content));
    };
    let name = [&[0u8][..], &vector(true, b"localhost")].concat();
    extension(0, vector(true, &name));
    extension(10, vector(true, &[0x00, 0x1d, 0x00, 0x17, 0x00, 0x18]));
    extension(11, vector(false, &[0]));
    if version.code() >= TlsVersion::V1_2.code() {
        let schemes = [0x04, 0x03, 0x08, 0x04, 0x04, 0x01, 0x05, 0x03, 0x08, 0x05, 0x05, 0x01, 0x02, 0x01];
        extension(13, vector(true, &schemes));
    }
    if version == TlsVersion::V1_3 {
        extension(43, vector(false, &version.code().to_be_bytes()));
        // Any 32 bytes are a share of X25519 (RFC 7748, 5); nothing is ever derived from it.
        let share = [&[0x00, 0x1d][..], &vector(true, &[9; 32])].concat();
        extension(51, vector(true, &share));
    }
    let suites: Vec<u8> = SUITES.iter().flat_map(|suite| suite.to_be_bytes()).collect();
    // RFC 8446, 4.1.2: the version field of a hello stays at 1.2.
    let legacy = version.code().min(TlsVersion::V1_2.code());
    // Not secret, and the same every time: nothing depends on it.
    let random = [0x5a; 32];
    let body = [
        &legacy.to_be_bytes()[..],
        &random,
        &vector(false, &[]),
        &vector(true, &suites),
        &vector(false, &[0]),
        &vector(true, &extensions),
    ]
    .concat();
    let handshake = [&[1u8, 0][..], &vector(true, &body)].concat();
    [&[22u8, 0x03, 0x01][..], &vector(true, &handshake)].concat()
}

/// Sends the hello and reads the server's first record.
pub(super) fn offer(stream: &mut (impl Read + Write), version: TlsVersion) -> Result<Offered, NoAnswer> {
    let lost = |error: std::io::Error| NoAnswer::of(&error);
    stream.write_all(&hello(version)).map_err(lost)?;
    let mut head = [0u8; 5];
    stream.read_exact(&mut head).map_err(lost)?;
    let [kind, _, _, high, low] = head;
    let len = usize::from(u16::from_be_bytes([high, low]));
    if !matches!(kind, 21 | 22) || len == 0 || len > RECORD_BYTES_MAX {
        return Err(NoAnswer::Garbage("neither a handshake nor an alert of TLS".to_owned()));
    }
    let mut record = vec![0u8; len];
    stream.read_exact(&mut record).map_err(lost)?;
    match (kind, record.as_slice()) {
        (21, [_, PROTOCOL_VERSION]) => Ok(Offered::Refused),
        (21, [_, alert]) => Ok(Offered::Alert(*alert)),
        (22, hello) => server_version(hello).map(Offered::Chosen).ok_or_else(|| {
            NoAnswer::Garbage("the handshake does not begin with a whole ServerHello".to_owned())
        }),
        _ => Err(NoAnswer::Garbage("an alert of the wrong length".to_owned())),
    }
}

/// The version that a ServerHello chooses: its field, or the extension that stands for it in 1.3.
fn server_version(handshake: &[u8]) -> Option<u16> {
    let (head, rest) = handshake.split_at_checked(4)?;
    let [2, high, middle, low] = *head else { return None };
    let body = rest.get(..u32::from_be_bytes([0, high, middle, low]) as usize)?;
    let field = u16::from_be_bytes(*body.first_chunk()?);
    let session = usize::from(*body.get(34)?);
    // Session, suite, compression.
    let Some(extensions) = body.get(35 + session + 3..).filter(|rest| !rest.is_empty()) else {
        return Some(field);
    };
    let mut rest = extensions.get(2..)?;
    while !rest.is_empty() {
        let kind = u16::from_be_bytes(*rest.first_chunk()?);
        let len = usize::from(u16::from_be_bytes(*rest.get(2..)?.first_chunk()?));
        let content = rest.get(4..4 + len)?;
        if kind == 43 {
            return content.first_chunk().map(|version| u16::from_be_bytes(*version));
        }
        rest = rest.get(4 + len..)?;
    }
    Some(field)
}

/// The self-signed certificate of one run, for the component and for auxiliary servers.
pub(super) struct Identity {
    pub(super) certificate_pem: String,
    pub(super) key_pem: String,
    /// For auxiliary servers.
    pub(super) server: Arc<ServerConfig>,
    /// For asking: takes whatever certificate there is.
    pub(super) client: Arc<ClientConfig>,
}

impl Identity {
    /// Makes one for `localhost`; the text of an error says what failed.
    pub(super) fn make() -> Result<Self, String> {
        let key = rcgen::KeyPair::generate().map_err(|error| error.to_string())?;
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let parameters = rcgen::CertificateParams::new(names).map_err(|error| error.to_string())?;
        let certificate = parameters.self_signed(&key).map_err(|error| error.to_string())?;
        let provider = Arc::new(aws_lc_rs::default_provider());
        let failed = |error: rustls::Error| error.to_string();
        let private = PrivateKeyDer::try_from(key.serialize_der()).map_err(str::to_owned)?;
        let server = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(failed)?
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], private)
            .map_err(failed)?;
        let client = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(failed)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Whatever(provider)))
            .with_no_client_auth();
        Ok(Self {
            certificate_pem: certificate.pem(),
            key_pem: key.serialize_pem(),
            server: Arc::new(server),
            client: Arc::new(client),
        })
    }

    /// A connection that speaks TLS over another.
    pub(super) fn wrap<S: Read + Write>(
        &self,
        stream: S,
    ) -> Result<rustls::StreamOwned<ClientConnection, S>, NoAnswer> {
        let name = ServerName::try_from("localhost").map_err(|e| NoAnswer::Broken(e.to_string()))?;
        let connection = ClientConnection::new(Arc::clone(&self.client), name)
            .map_err(|e| NoAnswer::Broken(e.to_string()))?;
        Ok(rustls::StreamOwned::new(connection, stream))
    }
}

/// Believes every certificate: who is at the other end of a socket of the sandbox is known, and what
/// it presents is not what is probed.
#[derive(Debug)]
struct Whatever(Arc<CryptoProvider>);

impl ServerCertVerifier for Whatever {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Plays a rustls server's part for the hello.
    struct Server {
        connection: rustls::ServerConnection,
        out: Vec<u8>,
    }

    impl Read for Server {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            while self.connection.wants_write() {
                self.connection.write_tls(&mut self.out)?;
            }
            let len = buffer.len().min(self.out.len());
            for (to, from) in buffer.iter_mut().zip(self.out.drain(..len)) {
                *to = from;
            }
            Ok(len)
        }
    }

    impl Write for Server {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.connection.read_tls(&mut &bytes[..])?;
            let _ = self.connection.process_new_packets();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_real_server_takes_the_versions_that_it_knows_and_no_others() {
        let identity = Identity::make().unwrap();
        let ask = |version| {
            let connection = rustls::ServerConnection::new(Arc::clone(&identity.server)).unwrap();
            offer(&mut Server { connection, out: Vec::new() }, version)
        };
        assert_eq!(ask(TlsVersion::V1_2), Ok(Offered::Chosen(0x0303)));
        assert_eq!(ask(TlsVersion::V1_3), Ok(Offered::Chosen(0x0304)));
        // It misses an extension that old versions do not have before it looks at the version.
        assert_eq!(ask(TlsVersion::V1_1), Ok(Offered::Alert(40)));
        assert_eq!(ask(TlsVersion::V1_0), Ok(Offered::Alert(40)));
    }

    /// A server that has said everything already.
    struct Said<'a>(&'a [u8]);

    impl Read for Said<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            self.0.read(buffer)
        }
    }

    impl Write for Said<'_> {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn answers_are_told_apart() {
        let hello = |body: &[u8]| {
            let handshake = [&[2u8, 0][..], &vector(true, body)].concat();
            [&[22u8, 3, 3][..], &vector(true, &handshake)].concat()
        };
        let old = [&[3u8, 1][..], &[0; 32], &[0, 0xc0, 0x13, 0]].concat();
        for (said, expected) in [
            (vec![21, 3, 1, 0, 2, 2, 70], Ok(Offered::Refused)),
            (vec![21, 3, 1, 0, 2, 2, 40], Ok(Offered::Alert(40))),
            (hello(&old), Ok(Offered::Chosen(0x0301))),
        ] {
            assert_eq!(offer(&mut Said(&said), TlsVersion::V1_0), expected);
        }
        let huge = [&[22u8, 3, 3, 0x40, 0x01][..], &[0; 100]].concat();
        for said in [&b"HTTP/1.0 400 Bad Request\r\n"[..], &huge, &[21, 3, 1, 0, 1, 2], &hello(&old[..20])] {
            assert!(matches!(offer(&mut Said(said), TlsVersion::V1_2), Err(NoAnswer::Garbage(_))));
        }
        assert!(matches!(offer(&mut Said(b""), TlsVersion::V1_2), Err(NoAnswer::Broken(_))));
    }
}
