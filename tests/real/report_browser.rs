//! The HTML report in a real browser: laid out at two widths, printed, without a request and without a
//! complaint. Where Chromium is not installed the test says so and checks nothing.

use std::path::{Path, PathBuf};
use std::process::Command;

use reprove::limits::report::ReportLimits;
use reprove::report::{Report, html};

const SAMPLE: &[u8] = include_bytes!("../../src/report/snapshots/reprove__report__tests__sample.snap.json");

fn chromium() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    ["chromium", "chromium-browser", "google-chrome"]
        .iter()
        .flat_map(|name| std::env::split_paths(&path).map(move |dir| dir.join(name)).collect::<Vec<_>>())
        .find(|p| p.is_file())
}

fn run(browser: &Path, folder: &Path, arguments: &[String], page: &Path) -> (String, String) {
    let profile = tempfile::tempdir_in(folder).unwrap();
    let output = Command::new(browser)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"])
        .args([
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--disable-extensions",
        ])
        .args(["--disable-dev-shm-usage", "--hide-scrollbars", "--enable-logging=stderr"])
        .arg("--host-resolver-rules=MAP * ~NOTFOUND")
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .args(arguments)
        .arg(format!("file://{}", page.display()))
        .output()
        .unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{err}");
    (out.into_owned(), err.into_owned())
}

const CONTROL: &str = "<!DOCTYPE html><meta http-equiv=\"Content-Security-Policy\" content=\"script-src 'none'\">\
    <title>x</title><img src=\"http://example.invalid/x.png\"><script>1</script>";

/// The page's DOM, what the browser said, and what the page (not the browser for itself) asked for.
fn open(browser: &Path, folder: &Path, page: &Path) -> (String, String, Vec<String>) {
    let netlog = folder.join("net.json");
    let arguments = ["--dump-dom".to_owned(), format!("--log-net-log={}", netlog.display())];
    let (dom, complaints) = run(browser, folder, &arguments, page);
    let mut text = std::fs::read_to_string(&netlog).unwrap();
    if serde_json::from_str::<serde_json::Value>(&text).is_err() {
        // The log's end is not written when the browser is quick to leave.
        text.truncate(text.trim_end().trim_end_matches(',').len());
        text.push_str("]}");
    }
    let log: serde_json::Value = serde_json::from_str(&text).unwrap();
    let mut requests: Vec<String> = log["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| &event["params"])
        .filter(|p| p["initiator"].as_str().is_some_and(|i| i != "not an origin"))
        .filter_map(|p| p["url"].as_str())
        .filter(|url| !url.starts_with("file:") && !url.starts_with("data:"))
        .map(str::to_owned)
        .collect();
    requests.sort();
    requests.dedup();
    (dom, complaints, requests)
}

#[test]
fn the_report_is_laid_out_printed_and_asks_for_nothing() {
    let Some(browser) = chromium() else {
        eprintln!("not checked: no Chromium on this machine");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let report = Report::from_json(SAMPLE, &ReportLimits::DEFAULT).unwrap();
    let mut pages = Vec::new();
    for page in html::pages(&report, &ReportLimits::DEFAULT) {
        let path = folder.path().join(page.name.as_str());
        std::fs::write(&path, &page.html).unwrap();
        pages.push(path);
    }
    let index = pages.remove(0);
    assert!(index.ends_with("index.html"));
    let page = pages.iter().find(|p| p.ends_with("libcue.html")).unwrap();

    let (dom, complaints, requests) = open(&browser, folder.path(), page);
    assert!(dom.contains("<h1>libcue ") && dom.contains("identifiers only"), "{dom}");
    assert!(dom.contains("<main id=\"content\""), "{dom}");
    assert!(!complaints.contains("CONSOLE"), "{complaints}");
    assert_eq!(requests, Vec::<String>::new());
    // The same eyes see both on a page that has them.
    let control = folder.path().join("control.html");
    std::fs::write(&control, CONTROL).unwrap();
    let (_, complaints, requests) = open(&browser, folder.path(), &control);
    assert!(complaints.contains("CONSOLE"), "{complaints}");
    assert_eq!(requests, ["http://example.invalid/x.png"]);

    for (name, width, path) in [("wide", 1280, page), ("narrow", 500, page), ("index", 1280, &index)] {
        let shot = folder.path().join(format!("{name}.png"));
        let arguments = [format!("--screenshot={}", shot.display()), format!("--window-size={width},1600")];
        let (_, complaints) = run(&browser, folder.path(), &arguments, path);
        assert!(!complaints.contains("CONSOLE"), "{complaints}");
        // An empty page of this size compresses to less than 15 KB.
        let len = std::fs::metadata(&shot).unwrap().len();
        assert!(len > 30_000, "{name}: {len} bytes");
    }
    let pdf = folder.path().join("report.pdf");
    run(&browser, folder.path(), &[format!("--print-to-pdf={}", pdf.display())], page);
    assert!(std::fs::read(&pdf).unwrap().starts_with(b"%PDF-"));
    if let Some(keep) = std::env::var_os("REPROVE_KEEP_PAGES") {
        for path in pages.iter().chain([&index, &pdf]) {
            std::fs::copy(path, Path::new(&keep).join(path.file_name().unwrap())).unwrap();
        }
    }
}
