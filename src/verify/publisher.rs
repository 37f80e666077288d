//! PEP 740: the attestations that PyPI distributes, and its trusted publishers.

use std::collections::BTreeSet;

use super::Check;
use super::certificate::{Certificate, place};
use super::policy::Publisher;
use super::slsa::PROVENANCE_V1;
use super::slsa::workflow::GITHUB_ISSUER;
use super::statement::ForeignStatement;

const PUBLISH: &str = "https://docs.pypi.org/attestations/publish/v1";

/// Checks what PEP 740 demands of a statement, besides the digest.
pub(crate) fn statement(statement: &ForeignStatement, artifact_name: Option<&str>, out: &mut Vec<Check>) {
    out.push(
        Check::when(
            "predicate",
            statement.predicate_type == PUBLISH || statement.predicate_type == PROVENANCE_V1,
        )
        .expected(format!("{PUBLISH} or {PROVENANCE_V1}"))
        .found(statement.predicate_type.clone())
        .from("predicateType"),
    );
    let [subject] = statement.subjects.as_slice() else {
        out.push(
            Check::refuted("distribution-name")
                .expected("one subject")
                .found(statement.subjects.len().to_string())
                .from("subject"),
        );
        return;
    };
    match artifact_name {
        Some(name) => out.push(
            Check::when(
                "distribution-name",
                normalised(name) == normalised(&subject.name) && normalised(name).is_some(),
            )
            .expected(name)
            .found(subject.name.clone())
            .from("subject[0].name")
            .next_step("the attestation is about another distribution file"),
        ),
        None => out.push(
            Check::noted("distribution-name")
                .found("only a digest is given, so that the file name was not compared"),
        ),
    }
}

/// Checks that the certificate is the publisher's.
pub(crate) fn publisher(certificate: Option<&Certificate>, demand: &Publisher, out: &mut Vec<Check>) {
    let Some(certificate) = certificate else {
        out.push(
            Check::refuted("publisher")
                .expected("a certificate of the trusted publisher")
                .found("no certificate"),
        );
        return;
    };
    let mut equal = |code, expected: &str, found: Option<&str>, from: String| {
        out.push(
            Check::when(code, found == Some(expected))
                .expected(expected)
                .found(found.unwrap_or("none"))
                .from(from),
        );
    };
    let (host, repository, path) = match demand {
        Publisher::GitHub { repository, workflow } => {
            equal("certificate-issuer", GITHUB_ISSUER, certificate.issuer(), place(8));
            ("https://github.com", repository, format!("/.github/workflows/{workflow}"))
        }
        Publisher::GitLab { repository, workflow_path } => {
            equal("certificate-issuer", "https://gitlab.com", certificate.issuer(), place(8));
            ("https://gitlab.com", repository, format!("//{workflow_path}"))
        }
        Publisher::Google { email } => {
            equal("certificate-issuer", "https://accounts.google.com", certificate.issuer(), place(8));
            equal(
                "certificate-identity",
                email,
                Some(certificate.identity()),
                "certificate subject alternative name".to_owned(),
            );
            return;
        }
    };
    let source = format!("{host}/{repository}");
    equal("publisher-repository", &source, certificate.claim(12), place(12));
    let expected = format!("{source}{path}");
    let found = certificate.claim(18);
    let version =
        found.and_then(|uri| uri.strip_prefix(expected.as_str())).and_then(|rest| rest.strip_prefix('@'));
    let met = version.is_some_and(|v| [14, 13].iter().any(|number| certificate.claim(*number) == Some(v)));
    out.push(
        Check::when("publisher-workflow", met)
            .expected(format!("{expected}@<the ref or commit that was built>"))
            .found(found.unwrap_or("none"))
            .from(place(18))
            .next_step("the file was published by another workflow than the trusted one"),
    );
}

/// File name in one spelling; `None` for what is no wheel and no source archive.
///
/// Names are equal without regard to case and to runs of `-`, `_` and `.` (packaging.python.org, names and
/// normalization), and the tags of a wheel are sets whose order means nothing (PEP 425, compressed tag sets).
fn normalised(name: &str) -> Option<String> {
    if let Some(stem) = name.strip_suffix(".whl") {
        let parts: Vec<_> = stem.split('-').collect();
        let (head, tags) = parts.split_at_checked(parts.len().checked_sub(3)?)?;
        let (project, versions) = head.split_first()?;
        if !(1..=2).contains(&versions.len()) {
            return None;
        }
        let tags: Vec<String> = tags
            .iter()
            .map(|tag| tag.split('.').collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>().join("."))
            .collect();
        Some(format!("{}-{}-{}.whl", plain(project)?, versions.join("-"), tags.join("-")))
    } else if name.ends_with(".tar.gz") || name.ends_with(".zip") {
        let (project, rest) = name.rsplit_once('-')?;
        Some(format!("{}-{rest}", plain(project)?))
    } else {
        None
    }
}

fn plain(project: &str) -> Option<String> {
    let mut plain = String::with_capacity(project.len());
    for c in project.chars() {
        if matches!(c, '-' | '_' | '.') {
            if !plain.ends_with('_') {
                plain.push('_');
            }
        } else {
            plain.push(c.to_ascii_lowercase());
        }
    }
    (!plain.is_empty()).then_some(plain)
}

#[cfg(test)]
mod tests {
    use super::normalised;

    #[test]
    fn names_are_compared_in_one_spelling() {
        assert_eq!(normalised("Foo.Bar-1.0.tar.gz"), normalised("foo_bar-1.0.tar.gz"));
        assert_eq!(normalised("foo--bar-1.0-py3-none-any.whl"), None);
        assert_ne!(normalised("foo-1.0-py3-none-any.whl"), normalised("foo-1.1-py3-none-any.whl"));
        assert_ne!(
            normalised("rfc8785-0.1.2-py3-none-any.whl"),
            normalised("wrong_name-0.1.2-py3-none-any.whl")
        );
        assert_eq!(normalised("foo.txt"), None);
        let wheel = |platforms: &str| normalised(&format!("foo-1.0-cp310-cp310-{platforms}.whl"));
        let one = wheel("manylinux_2_17_x86_64.manylinux2014_x86_64");
        assert_eq!(one, wheel("manylinux2014_x86_64.manylinux_2_17_x86_64"));
        assert_ne!(one, wheel("manylinux2014_x86_64"));
        assert_eq!(
            normalised("Foo.Bar-1.0-1-py3-none-any.whl"),
            normalised("foo_bar-1.0-1-py3-none-any.whl")
        );
        assert_eq!(normalised("-1.0-py3-none-any.whl"), None);
        assert_eq!(normalised("py3-none-any.whl"), None);
    }
}
