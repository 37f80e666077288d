//! A content-addressed store: bytes in and out by digest.
