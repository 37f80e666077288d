//! Packages and documents made for the tables of comparisons, byte for byte.

use std::io::Write as _;

use reprove::digest::{Algorithm, Digest};

use crate::archives::{File, file, gz, tar, zip};

/// A gzip member, header field by header field.
pub(crate) struct Gz {
    pub(crate) mtime: u32,
    pub(crate) name: &'static str,
    pub(crate) comment: &'static str,
    pub(crate) extra: &'static [u8],
    pub(crate) os: u8,
    pub(crate) level: u32,
}

impl Default for Gz {
    fn default() -> Self {
        Self { mtime: 0, name: "", comment: "", extra: b"", os: 3, level: 6 }
    }
}

impl Gz {
    pub(crate) fn pack(&self, bytes: &[u8]) -> Vec<u8> {
        let mut builder = flate2::GzBuilder::new().mtime(self.mtime).operating_system(self.os);
        if !self.name.is_empty() {
            builder = builder.filename(self.name);
        }
        if !self.comment.is_empty() {
            builder = builder.comment(self.comment);
        }
        if !self.extra.is_empty() {
            builder = builder.extra(self.extra);
        }
        let mut encoder = builder.write(Vec::new(), flate2::Compression::new(self.level));
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }
}

fn without_end(mut archive: Vec<u8>) -> Vec<u8> {
    while archive.ends_with(&[0; 512]) {
        archive.truncate(archive.len() - 512);
    }
    archive
}

/// An Alpine package; `listed` is the body whose hash the package gives instead of its own.
pub(crate) fn apk(date: &str, body: &'static str, signature: &[u8], listed: Option<&'static str>) -> Vec<u8> {
    let data = |body: &'static str| {
        let mut builder = tar::Builder::new(Vec::new());
        let sum = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY, body.as_bytes());
        let sum = hex::encode(sum);
        builder.append_pax_extensions([("APK-TOOLS.checksum.SHA1", sum.as_bytes())]).unwrap();
        let mut header = tar::Header::new_ustar();
        header.set_size(body.len() as u64);
        header.set_mode(0o755);
        builder.append_data(&mut header, "usr/bin/x", body.as_bytes()).unwrap();
        gz(&builder.into_inner().unwrap(), 6, 0)
    };
    let hash = Digest::sha256(&data(listed.unwrap_or(body))).to_hex();
    let info = format!("pkgname = x\npkgver = 1.0-r0\nbuilddate = {date}\ndatahash = {hash}\n");
    [
        gz(&without_end(tar(&[file(".SIGN.RSA.key.rsa.pub", signature)])), 6, 0),
        gz(&without_end(tar(&[file(".PKGINFO", info)])), 6, 0),
        data(body),
    ]
    .concat()
}

/// A gem; `listed` is the code whose sums it lists instead of its own.
pub(crate) fn gem(date: &str, code: &str, listed: Option<&str>) -> Vec<u8> {
    let metadata = gz(
        format!(
            "--- !ruby/object:Gem::Specification\nname: x\ndate: {date} 00:00:00 Z\nrubygems_version: 3.3\n"
        )
        .as_bytes(),
        6,
        0,
    );
    let data = |code: &str| gz(&tar(&[file("lib/x.rb", code)]), 6, 0);
    let mut sums = "---\n".to_owned();
    for (kind, algorithm) in [("SHA256", Algorithm::Sha256), ("SHA512", Algorithm::Sha512)] {
        let sum = |bytes: &[u8]| Digest::of(algorithm, bytes).to_hex();
        sums += &format!(
            "{kind}:\n  metadata.gz: {}\n  data.tar.gz: {}\n",
            sum(&metadata),
            sum(&data(listed.unwrap_or(code)))
        );
    }
    tar(&[
        file("metadata.gz", metadata),
        file("data.tar.gz", data(code)),
        file("checksums.yaml.gz", gz(sums.as_bytes(), 6, 0)),
    ])
}

/// A wheel; `listed` is the code whose digest its RECORD gives instead.
pub(crate) fn wheel(generator: &str, code: &str, listed: Option<&str>) -> Vec<u8> {
    use base64::Engine as _;
    let about = format!("Wheel-Version: 1.0\nGenerator: {generator}\nTag: py3-none-any\n");
    let line = |name: &str, bytes: &[u8]| {
        let sum = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(Digest::sha256(bytes).as_bytes());
        format!("{name},sha256={sum},{}\n", bytes.len())
    };
    let record = line("p.py", listed.unwrap_or(code).as_bytes())
        + &line("p-1.dist-info/WHEEL", about.as_bytes())
        + "p-1.dist-info/RECORD,,\n";
    zip(
        &[file("p.py", code), file("p-1.dist-info/WHEEL", about), file("p-1.dist-info/RECORD", record)],
        6,
        "",
    )
}

pub(crate) fn jar(builder: &str, class: &[u8]) -> Vec<u8> {
    let manifest = format!("Manifest-Version: 1.0\r\nBuilt-By: {builder}\r\nMain-Class: x.Main\r\n\r\n");
    zip(&[file("META-INF/MANIFEST.MF", manifest), file("x/Main.class", class)], 6, "")
}

/// How the layer of [`oci_packed`] is packed and named.
pub(crate) struct Layer {
    pub(crate) pack: fn(&[u8]) -> Vec<u8>,
    pub(crate) media: &'static str,
    /// A digit that the name of its file repeats instead of its digest.
    pub(crate) file_of: Option<char>,
    /// A digit that its descriptor repeats instead of its digest.
    pub(crate) claim: Option<char>,
}

pub(crate) const GZIPPED: Layer =
    Layer { pack: |tar| gz(tar, 6, 0), media: "+gzip", file_of: None, claim: None };

/// An OCI image of one layer; `lie` names the layer by a digest that is not its own.
pub(crate) fn oci(created: &str, body: &[u8], lie: bool) -> Vec<u8> {
    let digit = lie.then_some('0');
    oci_packed(created, body, Layer { file_of: digit, claim: digit, ..GZIPPED })
}

pub(crate) fn oci_packed(created: &str, body: &[u8], how: Layer) -> Vec<u8> {
    let layer = tar(&[file("etc/x", body)]);
    let packed = (how.pack)(&layer);
    let digest = |bytes: &[u8]| Digest::sha256(bytes).to_string();
    let named = |digit: Option<char>| match digit {
        Some(digit) => format!("sha256:{}", digit.to_string().repeat(64)),
        None => digest(&packed),
    };
    let (packed_file, packed_digest, media) = (named(how.file_of), named(how.claim), how.media);
    let config = format!(
        r#"{{"created":"{created}T00:00:00Z","rootfs":{{"type":"layers","diff_ids":["{}"]}}}}"#,
        digest(&layer)
    );
    let manifest = format!(
        r#"{{"schemaVersion":2,"config":{{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"{}","size":{}}},"layers":[{{"mediaType":"application/vnd.oci.image.layer.v1.tar{media}","digest":"{packed_digest}","size":{}}}]}}"#,
        digest(config.as_bytes()),
        config.len(),
        packed.len()
    );
    let index = format!(
        r#"{{"schemaVersion":2,"manifests":[{{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"{}","size":{}}}]}}"#,
        digest(manifest.as_bytes()),
        manifest.len()
    );
    let name = |digest: &str| -> &'static str {
        Box::leak(format!("blobs/{}", digest.replacen(':', "/", 1)).into_boxed_str())
    };
    let files: Vec<File> = vec![
        file("oci-layout", r#"{"imageLayoutVersion":"1.0.0"}"#),
        file("index.json", index),
        file(name(&digest(config.as_bytes())), config),
        file(name(&digest(manifest.as_bytes())), manifest.clone()),
        file(name(&packed_file), packed),
    ];
    tar(&files)
}

pub(crate) fn pdf(date: &str, id: &str, text: &str) -> String {
    format!(
        "%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj\n2 0 obj<</CreationDate({date})>>endobj\n3 0 obj<<>>stream\n{text}\nendstream endobj\ntrailer<</Root 1 0 R/ID[<{id}><{id}>]>>\n%%EOF\n"
    )
}

/// A compiled catalogue with one message.
pub(crate) fn mo(date: &str, text: &str) -> Vec<u8> {
    let header = format!("Project-Id-Version: x\nPO-Revision-Date: {date}\nMIME-Version: 1.0\n");
    let strings: [&str; 4] = ["", "hello", &header, text];
    let mut out = Vec::new();
    for word in [0x9504_12deu32, 0, 2, 28, 44, 0, 60] {
        out.extend(word.to_le_bytes());
    }
    let mut at = 60;
    for s in strings {
        out.extend(u32::try_from(s.len()).unwrap().to_le_bytes());
        out.extend(u32::try_from(at).unwrap().to_le_bytes());
        at += s.len() + 1;
    }
    for s in strings {
        out.extend(s.as_bytes());
        out.push(0);
    }
    out
}

pub(crate) fn po(date: &str, text: &str) -> String {
    format!(
        "msgid \"\"\nmsgstr \"\"\n\"PO-Revision-Date: {date}\\n\"\n\nmsgid \"hello\"\nmsgstr \"{text}\"\n"
    )
}

/// A picture of one grey point.
pub(crate) struct Png;

impl Png {
    pub(crate) fn text(&self, keyword: &str, value: &str) -> Vec<u8> {
        let mut out = b"\x89PNG\r\n\x1a\n".to_vec();
        let mut chunk = |kind: &[u8; 4], body: &[u8]| {
            let mut crc = flate2::Crc::new();
            crc.update(kind);
            crc.update(body);
            out.extend(u32::try_from(body.len()).unwrap().to_be_bytes());
            out.extend(kind);
            out.extend(body);
            out.extend(crc.sum().to_be_bytes());
        };
        chunk(b"IHDR", &[0, 0, 0, 1, 0, 0, 0, 1, 8, 0, 0, 0, 0]);
        chunk(b"tEXt", format!("{keyword}\0{value}").as_bytes());
        chunk(b"IDAT", &[1]);
        chunk(b"IEND", &[]);
        out
    }
}

/// A signed 64-bit Mach-O with a UUID.
pub(crate) fn macho(uuid: u8, signature: &[u8]) -> Vec<u8> {
    let mut commands = Vec::new();
    for word in [0x1bu32, 24] {
        commands.extend(word.to_le_bytes());
    }
    commands.extend([uuid; 16]);
    for word in [0x1d, 16, 4096, u32::try_from(signature.len()).unwrap()] {
        commands.extend(word.to_le_bytes());
    }
    let mut out = Vec::new();
    for word in [0xfeed_facfu32, 0x0100_0007, 3, 2, 2, u32::try_from(commands.len()).unwrap(), 0, 0] {
        out.extend(word.to_le_bytes());
    }
    out.extend(commands);
    out.resize(4096, 0x90);
    out.extend(signature);
    out
}

/// A 64-bit Mach-O with a last segment, as linkers sign it or leave it.
pub(crate) fn macho_linked(code: u8, signature: Option<&[u8]>) -> Vec<u8> {
    const END: u32 = 4090;
    // Signatures begin at a sixteenth byte.
    let start = END.next_multiple_of(16);
    let signed = signature.map_or(0, |s| u64::from(start - END) + s.len() as u64);
    let in_file = u64::from(END) - 4000 + signed;
    let mut commands = Vec::new();
    commands.extend([0x19u32, 72].into_iter().flat_map(u32::to_le_bytes));
    commands.extend(*b"__LINKEDIT\0\0\0\0\0\0");
    for number in [4000, in_file.next_multiple_of(4096), 4000, in_file] {
        commands.extend(number.to_le_bytes());
    }
    commands.extend([1u32, 1, 0, 0].into_iter().flat_map(u32::to_le_bytes));
    if let Some(signature) = signature {
        let length = u32::try_from(signature.len()).unwrap();
        commands.extend([0x1d, 16, start, length].into_iter().flat_map(u32::to_le_bytes));
    }
    let count = 1 + u32::from(signature.is_some());
    let length = u32::try_from(commands.len()).unwrap();
    let mut out: Vec<u8> = [0xfeed_facfu32, 0x0100_0007, 3, 2, count, length, 0, 0]
        .into_iter()
        .flat_map(u32::to_le_bytes)
        .collect();
    out.extend(commands);
    out.resize(1000, 0);
    out.resize(END as usize, code);
    if let Some(signature) = signature {
        out.resize(start as usize, 0);
        out.extend(signature);
    }
    out
}
