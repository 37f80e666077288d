//! Why two artifacts differ: a closed list with stable ids, each with the tier of the normalization
//! that may set it aside, or none.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// How far one has to go to call two sides with such a difference equivalent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tier {
    /// 0: how the bytes were transported; what is decoded is equal.
    Transport,
    /// 1: a container's own metadata.
    Container,
    /// 2: derived or stamped by a tool; recomputed and checked, or alone in a file that is equal
    /// otherwise.
    Derived,
    /// 3: recognised by a pattern in content. Heuristic, asked for and never the default.
    Pattern,
    /// Never set aside.
    Never,
    /// Not a difference but the reason why the engine could not look further. Never equal.
    Outcome,
}

impl Tier {
    /// 0 to 3, or `None` for what no normalization removes.
    pub const fn number(self) -> Option<u8> {
        match self {
            Self::Transport => Some(0),
            Self::Container => Some(1),
            Self::Derived => Some(2),
            Self::Pattern => Some(3),
            Self::Never | Self::Outcome => None,
        }
    }
}

impl Serialize for Tier {
    /// A number from 0 to 3, or `"never"` or `"outcome"`.
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Outcome => serializer.serialize_str("outcome"),
            other => match other.number() {
                Some(n) => serializer.serialize_u8(n),
                None => serializer.serialize_str("never"),
            },
        }
    }
}

impl<'de> Deserialize<'de> for Tier {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Raw {
            Number(u8),
            Word(String),
        }
        match Raw::deserialize(deserializer)? {
            Raw::Number(0) => Ok(Self::Transport),
            Raw::Number(1) => Ok(Self::Container),
            Raw::Number(2) => Ok(Self::Derived),
            Raw::Number(3) => Ok(Self::Pattern),
            Raw::Word(word) if word == "never" => Ok(Self::Never),
            Raw::Word(word) if word == "outcome" => Ok(Self::Outcome),
            _ => Err(serde::de::Error::custom("a tier is 0, 1, 2, 3, `never` or `outcome`")),
        }
    }
}

macro_rules! causes {
    ($($variant:ident $id:literal $tier:ident $pass:literal $text:literal;)*) => {
        /// Why two sides differ. The ids are stable: other programs read them.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Cause {
            $(#[doc = $text] $variant,)*
        }

        impl Cause {
            /// Every cause, in the order of the tiers.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The stable id, in kebab case.
            pub const fn id(self) -> &'static str {
                match self { $(Self::$variant => $id,)* }
            }

            /// The tier.
            pub const fn tier(self) -> Tier {
                match self { $(Self::$variant => Tier::$tier,)* }
            }

            /// One sentence for people.
            pub const fn describe(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            /// The id of the normalization that sets it aside: OSS Rebuild's name where the same
            /// is done, else the cause's own id. `None` where nothing may.
            pub const fn pass_id(self) -> Option<&'static str> {
                match self {
                    $(Self::$variant => if Tier::$tier.number().is_none() { None }
                        else if $pass.is_empty() { Some($id) } else { Some($pass) },)*
                }
            }
        }

        impl FromStr for Cause {
            type Err = UnknownCause;

            fn from_str(text: &str) -> Result<Self, UnknownCause> {
                match text { $($id => Ok(Self::$variant),)* _ => Err(UnknownCause { found: text.to_owned() }) }
            }
        }
    };
}

causes! {
    GzipMtime "gzip-mtime" Transport "gzip-time" "The time in the gzip header differs.";
    GzipName "gzip-name" Transport "gzip-name" "The file name in the gzip header differs.";
    GzipOs "gzip-os" Transport "gzip-misc" "The operating system in the gzip header differs.";
    GzipExtra "gzip-extra" Transport "gzip-misc" "The extra field or a flag of the gzip header differs.";
    GzipComment "gzip-comment" Transport "gzip-misc" "The comment in the gzip header differs.";
    GzipLevel "gzip-level" Transport "gzip-compression" "Compressed by gzip with another level or compressor; the content is equal.";
    GzipMembers "gzip-members" Transport "" "Split into other gzip members; the content is equal.";
    XzLevel "xz-level" Transport "" "Compressed by xz with another level or version; the content is equal.";
    XzCheck "xz-check" Transport "" "Another kind of xz integrity check.";
    XzBlocks "xz-blocks" Transport "" "Split into other xz blocks or streams; the content is equal.";
    Bzip2Level "bzip2-level" Transport "" "Compressed by bzip2 with another level or compressor; the content is equal.";
    ZstdLevel "zstd-level" Transport "" "Compressed by zstd with another level or version; the content is equal.";
    ZstdFrame "zstd-frame" Transport "" "Other zstd frame parameters (content size, checksum, window, frames).";
    Lz4Frame "lz4-frame" Transport "" "Other LZ4 frame parameters or compressor; the content is equal.";
    ZipCompression "zip-compression" Transport "zip-compression" "A zip member is compressed in another way; its content is equal.";
    CompressionFormat "compression-format" Transport "" "Compressed in another format; the content is equal.";
    TarPadding "tar-padding" Transport "" "Padding between or after the members of an archive differs.";
    TrailingData "trailing-data" Transport "" "Zero bytes follow the end of the data on one side.";
    TarMtime "tar-mtime" Container "tar-time" "A member's time differs.";
    TarOrder "tar-order" Container "tar-file-order" "The members stand in another order.";
    TarUidGid "tar-uid-gid" Container "tar-owners" "A member's numeric owner or group differs.";
    TarOwnerName "tar-owner-name" Container "tar-owners" "A member's owner or group name differs.";
    TarFormat "tar-format" Container "" "The archive is written in another tar dialect.";
    TarPaxHeader "tar-pax-header" Container "" "PAX records without effect on the member's content differ.";
    TarHardlink "tar-hardlink" Container "" "A hard link on one side is a copy with equal content on the other.";
    TarSparse "tar-sparse" Container "" "A member is stored sparsely on one side; its content is equal.";
    ArMtime "ar-mtime" Container "" "The time of an ar member differs.";
    ArUidGid "ar-uid-gid" Container "" "The owner or group of an ar member differs.";
    ArMode "ar-mode" Container "" "The mode of an ar member differs.";
    ZipMtime "zip-mtime" Container "zip-modified-time" "The time of a zip member differs.";
    ZipOrder "zip-order" Container "zip-file-order" "The members of the zip stand in another order.";
    ZipExtra "zip-extra" Container "zip-misc" "Extra fields of a zip member differ.";
    ZipCreator "zip-creator" Container "zip-misc" "The creating or required version of a zip member differs.";
    ZipFlags "zip-flags" Container "zip-data-descriptor" "Flags or a data descriptor of a zip member differ.";
    ZipComment "zip-comment" Container "zip-misc" "A zip comment differs.";
    CpioMtime "cpio-mtime" Container "" "The time of a cpio member differs.";
    CpioInode "cpio-inode" Container "" "Inode, device or link numbers of a cpio member differ.";
    CpioOrder "cpio-order" Container "" "The members of the cpio archive stand in another order.";
    SquashfsMkfsTime "squashfs-mkfs-time" Container "" "The creation time of the squashfs image differs.";
    IsoTimestamp "iso-timestamp" Container "" "A time of the ISO 9660 image differs.";
    FsUuid "fs-uuid" Container "" "The UUID of the file system differs.";
    ElfBuildId "elf-build-id" Derived "" "The linker's build ID differs.";
    ElfDebuglink "elf-debuglink" Derived "" "The link to the separate debug file, or its checksum, differs.";
    GoBuildid "go-buildid" Derived "" "Go's own build ID differs.";
    PeTimestamp "pe-timestamp" Derived "" "A time, or the checksum that covers it, in the PE headers differs.";
    MachoUuid "macho-uuid" Derived "" "The UUID load command differs.";
    PycMtime "pyc-mtime" Derived "" "The time of the source in the .pyc header differs.";
    PycRefs "pyc-refs" Derived "" "Unneeded reference flags in the .pyc differ.";
    PngTime "png-time" Derived "" "The PNG's tIME or a date text chunk differs.";
    GettextDate "gettext-date" Derived "" "A creation or revision date of a message catalogue differs.";
    WheelRecord "wheel-record" Derived "wheel-record" "The wheel's RECORD differs and fits the bytes on each side.";
    ChecksumManifest "checksum-manifest" Derived "" "A list of checksums or sizes differs and fits the bytes on each side.";
    RpmDigest "rpm-digest" Derived "" "Digests or sizes in the rpm headers differ and fit the bytes.";
    RpmBuildTime "rpm-build-time" Derived "" "The build time in the rpm header differs.";
    RpmBuildHost "rpm-build-host" Derived "" "The build host in the rpm header differs.";
    OciDigest "oci-digest" Derived "" "Digests of an OCI layout differ and fit the bytes on each side.";
    Signature "signature" Derived "" "An embedded signature differs; it was not verified on either side.";
    EmbeddedTimestamp "embedded-timestamp" Pattern "" "A time in the content differs.";
    OciCreated "oci-created" Pattern "" "A creation time in an image's configuration differs.";
    BuildPath "build-path" Pattern "" "A build path in the content differs.";
    ElfBuildPath "elf-build-path" Pattern "" "A build path in an ELF file differs.";
    ElfComment "elf-comment" Pattern "" "The compiler's comment section differs.";
    CompilerVersion "compiler-version" Pattern "" "A compiler's version in the content differs.";
    Hostname "hostname" Pattern "" "A host name in the content differs.";
    Username "username" Pattern "" "A user name in the content differs.";
    KernelVersion "kernel-version" Pattern "" "A kernel version in the content differs.";
    Timezone "timezone" Pattern "" "A time is written in another time zone.";
    Locale "locale" Pattern "" "A locale in the content differs.";
    RandomId "random-id" Pattern "" "A random identifier in the content differs.";
    LineEndings "line-endings" Pattern "" "Lines end in another way.";
    JsonKeyOrder "json-key-order" Pattern "" "Keys or blanks of a JSON document stand in another order.";
    JarManifestMetadata "jar-manifest-metadata" Pattern "jar-build-metadata" "Build attributes of the jar's manifest differ.";
    GemMetadata "gem-metadata" Pattern "" "The date or the RubyGems version of the gem's metadata differs.";
    WheelGenerator "wheel-generator" Pattern "" "The wheel was written by another generator.";
    PdfDate "pdf-date" Pattern "" "A date in the PDF differs.";
    PdfId "pdf-id" Pattern "" "The PDF's file identifier differs.";
    VcsRevision "vcs-revision" Pattern "cargo-vcs-hash" "A revision in a known field differs.";
    Content "content" Never "" "The content differs.";
    ElfCode "elf-code" Never "" "Machine code differs.";
    ElfData "elf-data" Never "" "Data of an ELF file differs.";
    ElfSymbols "elf-symbols" Never "" "Symbols or relocations of an ELF file differ.";
    ElfRunpath "elf-runpath" Never "" "The path where libraries are looked for at run time differs.";
    ElfSectionLayout "elf-section-layout" Never "" "The sections of an ELF file, or where they lie, differ.";
    CompilerFlags "compiler-flags" Never "" "Compiler flags differ.";
    VersionString "version-string" Never "" "A version differs.";
    LineOrder "line-order" Never "" "The same lines stand in another order.";
    ArOrder "ar-order" Never "" "The members of the ar archive stand in another order.";
    FileMode "file-mode" Never "" "Permissions differ.";
    FileType "file-type" Never "" "The kind of file differs.";
    SymlinkTarget "symlink-target" Never "" "A link's target differs.";
    TarXattr "tar-xattr" Never "" "Extended attributes differ.";
    TarDevice "tar-device" Never "" "A device's number differs.";
    ZipPrefix "zip-prefix" Never "" "Bytes before or between the members of the zip differ.";
    MemberAdded "member-added" Never "" "A member is there only in the rebuilt artifact.";
    MemberRemoved "member-removed" Never "" "A member is there only in the published artifact.";
    MemberRenamed "member-renamed" Never "" "A member with equal content has another name.";
    DuplicateName "duplicate-name" Never "" "A name is there more than once, and its entries differ in number or order.";
    ChecksumManifestMismatch "checksum-manifest-mismatch" Never "" "A list of checksums does not fit the bytes that it lists.";
    ZipNameMismatch "zip-name-mismatch" Never "" "A zip member's local name is not the one in the directory.";
    Malformed "malformed" Outcome "" "The bytes break the format's rules.";
    Truncated "truncated" Outcome "" "The bytes end early.";
    Unsupported "unsupported" Outcome "" "The format uses something that is not read here.";
    LimitBytes "limit-bytes" Outcome "" "More bytes come out than the limit allows.";
    LimitRatio "limit-ratio" Outcome "" "The expansion passes the limit.";
    LimitMembers "limit-members" Outcome "" "There are more members than the limit allows.";
    LimitDepth "limit-depth" Outcome "" "Archives are nested deeper than the limit allows.";
    LimitDecoderMemory "limit-decoder-memory" Outcome "" "A decoder would need more memory than the limit allows.";
    LimitTime "limit-time" Outcome "" "The time was used up.";
    LimitDiffWork "limit-diff-work" Outcome "" "Explaining the difference takes more work than the limit allows.";
    LimitScratch "limit-scratch" Outcome "" "More scratch space is needed than the limit allows.";
}

/// No cause has this id.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{found}` is not the id of a cause")]
pub struct UnknownCause {
    /// As found.
    pub found: String,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id())
    }
}

impl Serialize for Cause {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.id())
    }
}

impl<'de> Deserialize<'de> for Cause {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn ids_are_unique_kebab_case_and_parse_back() {
        let mut seen = std::collections::BTreeSet::new();
        for cause in Cause::ALL {
            assert!(seen.insert(cause.id()), "{cause} twice");
            assert!(cause.id().bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'));
            assert_eq!(cause.id().parse::<Cause>().unwrap(), *cause);
            let tier: Tier = serde_json::from_str(&serde_json::to_string(&cause.tier()).unwrap()).unwrap();
            assert_eq!(tier, cause.tier());
        }
        assert!("Content".parse::<Cause>().is_err());
    }

    #[test]
    fn nothing_that_is_never_normalised_has_a_pass() {
        for cause in Cause::ALL {
            assert_eq!(cause.pass_id().is_some(), cause.tier().number().is_some(), "{cause}");
        }
    }
}
