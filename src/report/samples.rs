//! Evidence for tests, one release for each outcome, with values as they are in the world.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::collections::BTreeMap;

use super::model::*;
use crate::artifact::ArtifactName;
use crate::compare::{Cause, Confidence, Difference, Pass, Side, Stopped};
use crate::digest::Digest;
use crate::observation::Observation;

pub(crate) fn digest(seed: &str) -> Digest {
    Digest::sha256(seed.as_bytes())
}

pub(crate) fn bytes(seed: &str, len_bytes: u64) -> Bytes {
    Bytes { digest: digest(seed), len_bytes }
}

pub(crate) fn pair(name: &str, len_bytes: u64) -> ArtifactPair {
    ArtifactPair {
        name: ArtifactName::new(name).unwrap(),
        member: None,
        unsourced: None,
        published: bytes(&format!("{name} published"), len_bytes),
        rebuilt: Some(bytes(&format!("{name} rebuilt"), len_bytes)),
        rebuilt_again: None,
        differences: Vec::new(),
        limits: Vec::new(),
        passes: Vec::new(),
    }
}

pub(crate) fn difference(
    path: &str,
    cause: Cause,
    bytes: Option<u64>,
    values: Option<(&str, &str)>,
) -> Difference {
    Difference {
        path: path.to_owned(),
        cause,
        tier: cause.tier(),
        confidence: Confidence::Exact,
        a: values.map(|v| v.0.to_owned()),
        b: values.map(|v| v.1.to_owned()),
        field: None,
        bytes,
        derived: false,
        note: None,
        hunks: Vec::new(),
        accepted: None,
    }
}

/// A release of a Debian package with authenticated source, whose build completed, without artifacts.
pub(crate) fn base(component: &str, version: &str, suite: &str, packages: usize) -> Evidence {
    let upstream = version.split('-').next().unwrap().to_owned();
    let file = |name: String, len_bytes| SourceFile {
        digest: digest(&name),
        name,
        len_bytes,
        state: FileState::Checked,
    };
    Evidence {
        release: Release {
            component: component.to_owned(),
            version: version.to_owned(),
            channel: format!("debian {suite}"),
            architecture: "amd64".to_owned(),
            purl: format!(
                "pkg:deb/debian/{component}@{}?arch=amd64&distro={suite}",
                version.replace('+', "%2B")
            ),
        },
        indexes: ["", "-security", "-updates"]
            .map(|tail| Index {
                suite: format!("{suite}{tail}"),
                date: "2026-09-05T08:00:11Z".to_owned(),
                digest: digest(&format!("InRelease {suite}{tail}")),
                signed_by: vec![
                    "A7236886F3CCCAAD148A27F80E98404D386FA1D9".to_owned(),
                    "4CB50190207B4758A3F73A796ED0E7B82643E131".to_owned(),
                ],
                kind: IndexKind::Signed,
            })
            .to_vec(),
        source: Source {
            package: component.to_owned(),
            version: version.to_owned(),
            files: vec![
                file(format!("{component}_{version}.dsc"), 4_215),
                file(format!("{component}_{upstream}.orig.tar.gz"), 5_462_113),
                file(format!("{component}_{version}.debian.tar.xz"), 28_244),
            ],
            signature: SourceSignature::Verified {
                by: vec![Signer {
                    fingerprint: "05AB5A9BD9E5A9FE9B6AB2A13A8CE7D3B8B4A9C1".to_owned(),
                    name: Some("A Maintainer <maintainer@example.invalid>".to_owned()),
                }],
            },
        },
        environment: Environment {
            lock: Some(digest("lock")),
            packages: (0..packages)
                .map(|i| Package {
                    name: format!("{}-{i}", ["gcc-12", "libc6-dev", "golang-1.19-go", "debhelper"][i % 4]),
                    version: format!("12.2.0-{i}+deb12u1"),
                    architecture: if i % 4 == 3 { "all" } else { "amd64" }.to_owned(),
                    len_bytes: 18_811 + 7_919 * i as u64,
                    digest: digest(&format!("package {i}")),
                    purl: None,
                })
                .collect(),
            missing: Vec::new(),
            toolchain: BTreeMap::from(
                [
                    ("gcc", "gcc (Debian 12.2.0-14+deb12u1) 12.2.0"),
                    ("vendor", "Debian"),
                    (
                        "dpkg-buildflags CFLAGS",
                        "-g -O2 -fstack-protector-strong -Wformat -Werror=format-security",
                    ),
                ]
                .map(|(k, v)| (k.to_owned(), v.to_owned())),
            ),
            build: Some(Build {
                path: format!("/build/reproducible-path/{component}-{upstream}"),
                source_date_epoch: 1_780_000_000,
                env: BTreeMap::from(
                    [
                        ("DEB_BUILD_OPTIONS", "nocheck parallel=2"),
                        ("LC_ALL", "C.UTF-8"),
                        ("PATH", "/usr/bin:/bin"),
                    ]
                    .map(|(k, v)| (k.to_owned(), v.to_owned())),
                ),
                commands: vec![
                    ["dpkg-buildpackage", "-us", "-uc", "-B", "-rfakeroot"].map(str::to_owned).to_vec(),
                ],
                preparation: None,
            }),
        },
        rebuild: Rebuild {
            result: BuildResult::Completed {},
            isolation: vec!["network off".to_owned(), "root file system read-only".to_owned()],
            varied: Vec::new(),
            log_tail: Vec::new(),
        },
        artifacts: Vec::new(),
        unpublished: Vec::new(),
        containers: Vec::new(),
        checks: Vec::new(),
        observations: Vec::new(),
        not_looked: Vec::new(),
        again: vec![
            "git clone <this repository> && make".to_owned(),
            format!("reprove rebuild {component}"),
            format!("sha256sum {component}_{version}_amd64.deb"),
        ],
    }
}

pub(crate) fn identical() -> Evidence {
    let mut e = base("prometheus", "2.42.0+ds-5+deb12u1", "bookworm", 60);
    let mut p = pair("prometheus_2.42.0+ds-5+deb12u1_amd64.deb", 24_117_248);
    p.rebuilt = Some(p.published.clone());
    e.artifacts.push(p);
    e
}

pub(crate) fn identifiers_only() -> Evidence {
    let mut e = base("libcue", "2.2.1-4+deb12u1", "bookworm", 12);
    let mut dev = pair("libcue-dev_2.2.1-4+deb12u1_amd64.deb", 11_020);
    dev.rebuilt = Some(dev.published.clone());
    let mut p = pair("libcue2_2.2.1-4+deb12u1_amd64.deb", 20_436);
    let library = "data.tar/./usr/lib/x86_64-linux-gnu/libcue.so.2.2.1";
    let mut sums = difference("control.tar/./md5sums", Cause::ChecksumManifest, Some(32), None);
    sums.derived = true;
    p.differences = vec![
        sums,
        difference(
            library,
            Cause::ElfBuildId,
            Some(20),
            Some(("31c1f3b5ad8fb1c22dd5ce6a5b5ae6ed1cf1b16c", "9ac0de1b21a5b7b0f0f6f2a1d4a1b7ecbb2c6d10")),
        ),
        difference(library, Cause::ElfDebuglink, Some(8), None),
    ];
    p.passes = vec![Pass { id: "elf-build-id".to_owned(), version: 1 }];
    e.artifacts = vec![dev, p];
    e
}

pub(crate) fn recorded_inputs_only() -> Evidence {
    let mut e = base("prometheus", "2.53.3+ds1-2", "trixie", 12);
    let mut p = pair("prometheus_2.53.3+ds1-2_amd64.deb", 30_202_112);
    let mut d = difference(
        "control.tar/./control",
        Cause::VersionString,
        None,
        Some(("docker.io (= 26.1.5+dfsg1-9)", "docker.io (= 26.1.5+dfsg1-9+deb13u1)")),
    );
    d.field = Some("Static-Built-Using".to_owned());
    p.differences = vec![d];
    e.artifacts.push(p);
    e
}

pub(crate) fn different() -> Evidence {
    let mut e = base("sl", "5.02-1+b1", "bookworm", 12);
    let mut p = pair("sl_5.02-1+b1_amd64.deb", 13_308);
    let mut code = difference("data.tar/./usr/games/sl", Cause::ElfCode, Some(3_112), None);
    code.field = Some(".text".to_owned());
    let mut depends = difference(
        "control.tar/./control",
        Cause::Content,
        None,
        Some(("libc6 (>= 2.2.5)", "libc6 (>= 2.34)")),
    );
    depends.field = Some("Depends".to_owned());
    depends.hunks = ["-Depends: libc6 (>= 2.2.5), libncurses6", "+Depends: libc6 (>= 2.34), libncurses6"]
        .map(str::to_owned)
        .to_vec();
    p.differences = vec![
        code,
        depends,
        difference("data.tar/./usr/share/doc/sl/changelog.gz", Cause::Content, Some(677), None),
        difference("data.tar/./usr/games/sl", Cause::ElfBuildId, Some(20), None),
    ];
    e.artifacts.push(p);
    e.observations.push(Observation {
        name: "binnmu-changelog-entry".to_owned(),
        value: "sl (5.02-1+b1) sid; urgency=low, binary-only=yes\n\n  * Binary-only non-maintainer upload for amd64".to_owned(),
        read_from: "sl_5.02-1+b1_amd64.deb: usr/share/doc/sl/changelog.Debian.amd64.gz".to_owned(),
        effect: "prepended to debian/changelog; decides SOURCE_DATE_EPOCH".to_owned(),
    });
    e
}

pub(crate) fn unstable() -> Evidence {
    let mut e = base("hello", "2.10-3", "bookworm", 12);
    let mut p = pair("hello_2.10-3_amd64.deb", 53_116);
    p.rebuilt_again = Some(bytes("hello again", 53_120));
    p.differences = vec![difference("data.tar/./usr/bin/hello", Cause::ElfCode, Some(24), None)];
    e.artifacts.push(p);
    e.rebuild.varied =
        ["clock", "host name", "number of processors", "build path"].map(str::to_owned).to_vec();
    e
}

pub(crate) fn equivalent() -> Evidence {
    let mut e = base("minizip", "1.1-8+deb12u1", "bookworm", 12);
    let mut p = pair("minizip_1.1-8+deb12u1_amd64.deb", 20_000);
    p.differences = vec![difference("data.tar", Cause::XzLevel, None, None)];
    p.passes = vec![Pass { id: "xz-level".to_owned(), version: 1 }];
    e.artifacts.push(p);
    e
}

pub(crate) fn undetermined() -> Evidence {
    let mut e = base("jq", "1.6-2.1+deb12u3", "bookworm", 12);
    let mut p = pair("jq_1.6-2.1+deb12u3_amd64.deb", 64_000);
    p.limits = vec![Stopped {
        path: "data.tar".to_owned(),
        cause: Cause::LimitBytes,
        side: Side::Published,
        detail: "more than 8589934592 bytes come out".to_owned(),
    }];
    e.artifacts.push(p);
    e
}

pub(crate) fn not_built() -> Evidence {
    let mut e = identical();
    e.artifacts[0].rebuilt = None;
    e.rebuild.result = BuildResult::StepFailed {
        step: 1,
        command: "dpkg-buildpackage -us -uc -B".to_owned(),
        status: Some(2),
    };
    e.rebuild.log_tail = [
        "# runtime/cgo",
        "gcc: fatal error: cannot execute 'cc1'",
        "make: *** [debian/rules:9: binary-arch] Error 25",
    ]
    .map(str::to_owned)
    .to_vec();
    e
}

pub(crate) fn source_unavailable() -> Evidence {
    let mut e = base("prometheus-pushgateway", "1.5.1-2+b5", "bookworm", 12);
    e.source.files[1].state = FileState::Missing;
    e.source.files[2].state = FileState::Missing;
    e.rebuild.result = BuildResult::NotAttempted { reason: "the source is not available".to_owned() };
    let mut p = pair("prometheus-pushgateway_1.5.1-2+b5_amd64.deb", 5_002_112);
    p.rebuilt = None;
    e.artifacts.push(p);
    e
}

pub(crate) fn environment_unavailable() -> Evidence {
    let mut e = base("libsmpp34", "1.14.1-3+deb12u1", "bookworm", 12);
    e.environment.missing =
        vec!["gcc-12_12.2.0-14_amd64.deb".to_owned(), "libc6-dev_2.36-9+deb12u3_amd64.deb".to_owned()];
    e.rebuild.result = BuildResult::NotAttempted { reason: "the environment is not available".to_owned() };
    let mut p = pair("libsmpp34-1_1.14.1-3+deb12u1_amd64.deb", 40_112);
    p.rebuilt = None;
    e.artifacts.push(p);
    e
}

/// A release of a registry, built from a source that a signed index announces: one member of an archive
/// is identical, and the archive's own headers are another machine's.
pub(crate) fn of_registry() -> Evidence {
    let mut e = base("tool", "1.2.3", "upstream", 2);
    e.release.channel = "npm".to_owned();
    e.release.purl = "pkg:npm/%40example/tool@1.2.3".to_owned();
    e.indexes.truncate(1);
    e.indexes[0].suite = "checksum database".to_owned();
    e.indexes[0].date = String::new();
    e.source.files.truncate(1);
    e.source.files[0].name = "example.org/tool@v1.2.3.zip".to_owned();
    e.environment.build.as_mut().unwrap().env.remove("DEB_BUILD_OPTIONS");
    e.source.signature = SourceSignature::NotOffered { reason: "modules carry no signature".to_owned() };
    e.environment.packages[0].purl = Some("pkg:golang/example.org/toolchain@v1".to_owned());
    let mut p = pair("tool-1.2.3.tgz", 4_096);
    p.member = Some("package/bin/tool".to_owned());
    p.rebuilt = Some(p.published.clone());
    e.artifacts.push(p);
    e.containers.push(Container {
        name: ArtifactName::new("tool-1.2.3.tgz").unwrap(),
        published: bytes("tool-1.2.3.tgz", 2_048),
        differences: vec![difference("package/bin/tool", Cause::TarMtime, None, Some(("499162500", "0")))],
        limits: Vec::new(),
    });
    e
}

pub(crate) fn published_not_reachable() -> Evidence {
    let mut e = of_registry();
    e.artifacts.clear();
    e.containers.clear();
    e.unpublished.push(BuiltAlone {
        name: ArtifactName::new("tool-1.2.3.tar.gz").unwrap(),
        member: Some("tool-1.2.3/tool".to_owned()),
        rebuilt: bytes("tool", 4_096),
        rebuilt_again: Some(bytes("tool", 4_096)),
    });
    e.rebuild.varied = vec!["host name `another-host`".to_owned()];
    e
}

/// A wheel with a program of that source and a file that its packer wrote.
pub(crate) fn partly_identical() -> Evidence {
    let mut e = of_registry();
    e.release.purl = "pkg:pypi/tool-py@1.2.3".to_owned();
    e.release.channel = "wheel".to_owned();
    let mut p = pair("tool-1.2.3.tgz", 120);
    p.member = Some("tool_py-1.2.3.dist-info/METADATA".to_owned());
    p.unsourced = Some("written when the wheel was packed".to_owned());
    p.rebuilt = None;
    e.artifacts.push(p);
    e
}

/// One release for each outcome.
pub(crate) fn all() -> Vec<(Outcome, Evidence)> {
    vec![
        (Outcome::Identical, identical()),
        (Outcome::PartlyIdentical, partly_identical()),
        (Outcome::IdentifiersOnly, identifiers_only()),
        (Outcome::RecordedInputsOnly, recorded_inputs_only()),
        (Outcome::Different, different()),
        (Outcome::Unstable, unstable()),
        (Outcome::Equivalent, equivalent()),
        (Outcome::Undetermined, undetermined()),
        (Outcome::NotBuilt, not_built()),
        (Outcome::PublishedNotReachable, published_not_reachable()),
        (Outcome::SourceUnavailable, source_unavailable()),
        (Outcome::EnvironmentUnavailable, environment_unavailable()),
    ]
}
