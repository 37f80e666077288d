//! Integers at a place in bytes; `None` past the end, never a panic.

macro_rules! int {
    ($le:ident $be:ident $type:ty) => {
        /// Little-endian.
        pub fn $le(bytes: &[u8], at: usize) -> Option<$type> {
            let part = bytes.get(at..at.checked_add(size_of::<$type>())?)?;
            Some(<$type>::from_le_bytes(part.try_into().ok()?))
        }

        /// Big-endian.
        pub fn $be(bytes: &[u8], at: usize) -> Option<$type> {
            let part = bytes.get(at..at.checked_add(size_of::<$type>())?)?;
            Some(<$type>::from_be_bytes(part.try_into().ok()?))
        }
    };
}

int!(le16 be16 u16);
int!(le32 be32 u32);
int!(le64 be64 u64);

/// Bytes up to the first NUL.
pub fn until_nul(bytes: &[u8]) -> &[u8] {
    bytes.split(|b| *b == 0).next().unwrap_or_default()
}
