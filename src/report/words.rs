//! The words that depend on where a release is published.

/// What things are called in a release's channel, and what its reader can do about them.
pub(super) struct Words {
    /// Who announces the source files, for a table's caption.
    pub(super) files: &'static str,
    /// The list of indexes.
    pub(super) indexes: &'static str,
    /// What the indexes say, for a table's caption.
    pub(super) announced: &'static str,
    /// The column of their names.
    pub(super) index: &'static str,
    /// What an index is called among a build's inputs, before its name.
    pub(super) index_input: &'static str,
    /// What to do when nobody vouches for an index.
    pub(super) index_next: &'static str,
    /// What a release without a source needs.
    pub(super) source: &'static str,
    /// What to do about a file that nobody has.
    pub(super) missing_next: &'static str,
    /// What to do about a server that sends other bytes.
    pub(super) mismatch_next: &'static str,
    /// Whom to tell of a refuted signature.
    pub(super) refuted_next: &'static str,
    /// One locked input of the environment, and several.
    pub(super) inputs: (&'static str, &'static str),
    /// The list of them.
    pub(super) environment: &'static str,
    /// What they are, for a table's caption.
    pub(super) environment_caption: &'static str,
    /// What to do about an input that is no longer offered.
    pub(super) environment_next: &'static str,
}

const DEBIAN: Words = Words {
    files: "Files, as the signed index announces them",
    indexes: "Signed indexes",
    announced: "They announce the source, the build inputs and the published artifacts",
    index: "Suite",
    index_input: "InRelease of ",
    index_next: "put the archive's current key into `policies/trust/` after checking its fingerprint, and lock again",
    source: "a source package in a signed index",
    missing_next: "give another mirror with `--mirror`, or put the file into the store, and audit again",
    mismatch_next: "treat that mirror as broken or hostile; give another with `--mirror`",
    refuted_next: "do not use this release; tell the distribution's security team",
    inputs: ("package", "packages"),
    environment: "Every package of the build environment",
    environment_caption: "Root file system of the sandbox, unpacked without running any package&#39;s scripts",
    environment_next: "give a mirror that keeps old versions with `--mirror`, or lock again and compare the two locks",
};

const REGISTRY: Words = Words {
    files: "Files, as the lock pins them",
    indexes: "Who announces the source",
    announced: "They announce the source; the lock pins every input by digest",
    index: "Index",
    index_input: "",
    index_next: "put the key into `policies/trust/` after checking it, or give it with the option that names it, and audit again",
    source: "a source that the lock pins",
    missing_next: "name a registry, a proxy or, for a commit, a clone (`--repository`) that still has it, or put the file into the store, and audit again",
    mismatch_next: "treat that registry or proxy as broken or hostile, and name another",
    refuted_next: "do not use this release; tell the project's security contact",
    inputs: ("input", "inputs"),
    environment: "Every input of the build environment",
    environment_caption: "Tool chain, modules and packages that the sandbox shows, unpacked without running anything of theirs",
    environment_next: "name a registry or proxy that keeps old versions, or lock again and compare the two locks",
};

impl Words {
    /// Of the release with that package URL.
    pub(super) fn of(purl: &str) -> &'static Self {
        if purl.starts_with("pkg:deb/") { &DEBIAN } else { &REGISTRY }
    }
}
