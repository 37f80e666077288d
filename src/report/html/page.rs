//! A page and what may be put into it: our own markup, which is `&'static str`, and text, which is
//! always bounded, made visible and escaped. Untrusted text has no way into the first.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::digest::{Algorithm, Digest};
use crate::report::file::Tool;
use crate::report::shown;
use crate::verdict::Verdict;

const STYLE: &str = include_str!("style.css");

/// An HTML page in the making.
pub(super) struct Html {
    out: String,
    chars_max: usize,
}

impl Html {
    pub(super) const fn new(chars_max: usize) -> Self {
        Self { out: String::new(), chars_max }
    }

    /// Markup of ours.
    pub(super) fn raw(&mut self, markup: &'static str) -> &mut Self {
        self.out.push_str(markup);
        self
    }

    /// Text on one line.
    pub(super) fn text(&mut self, text: &str) -> &mut Self {
        let text = shown::line(text, self.chars_max);
        self.escaped(&text);
        self
    }

    /// Text with its line ends, for `<pre>`.
    pub(super) fn block(&mut self, text: &str) -> &mut Self {
        let text = shown::block(text, self.chars_max);
        self.escaped(&text);
        self
    }

    /// Text between two pieces of markup.
    pub(super) fn within(&mut self, before: &'static str, text: &str, after: &'static str) -> &mut Self {
        self.raw(before).text(text).raw(after)
    }

    /// Text of ours in which `` `code` `` is set as code; what is between is text all the same.
    pub(super) fn prose(&mut self, text: &str) -> &mut Self {
        for (i, part) in shown::line(text, self.chars_max).split('`').enumerate() {
            if i % 2 == 1 {
                self.raw("<code>");
                self.escaped(part);
                self.raw("</code>");
            } else {
                self.escaped(part);
            }
        }
        self
    }

    fn escaped(&mut self, text: &str) {
        for c in text.chars() {
            match c {
                '&' => self.out.push_str("&amp;"),
                '<' => self.out.push_str("&lt;"),
                '>' => self.out.push_str("&gt;"),
                '"' => self.out.push_str("&quot;"),
                '\'' => self.out.push_str("&#39;"),
                c => self.out.push(c),
            }
        }
    }

    /// The class that colours a verdict.
    pub(super) fn class(&mut self, verdict: Verdict) -> &mut Self {
        self.raw(verdict.word())
    }

    /// A shape for each verdict, so that none is told by colour alone; the word stands beside it.
    pub(super) fn icon(&mut self, verdict: Verdict) -> &mut Self {
        self.raw(match verdict {
            Verdict::Pass => {
                "<svg class=\"icon\" viewBox=\"0 0 24 24\" aria-hidden=\"true\"><circle cx=\"12\" cy=\"12\" r=\"10\"/><path d=\"M7.5 12.5l3 3 6-6.5\"/></svg>"
            }
            Verdict::Inconclusive => {
                "<svg class=\"icon\" viewBox=\"0 0 24 24\" aria-hidden=\"true\"><path d=\"M12 1.8 22.2 12 12 22.2 1.8 12z\"/><path d=\"M8 12h8\"/></svg>"
            }
            Verdict::Fail => {
                "<svg class=\"icon\" viewBox=\"0 0 24 24\" aria-hidden=\"true\"><rect x=\"2.5\" y=\"2.5\" width=\"19\" height=\"19\" rx=\"2\"/><path d=\"M8 8l8 8M16 8l-8 8\"/></svg>"
            }
        })
    }

    /// A word with its shape.
    pub(super) fn badge(&mut self, word: &str, verdict: Verdict) -> &mut Self {
        self.raw("<span class=\"badge ").class(verdict).raw("\">").icon(verdict).text(word).raw("</span>")
    }

    /// A digest in groups of eight digits; those that differ from `other` are marked. Copied, it is one
    /// word.
    pub(super) fn digest(&mut self, digest: &Digest, other: Option<&Digest>) -> &mut Self {
        let hex = digest.to_hex();
        let other = other.filter(|o| o.algorithm() == digest.algorithm()).map(Digest::to_hex);
        self.raw("<code class=\"digest\"><b>").raw(digest.algorithm().name()).raw("</b>");
        let mut marked = false;
        for (i, c) in hex.chars().enumerate() {
            if i % 8 == 0 {
                if marked {
                    self.raw("</mark>");
                    marked = false;
                }
                self.raw(if i == 0 { "<i>" } else { "</i><wbr><i>" });
            }
            let differs = other.as_ref().is_some_and(|o| o.chars().nth(i) != Some(c));
            if differs != marked {
                self.raw(if differs { "<mark>" } else { "</mark>" });
                marked = differs;
            }
            self.out.push(c);
        }
        if marked {
            self.raw("</mark>");
        }
        self.raw("</i></code>")
    }

    /// A digest in a table's cell.
    pub(super) fn digest_cell(&mut self, digest: &Digest) -> &mut Self {
        self.within("<td class=\"digest whole\">", &digest.to_string(), "</td>")
    }

    /// The whole page: head with a policy that allows nothing but this very style sheet, then what was
    /// put in, then the footer.
    pub(super) fn into_page(self, title: &str, tool: &Tool) -> String {
        let style = STANDARD.encode(Digest::of(Algorithm::Sha256, STYLE.as_bytes()).as_bytes());
        let mut page = Self::new(self.chars_max);
        page.raw("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n").raw(
            "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'sha256-",
        );
        page.out.push_str(&style);
        page.raw("'; img-src data:; base-uri 'none'; form-action 'none'\">\n")
            .raw("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n")
            .raw("<meta name=\"color-scheme\" content=\"light dark\">\n<meta name=\"referrer\" content=\"no-referrer\">\n")
            .raw("<link rel=\"icon\" href=\"data:,\">\n")
            .within("<title>", title, "</title>\n<style>")
            .raw(STYLE)
            .raw("</style>\n</head>\n<body>\n<a class=\"skip\" href=\"#content\">Skip to the content</a>\n");
        page.out.push_str(&self.out);
        page.raw("<footer><div class=\"wrap\">\n<p>Written by ")
            .text(&tool.name)
            .raw(" ")
            .text(&tool.version)
            .within(". Schema of the same result as JSON: <code>", crate::report::SCHEMA_ID, "</code></p>\n")
            .raw("<p>This page holds no clock and no machine&#39;s name: the same inputs give the same bytes. It needs no network and no script.</p>\n")
            .raw("</div></footer>\n</body>\n</html>\n");
        page.out
    }
}
