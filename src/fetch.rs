//! The only HTTP in the crate: URL and expected digest in, bytes in the store out.
