//! What a probe found.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Whether what was expected is so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Answer {
    /// One alternative is met in full.
    Holds {},
    /// The component was asked and answered, and no alternative is met.
    DoesNotHold {
        /// Where the alternative that comes nearest is not met.
        differences: Vec<Difference>,
    },
    /// Nothing follows: the component did not start, a limit was reached, no alternative is for this
    /// version.
    CouldNotTell {
        /// Why.
        reason: String,
    },
}

impl Answer {
    /// In a word or two.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Holds {} => "holds",
            Self::DoesNotHold { .. } => "does not hold",
            Self::CouldNotTell { .. } => "could not tell",
        }
    }
}

/// One expectation that is not met.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Difference {
    /// What it is about, e.g. `status` or `header Location`.
    pub what: String,
    /// What was expected.
    pub expected: String,
    /// What was found; an excerpt.
    pub found: String,
}

/// What was seen. Everything in it was written by the component under test.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Observed {
    /// The status of the answer that counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Why there is no answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub no_answer: Option<String>,
    /// Its header fields; names in lower case.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// The beginning of its body, or, where a text was looked for, what surrounds it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body_excerpt: Option<String>,
    /// Bytes of the body that were read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body_bytes: Option<u64>,
    /// The end of the output, or what surrounds a text that was looked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_excerpt: Option<String>,
    /// What became of an offer of TLS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handshake: Option<String>,
    /// A flag's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
    /// What became of the process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<ProcessState>,
    /// Requests and datagrams to each auxiliary server.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub servers_saw: BTreeMap<String, Vec<String>>,
    /// The most memory that the component was seen to use, in bytes. Tells of this run, and belongs in
    /// no compared result.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_peak_bytes: Option<u64>,
}

/// What became of the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProcessState {
    /// It lives.
    Alive,
    /// It ended by itself with this status.
    Exited(i32),
    /// It was ended by this signal, which did not come from us.
    Signalled(i32),
    /// It reached a limit and was ended.
    LimitReached,
}
