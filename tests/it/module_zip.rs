//! Zips as Go modules have them.

/// A zip as modules have it, stored.
pub(crate) fn module_zip(members: &[(&str, &[u8])]) -> Vec<u8> {
    let (mut body, mut directory) = (Vec::new(), Vec::new());
    for (name, content) in members {
        let offset = body.len() as u32;
        let mut crc = flate2::Crc::new();
        crc.update(content);
        let common = |out: &mut Vec<u8>| {
            out.extend([0u8; 10]);
            [crc.sum(), content.len() as u32, content.len() as u32]
                .iter()
                .for_each(|n| out.extend(n.to_le_bytes()));
            out.extend((name.len() as u16).to_le_bytes());
            out.extend([0, 0]);
        };
        body.extend(b"PK\x03\x04");
        common(&mut body);
        body.extend(name.as_bytes());
        body.extend(*content);
        directory.extend(b"PK\x01\x02");
        directory.extend([20, 3]);
        common(&mut directory);
        directory.extend([0u8; 10]);
        directory.extend(offset.to_le_bytes());
        directory.extend(name.as_bytes());
    }
    let (at, count) = (body.len() as u32, members.len() as u16);
    let len = directory.len() as u32;
    body.extend(&directory);
    body.extend(b"PK\x05\x06\0\0\0\0");
    [count, count].iter().for_each(|n| body.extend(n.to_le_bytes()));
    [len, at].iter().for_each(|n| body.extend(n.to_le_bytes()));
    body.extend([0, 0]);
    body
}
