//! One byte that carries meaning is changed: refused every time, and never a panic.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reprove::digest::{Digest, DigestSet};
use reprove::limits::verify::VerifyLimits;
use reprove::verdict::Verdict;
use reprove::verify::{self, Context, Subject};
use serde_json::{Value, json};

use crate::sigstore_world::{SIGNED_AT, b64};
use crate::verify_attestations::{ARTIFACT, Recipe, policy, trust};

/// xorshift64*: the same mutations in each run.
struct Dice(u64);

impl Dice {
    fn next(&mut self, below: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % below
    }

    fn flip(&mut self, bytes: &mut [u8]) {
        let at = self.next(bytes.len());
        bytes[at] ^= 1 << self.next(8);
    }
}

/// Where base64 stands whose every byte is signed, or is a signature.
const ENCODED: &[&str] = &[
    "/dsseEnvelope/payload",
    "/dsseEnvelope/signatures/0/sig",
    "/verificationMaterial/certificate/rawBytes",
    "/verificationMaterial/tlogEntries/0/canonicalizedBody",
    "/verificationMaterial/tlogEntries/0/inclusionProof/rootHash",
    "/verificationMaterial/tlogEntries/0/inclusionProof/hashes/0",
    "/verificationMaterial/tlogEntries/0/inclusionPromise/signedEntryTimestamp",
    "/verificationMaterial/tlogEntries/0/logId/keyId",
];

/// In Rekor v2 the root in the proof and the log's id say nothing: the checkpoint has both.
const MEANINGLESS_IN_V2: &[&str] = &[
    "/verificationMaterial/tlogEntries/0/inclusionProof/rootHash",
    "/verificationMaterial/tlogEntries/0/logId/keyId",
];

fn flip_encoded(place: &mut Value, dice: &mut Dice) {
    let mut bytes = STANDARD.decode(place.as_str().unwrap()).unwrap();
    dice.flip(&mut bytes);
    *place = json!(b64(&bytes));
}

/// Changes the note's text or its signature, not the name before the signature, which is a hint.
fn flip_checkpoint(place: &mut Value, dice: &mut Dice) {
    let text = place.as_str().unwrap().to_owned();
    let (body, signature) = text.split_once("\n\n").unwrap();
    if dice.next(2) == 0 {
        let mut body = body.as_bytes().to_vec();
        let at = dice.next(body.len());
        body[at] = if body[at] == b'7' { b'8' } else { b'7' };
        *place = json!(format!("{}\n\n{signature}", String::from_utf8(body).unwrap()));
    } else {
        let (name, encoded) = signature.trim_end().rsplit_once(' ').unwrap();
        let mut bytes = STANDARD.decode(encoded).unwrap();
        dice.flip(&mut bytes);
        *place = json!(format!("{body}\n\n{name} {}\n", b64(&bytes)));
    }
}

/// Changes what the timestamp authority signed, or its signature at the end.
fn flip_timestamp(place: &mut Value, imprint: &[u8], dice: &mut Dice) {
    let mut bytes = STANDARD.decode(place.as_str().unwrap()).unwrap();
    let at = bytes.windows(imprint.len()).position(|w| w == imprint).unwrap();
    let (from, to) =
        if dice.next(2) == 0 { (at, at + imprint.len()) } else { (bytes.len() - 64, bytes.len()) };
    dice.flip(&mut bytes[from..to]);
    *place = json!(b64(&bytes));
}

/// Applies one mutation; gives what was changed, and the artifact.
fn mutate(bundle: &mut Value, v2: bool, dice: &mut Dice) -> (String, Vec<u8>) {
    let mut artifact = ARTIFACT.to_vec();
    loop {
        match dice.next(ENCODED.len() + 5) {
            0 => {
                dice.flip(&mut artifact);
                return ("artifact".to_owned(), artifact);
            }
            1 => {
                let path = "/verificationMaterial/tlogEntries/0/inclusionProof/checkpoint/envelope";
                flip_checkpoint(bundle.pointer_mut(path).unwrap(), dice);
                return ("checkpoint".to_owned(), artifact);
            }
            2 if v2 => {
                let signature = bundle["dsseEnvelope"]["signatures"][0]["sig"].as_str().unwrap();
                let imprint = crate::sigstore_world::sha256(&STANDARD.decode(signature).unwrap());
                let path =
                    "/verificationMaterial/timestampVerificationData/rfc3161Timestamps/0/signedTimestamp";
                flip_timestamp(bundle.pointer_mut(path).unwrap(), &imprint, dice);
                return ("timestamp".to_owned(), artifact);
            }
            3 if !v2 => {
                let seconds = SIGNED_AT + 1 + dice.next(200) as i64;
                bundle["verificationMaterial"]["tlogEntries"][0]["integratedTime"] =
                    json!(seconds.to_string());
                return ("integrated time".to_owned(), artifact);
            }
            4 => {
                let index = 1 + dice.next(1000);
                bundle["verificationMaterial"]["tlogEntries"][0]["logIndex"] = json!(index.to_string());
                return ("log index".to_owned(), artifact);
            }
            n if n >= 5 => {
                let path = ENCODED[n - 5];
                if v2 && MEANINGLESS_IN_V2.contains(&path) {
                    continue;
                }
                if let Some(place) = bundle.pointer_mut(path) {
                    flip_encoded(place, dice);
                    return (path.to_owned(), artifact);
                }
            }
            _ => {}
        }
    }
}

/// Judges `count` mutations of sound bundles of both logs; gives those that were accepted.
pub(crate) fn accepted_mutations(count: usize) -> Vec<String> {
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    let limits = VerifyLimits::DEFAULT;
    let policy = policy();
    let recipes = [Recipe::new(), Recipe::v2()];
    let worlds = recipes.map(|recipe| (recipe.v2, recipe.bundle(), trust(&recipe.world)));
    let mut accepted = Vec::new();
    for number in 0..count {
        let (v2, sound, trust) = &worlds[number % 2];
        let mut bundle = sound.clone();
        let (what, artifact) = mutate(&mut bundle, *v2, &mut dice);
        let Ok(attestations) = verify::document::read(bundle.to_string().as_bytes(), "b", &limits) else {
            continue;
        };
        let as_of = jiff::Timestamp::from_second(SIGNED_AT + 1_000_000).unwrap();
        let context = Context { trust, policy: &policy, log_entries: &[], as_of, limits: &limits };
        let subject = Subject {
            name: "artifact".to_owned(),
            is_file_name: true,
            digests: DigestSet::single(Digest::sha256(&artifact)),
            bytes: None,
        };
        if verify::verify(&[subject], &attestations, &context)[0].verdict == Verdict::Pass {
            accepted.push(format!("{number}: {what} (log v{})", 1 + u8::from(*v2)));
        }
    }
    accepted
}

#[test]
fn two_thousand_changed_bytes_are_refused() {
    let accepted = accepted_mutations(2000);
    assert!(accepted.is_empty(), "{accepted:#?}");
}

#[test]
fn no_damage_to_the_text_of_a_document_panics() {
    let mut dice = Dice(7);
    let limits = VerifyLimits::DEFAULT;
    let recipe = Recipe::v2();
    let (trust, policy, text) = (trust(&recipe.world), policy(), recipe.bundle().to_string());
    for _ in 0..500 {
        let mut bytes = text.clone().into_bytes();
        for _ in 0..=dice.next(3) {
            dice.flip(&mut bytes);
        }
        bytes.truncate(1 + dice.next(bytes.len() * 2).min(bytes.len() - 1));
        if let Ok(attestations) = verify::document::read(&bytes, "b", &limits) {
            let as_of = jiff::Timestamp::from_second(SIGNED_AT + 1_000_000).unwrap();
            let context =
                Context { trust: &trust, policy: &policy, log_entries: &[], as_of, limits: &limits };
            let _ = verify::verify_alone(&attestations, &context);
        }
    }
}
