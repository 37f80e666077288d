//! Archives made for tests, byte for byte reproducible.

use std::io::Write as _;

/// One member of a generated archive.
#[derive(Clone)]
pub(crate) struct File {
    pub(crate) name: &'static str,
    pub(crate) body: Vec<u8>,
    pub(crate) mode: u32,
    pub(crate) mtime: u64,
    pub(crate) uid: u64,
}

pub(crate) fn file(name: &'static str, body: impl Into<Vec<u8>>) -> File {
    File { name, body: body.into(), mode: 0o644, mtime: 1000, uid: 0 }
}

pub(crate) fn tar(files: &[File]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for f in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(f.body.len() as u64);
        header.set_mode(f.mode);
        header.set_mtime(f.mtime);
        header.set_uid(f.uid);
        header.set_gid(0);
        builder.append_data(&mut header, f.name, f.body.as_slice()).unwrap();
    }
    builder.into_inner().unwrap()
}

pub(crate) fn link(name: &str, target: &str) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::Symlink);
    header.set_size(0);
    header.set_mode(0o777);
    header.set_mtime(1000);
    builder.append_link(&mut header, name, target).unwrap();
    builder.into_inner().unwrap()
}

pub(crate) fn ar(members: &[(&str, &[u8])], mtime: u64) -> Vec<u8> {
    let mut out = b"!<arch>\n".to_vec();
    for (name, body) in members {
        out.extend(
            format!("{name:<16}{mtime:<12}{:<6}{:<6}{:<8}{:<10}`\n", 0, 0, 100644, body.len()).bytes(),
        );
        out.extend(*body);
        if body.len() % 2 == 1 {
            out.push(b'\n');
        }
    }
    out
}

pub(crate) fn xz(bytes: &[u8], level: u32) -> Vec<u8> {
    let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), level);
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// One stream of independent blocks of 1 MiB, as threaded encoders write it.
pub(crate) fn xz_blocks(bytes: &[u8]) -> Vec<u8> {
    let crc = |bytes: &[u8]| {
        let mut crc = flate2::Crc::new();
        crc.update(bytes);
        crc.sum().to_le_bytes()
    };
    let (mut out, mut records, mut count) = (Vec::new(), Vec::<u8>::new(), 0u8);
    for piece in bytes.chunks(1 << 20) {
        let one = xz(piece, 1);
        let end = one.len() - 12;
        let index = (u32::from_le_bytes(one[end + 4..end + 8].try_into().unwrap()) as usize + 1) * 4;
        if out.is_empty() {
            out.extend(&one[..12]);
        }
        out.extend(&one[12..end - index]);
        // Two numbers of seven bits a byte, the last byte of each below 0x80.
        let sizes = &one[end - index + 2..end - 4];
        let first = sizes.iter().position(|b| *b < 0x80).unwrap() + 1;
        let second = sizes[first..].iter().position(|b| *b < 0x80).unwrap() + 1;
        records.extend(&sizes[..first + second]);
        count += 1;
    }
    let mut index = vec![0, count];
    index.extend(records);
    index.resize(index.len().next_multiple_of(4), 0);
    index.extend(crc(&index));
    let mut footer = u32::try_from(index.len() / 4 - 1).unwrap().to_le_bytes().to_vec();
    footer.extend(&out[6..8]);
    out.extend(&index);
    out.extend(crc(&footer));
    out.extend(&footer);
    out.extend(b"YZ");
    out
}

pub(crate) fn gz(bytes: &[u8], level: u32, mtime: u32) -> Vec<u8> {
    let mut encoder =
        flate2::GzBuilder::new().mtime(mtime).write(Vec::new(), flate2::Compression::new(level));
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub(crate) fn bz2(bytes: &[u8], level: u32) -> Vec<u8> {
    let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::new(level));
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub(crate) fn lz4(bytes: &[u8], independent: bool) -> Vec<u8> {
    let mode = if independent {
        lz4_flex::frame::BlockMode::Independent
    } else {
        lz4_flex::frame::BlockMode::Linked
    };
    let info = lz4_flex::frame::FrameInfo::new().block_mode(mode);
    let mut encoder = lz4_flex::frame::FrameEncoder::with_frame_info(info, Vec::new());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub(crate) fn md5sums(files: &[File]) -> Vec<u8> {
    use md5::Digest as _;
    let line = |f: &File| {
        let name = f.name.trim_start_matches("./");
        format!("{}  {name}\n", hex::encode(md5::Md5::digest(&f.body)))
    };
    files.iter().map(line).collect::<String>().into_bytes()
}

pub(crate) const CONTROL: &str = "Package: x\nVersion: 1\nArchitecture: all\n";

/// A package; `sums` replaces the right list.
pub(crate) fn deb(files: &[File], control: &str, sums: Option<Vec<u8>>) -> Vec<u8> {
    let list = sums.unwrap_or_else(|| md5sums(files));
    let control = xz(&tar(&[file("./control", control), file("./md5sums", list)]), 6);
    let data = xz(&tar(files), 6);
    ar(&[("debian-binary", b"2.0\n"), ("control.tar.xz", &control), ("data.tar.xz", &data)], 1000)
}

/// A zip whose members are deflated, or stored at level 0.
pub(crate) fn zip(files: &[File], level: u32, comment: &str) -> Vec<u8> {
    let (mut out, mut directory) = (Vec::new(), Vec::new());
    for f in files {
        let mut crc = flate2::Crc::new();
        crc.update(&f.body);
        let packed = if level == 0 {
            f.body.clone()
        } else {
            let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::new(level));
            encoder.write_all(&f.body).unwrap();
            encoder.finish().unwrap()
        };
        let mut common = Vec::new();
        let method: u16 = if level == 0 { 0 } else { 8 };
        for n in [20, 0, method, u16::try_from(f.mtime).unwrap(), 0x21] {
            common.extend(n.to_le_bytes());
        }
        common.extend(crc.sum().to_le_bytes());
        common.extend(u32::try_from(packed.len()).unwrap().to_le_bytes());
        common.extend(u32::try_from(f.body.len()).unwrap().to_le_bytes());
        common.extend(u16::try_from(f.name.len()).unwrap().to_le_bytes());
        common.extend([0, 0]);
        let offset = u32::try_from(out.len()).unwrap();
        out.extend(b"PK\x03\x04");
        out.extend(&common);
        out.extend(f.name.bytes());
        out.extend(&packed);
        directory.extend(b"PK\x01\x02\x14\x03");
        directory.extend(&common);
        directory.extend([0; 6]);
        directory.extend(((0o100_000 | f.mode) << 16).to_le_bytes());
        directory.extend(offset.to_le_bytes());
        directory.extend(f.name.bytes());
    }
    let count = u16::try_from(files.len()).unwrap().to_le_bytes();
    let at = u32::try_from(out.len()).unwrap();
    out.extend(&directory);
    out.extend(b"PK\x05\x06\0\0\0\0");
    out.extend(count);
    out.extend(count);
    out.extend(u32::try_from(directory.len()).unwrap().to_le_bytes());
    out.extend(at.to_le_bytes());
    out.extend(u16::try_from(comment.len()).unwrap().to_le_bytes());
    out.extend(comment.bytes());
    out
}

/// A cpio archive in the `newc` form.
pub(crate) fn cpio(files: &[File], inode: u32) -> Vec<u8> {
    let mut out = Vec::new();
    let mut member = |name: &str, body: &[u8], mode: u32, mtime: u64, inode: u32| {
        let fields = [
            inode,
            mode,
            0,
            0,
            1,
            u32::try_from(mtime).unwrap(),
            u32::try_from(body.len()).unwrap(),
            8,
            1,
            0,
            0,
            u32::try_from(name.len() + 1).unwrap(),
            0,
        ];
        out.extend(b"070701");
        fields.iter().for_each(|f| out.extend(format!("{f:08x}").bytes()));
        out.extend(name.bytes());
        out.push(0);
        out.resize(out.len().next_multiple_of(4), 0);
        out.extend(body);
        out.resize(out.len().next_multiple_of(4), 0);
    };
    for (i, f) in files.iter().enumerate() {
        member(f.name, &f.body, 0o100_000 | f.mode, f.mtime, inode + u32::try_from(i).unwrap());
    }
    member("TRAILER!!!", b"", 0, 0, 0);
    out
}
