//! RFC 3161 tokens by hand.

use super::der::{
    ecdsa_sha256, generalized_time, integer, name, octets, oid, seq, set, sha256_algorithm, tlv,
};
use super::{Key, sha256};

const TST_INFO: &str = "1.2.840.113549.1.9.16.1.4";

/// A granted response with a token over `message`.
pub(super) fn token(key: &Key, message: &[u8], time: i64) -> Vec<u8> {
    let info = seq(&[
        integer(1),
        oid("1.3.6.1.4.1.57264.2"),
        seq(&[sha256_algorithm(), octets(&sha256(message))]),
        integer(99),
        generalized_time(time),
    ]);
    let attributes = vec![
        seq(&[oid("1.2.840.113549.1.9.3"), set(&[oid(TST_INFO)])]),
        seq(&[oid("1.2.840.113549.1.9.4"), set(&[octets(&sha256(&info))])]),
    ];
    let to_sign = set(&attributes);
    let mut implicit = to_sign.clone();
    implicit[0] = 0xa0;
    let signer = seq(&[
        integer(1),
        seq(&[name("tsa.example.invalid", "root"), integer(7)]),
        sha256_algorithm(),
        implicit,
        ecdsa_sha256(),
        octets(&key.sign(&to_sign)),
    ]);
    let signed_data = seq(&[
        integer(3),
        set(&[sha256_algorithm()]),
        seq(&[oid(TST_INFO), tlv(0xa0, &octets(&info))]),
        set(&[signer]),
    ]);
    let content = seq(&[oid("1.2.840.113549.1.7.2"), tlv(0xa0, &signed_data)]);
    seq(&[seq(&[integer(0)]), content])
}
