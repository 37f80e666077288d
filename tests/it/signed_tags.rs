//! `reprove audit` of a release whose tag is signed, in each of the three ways, and with each of them altered.

use std::fs;

use git2::{ObjectType, Oid};

use crate::git_source::Made;
use crate::sigstore_world::{ISSUER, Key, SIGNED_AT};
use crate::upstream::{Said, World, entries, good_zip};
use crate::verify_git::{self, IDENTITY, Where};

const TAG: &str = "v1.2.3";
/// Within the life of every key here.
const AS_OF: &str = "2026-06-12T00:00:00Z";

/// The text of an annotated tag, to be signed.
fn text(commit: Oid, name: &str, message: &str) -> String {
    format!("object {commit}\ntype commit\ntag {name}\ntagger A <a@b> {SIGNED_AT} +0000\n\n{message}\n")
}

/// A release with a clone whose tag can be written anew.
struct Signed {
    world: World,
    made: Made,
    options: Vec<String>,
}

impl Signed {
    /// `options` say whose signature is demanded; `files` are written for them.
    fn new(files: &[(&str, &[u8])], options: impl Fn(&dyn Fn(&str) -> String) -> Vec<String>) -> Self {
        let world = World::new(&good_zip(), "");
        for (name, bytes) in files {
            fs::write(world.path(name), bytes).unwrap();
        }
        let path = |name: &str| world.path(name).display().to_string();
        let options = options(&path);
        Self { world, made: Made::new(&entries()), options }
    }

    fn audit(&self, tag: &str, options: &[String]) -> Said {
        let id = self.made.repository.odb().unwrap().write(ObjectType::Tag, tag.as_bytes()).unwrap();
        self.made.tag(TAG, id);
        let clone = format!("o/tool={}", self.made.path().display());
        let mut all = vec!["--repository", &clone, "--as-of", AS_OF];
        all.extend(options.iter().map(String::as_str));
        let said = self.world.audit(&all);
        // Each audit remembers the tag; these are stories of their own.
        drop(fs::remove_dir_all(self.world.path("work")));
        said
    }

    /// What a good signature shows, and what becomes of it when a byte of the tag or its name is another,
    /// when somebody else signed, and when nobody did.
    fn expect(
        &self,
        sign: &dyn Fn(&str) -> String,
        code: &str,
        signer: &str,
        others: &dyn Fn(&str) -> String,
    ) {
        let commit = self.made.commit;
        let good = text(commit, TAG, "release");
        let whole = format!("{good}{}", sign(&good));
        let said = self.audit(&whole, &self.options);
        assert_eq!(said.finding(code), "established", "{:#}\n{}", said.component, said.stderr);
        assert_eq!(said.code, 3, "all but the build: {}", said.stderr);
        let signature = said.component["evidence"]["source"]["signature"].to_string();
        assert!(signature.contains("verified") && signature.contains(signer), "{signature}");

        let altered = format!("{}{}", text(commit, TAG, "another release"), sign(&good));
        let older = text(commit, "v1.2.2", "release");
        let older = format!("{older}{}", sign(&older));
        let foreign = format!("{good}{}", others(&good));
        for (what, tag, codes) in [
            ("altered", &altered, &[1][..]),
            ("another tag's", &older, &[1]),
            ("by somebody else", &foreign, &[1, 3]),
            ("unsigned", &good, &[3]),
        ] {
            let said = self.audit(tag, &self.options);
            assert!(codes.contains(&said.code), "{what}: {} {}", said.code, said.stderr);
            let signature = said.component["evidence"]["source"]["signature"].to_string();
            let shown = signature.contains("verified") && what != "another tag's";
            assert!(!shown, "{what}: {signature}");
            let blocks = said.component["blocks"].to_string();
            let told =
                ["git-", "ssh-", "openpgp-", "signature", "certificate"].iter().any(|c| blocks.contains(c));
            assert!(told, "{what}: the signature stands between this release and a pass: {blocks}");
        }
        let unasked = self.audit(&whole, &[]);
        let signature = unasked.component["evidence"]["source"]["signature"].to_string();
        assert!(!signature.contains("verified"), "nobody was named whose signature counts: {signature}");
    }
}

#[test]
fn a_tag_signed_by_certificate() {
    let (made, thief) = (verify_git::Made::new(Where::Inside), {
        let mut thief = verify_git::Made::new(Where::Inside);
        thief.thief = Some(Key::new());
        thief
    });
    let root = made.world.trusted_root().to_string();
    let signed = Signed::new(&[("root.json", root.as_bytes())], |path| {
        ["--identity", IDENTITY, "--issuer", ISSUER, "--trusted-root", &path("root.json")]
            .map(str::to_owned)
            .to_vec()
    });
    let sign = |made: &verify_git::Made, text: &str| made.sign(text.as_bytes(), &made.certificate()).0;
    signed.expect(&|text| sign(&made, text), "certificate-identity", IDENTITY, &|text| sign(&thief, text));
    let commit = signed.made.commit;
    let good = text(commit, TAG, "release");
    let other = ["--identity", "https://github.com/owner/other", "--issuer", ISSUER, "--trusted-root"];
    let mut other = other.map(str::to_owned).to_vec();
    other.push(signed.world.path("root.json").display().to_string());
    let said = signed.audit(&format!("{good}{}", sign(&made, &good)), &other);
    assert_eq!((said.code, said.finding("certificate-identity").as_str()), (1, "refuted"));
    let said = signed.audit(&good, &["--trusted-root".to_owned(), "root.json".to_owned()]);
    assert_eq!(said.code, 2, "a root without anybody who is believed by it: {}", said.stderr);
}

#[test]
fn a_tag_signed_with_an_ssh_key() {
    let key = |seed: u8| ssh_key::PrivateKey::from(ssh_key::private::Ed25519Keypair::from_seed(&[seed; 32]));
    let allowed = format!("ann@example.invalid {}\n", key(7).public_key().to_openssh().unwrap());
    let signed = Signed::new(&[("allowed", allowed.as_bytes())], |path| {
        vec!["--allowed-signers".to_owned(), path("allowed")]
    });
    let sign = |seed: u8, text: &str| {
        let over = key(seed).sign("git", ssh_key::HashAlg::Sha512, text.as_bytes()).unwrap();
        over.to_pem(ssh_key::LineEnding::LF).unwrap()
    };
    signed.expect(&|text| sign(7, text), "ssh-signature", "ann@example.invalid", &|text| sign(8, text));
}

#[cfg(feature = "openpgp")]
#[test]
fn a_tag_signed_with_an_openpgp_key() {
    use sequoia_openpgp::serialize::SerializeInto as _;

    use crate::debian::archive::{detached, key};
    let (ann, eve) = (key("ann"), key("eve"));
    let keyring = ann.clone().strip_secret_key_material().to_vec().unwrap();
    let signed =
        Signed::new(&[("keys.pgp", &keyring)], |path| vec!["--openpgp-keyring".to_owned(), path("keys.pgp")]);
    let by = ann.fingerprint().to_hex();
    signed.expect(&|text| detached(&ann, text), "openpgp-signature", &by, &|text| detached(&eve, text));
}
