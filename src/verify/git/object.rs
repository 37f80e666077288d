//! Commit and tag objects, taken apart into what is signed and the signature.
//!
//! Format: git's `Documentation/gitformat-signature.txt`. A commit carries its signature in the header
//! `gpgsig`, whose further lines begin with a space; a tag at the end of its message.

use jiff::Timestamp;

/// A commit or a tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ObjectKind {
    /// A commit.
    Commit,
    /// An annotated tag.
    Tag,
}

/// How an object is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SignatureKind {
    OpenPgp,
    Ssh,
    X509,
}

/// First lines of signatures, from git's `gpg-interface.c`.
const BEGINS: [(&str, SignatureKind); 4] = [
    ("-----BEGIN PGP SIGNATURE-----", SignatureKind::OpenPgp),
    ("-----BEGIN PGP MESSAGE-----", SignatureKind::OpenPgp),
    ("-----BEGIN SSH SIGNATURE-----", SignatureKind::Ssh),
    ("-----BEGIN SIGNED MESSAGE-----", SignatureKind::X509),
];

/// Headers that hold signatures: for SHA-1 and for SHA-256 names.
const SIGNATURE_HEADERS: [&[u8]; 2] = [b"gpgsig", b"gpgsig-sha256"];

/// An object taken apart.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Object<'a> {
    /// What is signed: the object without its signature.
    pub(super) payload: Vec<u8>,
    pub(super) signature: Option<(SignatureKind, Vec<u8>)>,
    /// Of a tag, the name inside the object.
    pub(super) tag_name: Option<&'a str>,
    /// The committer's or tagger's time.
    pub(super) time: Option<Timestamp>,
    target: Option<(&'a str, &'a str)>,
}

impl<'a> Object<'a> {
    pub(super) fn parse(kind: ObjectKind, raw: &'a [u8]) -> Result<Self, String> {
        let mut object = Self {
            payload: Vec::with_capacity(raw.len()),
            signature: None,
            tag_name: None,
            time: None,
            target: None,
        };
        let (mut target, mut target_kind) = (None, None);
        let mut signature: Option<Vec<u8>> = None;
        let mut rest = raw;
        let mut in_signature = false;
        let mut seen: Vec<&[u8]> = Vec::new();
        let body = loop {
            let end = rest.iter().position(|b| *b == b'\n').ok_or("the headers do not end")?;
            let (line, tail) = rest.split_at(end);
            let whole = rest.get(..=end).unwrap_or(rest);
            rest = tail.get(1..).unwrap_or_default();
            if line.is_empty() {
                object.payload.push(b'\n');
                break rest;
            }
            if let Some(more) = line.strip_prefix(b" ") {
                match signature.as_mut().filter(|_| in_signature) {
                    Some(signature) => {
                        signature.extend_from_slice(more);
                        signature.push(b'\n');
                    }
                    None if seen.is_empty() => return Err("it begins with a continued line".to_owned()),
                    None => object.payload.extend_from_slice(whole),
                }
                continue;
            }
            in_signature = false;
            let space = line.iter().position(|b| *b == b' ').unwrap_or(line.len());
            let (name, value) = line.split_at(space);
            let value = value.get(1..).unwrap_or_default();
            if SIGNATURE_HEADERS.contains(&name) {
                // Readers of git differ in what a second signature covers: no guess is made.
                if kind == ObjectKind::Tag || name != b"gpgsig" || signature.is_some() {
                    return Err("signature headers other than one `gpgsig` of a commit".to_owned());
                }
                in_signature = true;
                signature = Some([value, b"\n"].concat());
                continue;
            }
            let text = std::str::from_utf8(value).ok();
            let once: &[&[u8]] = match kind {
                ObjectKind::Commit => &[b"tree", b"author", b"committer"],
                ObjectKind::Tag => &[b"object", b"type", b"tag", b"tagger"],
            };
            if once.contains(&name) && seen.contains(&name) {
                return Err(format!("the header `{}` is there twice", name.escape_ascii()));
            }
            seen.push(name);
            match (kind, name) {
                (ObjectKind::Commit, b"committer") | (ObjectKind::Tag, b"tagger") => {
                    object.time = time_of(value)
                }
                (ObjectKind::Tag, b"tag") => object.tag_name = text,
                (ObjectKind::Tag, b"object") => target = text,
                (ObjectKind::Tag, b"type") => target_kind = text,
                _ => {}
            }
            object.payload.extend_from_slice(whole);
        };
        let first = match kind {
            ObjectKind::Commit => b"tree".as_slice(),
            ObjectKind::Tag => b"object",
        };
        if seen.first() != Some(&first) {
            return Err(format!("it does not begin with the header `{}`", first.escape_ascii()));
        }
        object.target = target.zip(target_kind);
        let body = match kind {
            ObjectKind::Commit => body,
            ObjectKind::Tag => {
                let (message, at_end) = split_message(body)?;
                signature = at_end.map(<[u8]>::to_vec);
                message
            }
        };
        object.payload.extend_from_slice(body);
        object.signature = match signature {
            None => None,
            Some(bytes) => {
                let kind = BEGINS.iter().find(|(begin, _)| bytes.starts_with(begin.as_bytes()));
                let (_, kind) = kind.ok_or("a signature of an unknown kind")?;
                Some((*kind, bytes))
            }
        };
        Ok(object)
    }

    /// The commit that a tag points to.
    pub(super) fn tagged_commit(&self) -> Option<String> {
        let (id, kind) = self.target?;
        (kind == "commit" && id.len() >= 40 && id.bytes().all(|b| b.is_ascii_hexdigit()))
            .then(|| id.to_owned())
    }
}

/// A tag's message and the signature behind it. git takes the last line that begins a signature; a message
/// with several is refused here, since what is shown and what is signed would differ between readers.
fn split_message(body: &[u8]) -> Result<(&[u8], Option<&[u8]>), String> {
    let begins = |at: usize| {
        let line = body.get(at..).unwrap_or_default();
        BEGINS.iter().any(|(begin, _)| line.starts_with(begin.as_bytes()))
    };
    let starts = std::iter::once(0).chain(memchr::memchr_iter(b'\n', body).map(|i| i + 1));
    let mut found = starts.filter(|at| begins(*at));
    match (found.next(), found.next()) {
        (None, _) => Ok((body, None)),
        (Some(at), None) => {
            let (message, signature) = body.split_at(at);
            Ok((message, Some(signature)))
        }
        (Some(_), Some(_)) => Err("several signatures in one tag".to_owned()),
    }
}

/// `Name <mail> SECONDS ZONE`.
fn time_of(person: &[u8]) -> Option<Timestamp> {
    let after = person.iter().rposition(|b| *b == b'>')?;
    let text = std::str::from_utf8(person.get(after + 1..)?).ok()?;
    Timestamp::from_second(text.split_ascii_whitespace().next()?.parse().ok()?).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    const HEAD: &str = "tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\nauthor A <a@b> 1 +0000\n";
    const SIG: &str = "gpgsig -----BEGIN SSH SIGNATURE-----\n AAAA\n \n -----END SSH SIGNATURE-----\n";
    const TAG: &str = "object 4b825dc642cb6eb9a060e54bf8d69288fbee4904\ntype commit\ntag v1\ntagger A <a@b> 1700000000 +0000\n\n";

    #[track_caller]
    fn check(kind: ObjectKind, raw: &str, expect: Result<(&str, Option<&str>), &str>) {
        match (Object::parse(kind, raw.as_bytes()), expect) {
            (Ok(object), Ok((payload, signature))) => {
                assert_eq!(String::from_utf8(object.payload).unwrap(), payload);
                assert_eq!(object.signature.map(|s| String::from_utf8(s.1).unwrap()).as_deref(), signature);
            }
            (Err(e), Err(part)) => assert!(e.contains(part), "{e}"),
            (found, expect) => panic!("{found:?}, expected {expect:?}"),
        }
    }

    #[test]
    fn commits() {
        use ObjectKind::Commit;
        let sig = "-----BEGIN SSH SIGNATURE-----\nAAAA\n\n-----END SSH SIGNATURE-----\n";
        check(Commit, &format!("{HEAD}\nmsg\n"), Ok((&format!("{HEAD}\nmsg\n"), None)));
        check(Commit, &format!("{HEAD}{SIG}\nmsg\n"), Ok((&format!("{HEAD}\nmsg\n"), Some(sig))));
        // What follows a signature in the headers is signed; a continued line of another header too.
        let merged = "mergetag object x\n -----BEGIN PGP SIGNATURE-----\n y\n";
        check(
            Commit,
            &format!("{HEAD}{SIG}{merged}\nmsg\n"),
            Ok((&format!("{HEAD}{merged}\nmsg\n"), Some(sig))),
        );
        // A signature in the message is text.
        let text = "-----BEGIN SSH SIGNATURE-----\n";
        check(Commit, &format!("{HEAD}\n{text}"), Ok((&format!("{HEAD}\n{text}"), None)));
        check(Commit, &format!("{HEAD}{SIG}{SIG}\nmsg"), Err("other than one"));
        check(
            Commit,
            &format!("{HEAD}{SIG}{}\nmsg", SIG.replace("gpgsig", "gpgsig-sha256")),
            Err("other than one"),
        );
        check(Commit, &format!("{HEAD}gpgsig hello\n\nmsg"), Err("unknown kind"));
        check(Commit, &format!("{HEAD}tree 00\n\nmsg"), Err("twice"));
        check(Commit, &format!("{SIG}{HEAD}"), Err("do not end"));
        check(Commit, " x\n\n", Err("continued"));
        check(Commit, "parent x\n\n", Err("begin with the header"));
        check(Commit, "", Err("do not end"));
    }

    #[test]
    fn tags() {
        use ObjectKind::Tag;
        let sig = "-----BEGIN PGP SIGNATURE-----\n\nAAAA\n-----END PGP SIGNATURE-----\n";
        check(Tag, &format!("{TAG}msg\n"), Ok((&format!("{TAG}msg\n"), None)));
        check(Tag, &format!("{TAG}msg\n{sig}"), Ok((&format!("{TAG}msg\n"), Some(sig))));
        check(Tag, &format!("{TAG}{sig}"), Ok((TAG, Some(sig))));
        check(Tag, &format!("{TAG}msg {sig}"), Ok((&format!("{TAG}msg {sig}"), None)));
        check(Tag, &format!("{TAG}{sig}{sig}"), Err("several"));
        check(Tag, &TAG.replace("\n\n", &format!("\n{SIG}\n")), Err("other than one"));
        check(Tag, &TAG.replace("tagger", "tag"), Err("twice"));
        let tag = Object::parse(Tag, TAG.as_bytes()).unwrap();
        assert_eq!(tag.tag_name, Some("v1"));
        assert_eq!(tag.time.unwrap().as_second(), 1_700_000_000);
        assert_eq!(tag.tagged_commit().unwrap().len(), 40);
        let tree = TAG.replace("type commit", "type tree");
        assert_eq!(Object::parse(Tag, tree.as_bytes()).unwrap().tagged_commit(), None);
    }
}
