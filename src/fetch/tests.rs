#![allow(clippy::unwrap_used)]
use super::client::{ContentRange, content_range};
use super::*;

#[test]
fn addresses_are_shown_without_user_and_password() {
    let cases = [
        ("http://u:p@example.invalid/a?b#c", "http://example.invalid/a?b#c"),
        ("https://u@example.invalid/", "https://example.invalid/"),
        ("http://u:p@[broken", "[broken"),
        ("no address", "no address"),
    ];
    for (url, expected) in cases {
        assert_eq!(redact(url), expected);
    }
    assert!(redact(&"ü".repeat(5000)).chars().count() <= 201);
}

#[test]
fn content_ranges_are_read_strictly() {
    let read = |value: &str| {
        let mut headers = reqwest::header::HeaderMap::new();
        headers.insert("content-range", value.parse().unwrap());
        content_range(&headers)
    };
    assert_eq!(read("bytes 5-9/10"), Some(ContentRange { first: 5, last: 9, total: Some(10) }));
    assert_eq!(read("bytes 5-9/*"), Some(ContentRange { first: 5, last: 9, total: None }));
    for bad in [
        "bytes 5-9",
        "bytes */10",
        "bytes 5-/10",
        "items 5-9/10",
        "bytes 5-9/x",
        "bytes 99999999999999999999-1/2",
    ] {
        assert_eq!(read(bad), None, "{bad}");
    }
}
