#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use super::*;

const HEX: &str = "ae5aebb3bc328791677bdbf3bf3767f937956054aa033a1658e81106ead8eaf4";

fn project() -> ProjectName {
    ProjectName::new("prometheus-client").unwrap()
}

fn page(media_type: &str, text: &str) -> Page {
    Page {
        bytes: text.as_bytes().to_vec(),
        media_type: media_type.to_owned(),
        url: "https://index.example/simple/prometheus-client/".to_owned(),
    }
}

fn listing(media_type: &str, text: &str) -> Result<Listing, PypiError> {
    let page = page(media_type, text);
    read(&project(), &page, &page.url, &PypiLimits::DEFAULT)
}

fn json_page(files: &str) -> String {
    format!(
        r#"{{"meta": {{"api-version": "1.3", "_last-serial": 1}}, "name": "Prometheus_Client", "extra": 1, "files": [{files}]}}"#
    )
}

#[test]
fn json_says_everything() {
    let text = json_page(&format!(
        r#"{{"filename": "prometheus_client-0.22.1-py3-none-any.whl", "url": "../../files/a.whl",
            "hashes": {{"md5": "x", "sha256": "{HEX}"}}, "requires-python": ">=3.9", "size": 12,
            "upload-time": "2025-06-02T14:29:00.068493Z", "yanked": "broken", "provenance": "/p/a",
            "core-metadata": {{"sha256": "{HEX}"}}, "gpg-sig": true}},
           {{"filename": "prometheus_client-0.22.1.tar.gz", "url": "https://other.example/b", "hashes": {{}}, "yanked": false}},
           {{"filename": "prometheus_client-0.22.1.exe", "url": "c", "hashes": {{}}}},
           {{"filename": "../prometheus_client-0.22.1.tar.gz", "url": "d", "hashes": {{}}}},
           {{"filename": "prometheus_client-0.1.tar.gz", "url": "file:///etc/passwd", "hashes": {{}}}}"#
    ));
    for media in ["application/vnd.pypi.simple.v1+json", "application/json", ""] {
        let listing = listing(media, &text).unwrap();
        assert_eq!((listing.files.len(), listing.left_out, listing.encrypted), (2, 3, true));
        let wheel = &listing.files[0];
        assert_eq!(wheel.url, "https://index.example/files/a.whl");
        assert_eq!(wheel.digest.as_ref().map(Digest::to_hex).as_deref(), Some(HEX));
        assert_eq!((wheel.len_bytes, wheel.yanked.as_deref()), (Some(12), Some("broken")));
        assert_eq!(wheel.provenance.as_deref(), Some("https://index.example/p/a"));
        assert_eq!(wheel.uploaded.unwrap().to_string(), "2025-06-02T14:29:00.068493Z");
        let python = |text: &str| Version::from_str(text).unwrap();
        assert!(wheel.fits_python(&python("3.11.2")) && !wheel.fits_python(&python("3.8.1")));
        assert_eq!((&listing.files[1].digest, &listing.files[1].yanked), (&None, &None));
    }
}

#[test]
fn html_says_the_same_but_for_length_and_time() {
    let text = format!(
        r#"<!DOCTYPE html><html><head><meta name="pypi:repository-version" content="1.0">
        <title>Links</title></head><body><h1>Links</h1>
        <a href="../../files/a.whl#sha256={HEX}" data-requires-python="&gt;=3.9" data-yanked="broken"
           data-provenance="/p/a">prometheus_client-0.22.1-py3-none-any.whl</a><br/>
        <a href="b.tar.gz#md5=00"> prometheus_client-0.22.1.tar.gz </a>
        <a>prometheus_client-0.1.tar.gz</a>
        <script>var a = "<a href='x'>prometheus_client-0.2.tar.gz</a>"</script>
        <!-- <a href="x">prometheus_client-0.3.tar.gz</a> -->
        <a href="c.tar.gz">prometheus_client-0.4.tar.gz<a href="d">prometheus_client-0.5.tar.gz"#
    );
    let listing = listing("text/html", &text).unwrap();
    let names: Vec<&str> = listing.files.iter().map(|f| f.name.as_str()).collect();
    let expected = [
        "prometheus_client-0.22.1-py3-none-any.whl",
        "prometheus_client-0.22.1.tar.gz",
        "prometheus_client-0.4.tar.gz",
        "prometheus_client-0.5.tar.gz",
    ];
    assert_eq!(names, expected);
    let wheel = &listing.files[0];
    assert_eq!(wheel.url, "https://index.example/files/a.whl");
    assert_eq!(wheel.digest.as_ref().map(Digest::to_hex).as_deref(), Some(HEX));
    assert_eq!(wheel.requires_python.as_deref(), Some(">=3.9"));
    assert_eq!(wheel.yanked.as_deref(), Some("broken"));
    assert_eq!(wheel.provenance.as_deref(), Some("https://index.example/p/a"));
    assert_eq!((wheel.len_bytes, wheel.uploaded, &listing.files[1].digest), (None, None, &None));
}

#[test]
fn a_base_moves_relative_addresses() {
    let text = "<base href='https://b.example/x/'><a href='y.tar.gz'>prometheus_client-1.tar.gz</a>";
    assert_eq!(listing("text/html", text).unwrap().files[0].url, "https://b.example/x/y.tar.gz");
}

#[test]
fn what_is_no_page_of_the_project_is_refused() {
    let other = json_page("").replace("Prometheus_Client", "other");
    let version = json_page("").replace("1.3", "2.0");
    let html = "<meta name='pypi:repository-version' content='2.0'>";
    for (media, text) in [
        ("application/json", "{"),
        ("application/json", "[]"),
        ("application/json", other.as_str()),
        ("application/json", version.as_str()),
        ("text/html", html),
        ("text/plain", "prometheus_client-0.22.1.tar.gz"),
        ("application/octet-stream", "{}"),
    ] {
        let error = listing(media, text).unwrap_err();
        assert!(matches!(error, PypiError::Page { .. }), "{media} {text}: {error}");
    }
    let bytes = Page { bytes: vec![0xff, 0xfe], ..page("text/html", "") };
    assert!(read(&project(), &bytes, "https://i.example/", &PypiLimits::DEFAULT).is_err());
}

#[test]
fn files_are_bounded_and_plain_connections_told() {
    let one = format!(r#"{{"filename": "x", "url": "x", "hashes": {{"sha256": "{HEX}"}}}}"#);
    let limits = PypiLimits { files_max: 2, ..PypiLimits::DEFAULT };
    let many = page("application/json", &json_page(&[one.as_str(); 3].join(",")));
    let error = read(&project(), &many, &many.url, &limits).unwrap_err();
    assert!(matches!(error, PypiError::Limit { limit: "files_max", max: 2, .. }), "{error}");
    let html = page("text/html", &"<a href='x'>x</a>".repeat(3));
    assert!(matches!(read(&project(), &html, &html.url, &limits), Err(PypiError::Limit { .. })));
    let plain = page("application/json", &json_page(""));
    let asked = "http://index.example/simple/prometheus-client/";
    assert!(!read(&project(), &plain, asked, &PypiLimits::DEFAULT).unwrap().encrypted);
}
