//! The publisher's checkout, as the answers that `go build` gets from git.
//!
//! | Go | questions |
//! |---|---|
//! | 1.18 to 1.22 | `status --porcelain`; `show -s --format=%H:%ct` |
//! | from 1.23 | `status --porcelain`; `log -1 --format=%H:%ct` |
//! | from 1.24 | and of tags: `log … %H %ct %D`, `tag -l`, `for-each-ref … --merged`, `cat-file blob <commit>:go.mod` |
//! | from 1.25 | and `config extensions.objectformat` |
//! | from 1.26 | and `for-each-ref … --merged=<commit>` over all references, in place of that over tags |
//!
//! (`cmd/go/internal/vcs`, `cmd/go/internal/modfetch/codehost`; seen with each of these versions.)

/// What the answers are made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckoutState {
    /// The commit, 40 hexadecimal digits.
    pub revision: String,
    /// Its time, seconds since 1970.
    pub time: i64,
    /// Whether files are there that the commit does not have.
    pub modified: bool,
    /// Tags of this commit.
    pub tags: Vec<String>,
    /// Tags of commits before it.
    pub earlier_tags: Vec<String>,
    /// The commit's `go.mod`.
    pub go_mod: Vec<u8>,
}

impl CheckoutState {
    /// The file that the stand-in reads.
    pub(super) fn answers(&self) -> String {
        let (revision, time) = (&self.revision, self.time);
        let short: String = revision.chars().take(12).collect();
        let mut lines = String::new();
        let mut answer = |question: &[&str], status: u8, text: &[u8]| {
            let question = hex::encode(question.join("\u{1f}"));
            lines.push_str(&format!("{question} {status} {}\n", hex::encode(text)));
        };
        let status: &[u8] = if self.modified { b"?? untracked\n" } else { b"" };
        answer(&["status", "--porcelain"], 0, status);
        let stamp = format!("{revision}:{time}\n");
        answer(&["show", "-s", "--format=%H:%ct"], 0, stamp.as_bytes());
        answer(&["log", "-1", "--format=%H:%ct"], 0, stamp.as_bytes());
        // Not set in a repository of SHA-1 names.
        answer(&["config", "extensions.objectformat"], 1, b"");
        let mut refs = vec!["HEAD".to_owned()];
        refs.extend(self.tags.iter().map(|tag| format!("tag: {tag}")));
        let described = format!("{revision} {time} {}", refs.join(", "));
        let named = self.tags.iter().map(|tag| format!("refs/tags/{tag}"));
        for name in [revision.clone(), short].into_iter().chain(named) {
            let question = ["log", "--no-decorate", "-n1", "--format=format:%H %ct %D", &name, "--"];
            answer(&question, 0, described.as_bytes());
        }
        let mut all: Vec<&String> = self.tags.iter().chain(&self.earlier_tags).collect();
        all.sort();
        let listed: String = all.iter().map(|tag| format!("{tag}\n")).collect();
        answer(&["tag", "-l"], 0, listed.as_bytes());
        let merged: String = all.iter().map(|tag| format!("refs/tags/{tag}\n")).collect();
        let question = ["for-each-ref", "--format", "%(refname)", "refs/tags", "--merged", revision];
        answer(&question, 0, merged.as_bytes());
        let question = ["for-each-ref", "--format=%(refname)", &format!("--merged={revision}")];
        answer(&question, 0, merged.as_bytes());
        answer(&["cat-file", "blob", &format!("{revision}:go.mod")], 0, &self.go_mod);
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_question_has_one_answer() {
        let state = CheckoutState {
            revision: "996f2f3d5e414648141e34b7068a79ed4bec0735".to_owned(),
            time: 1_785_000_000,
            modified: true,
            tags: vec!["v1.2.3".to_owned()],
            earlier_tags: vec!["v1.2.2".to_owned()],
            go_mod: b"module m\n".to_vec(),
        };
        let answers = state.answers();
        let told = |question: &[&str]| {
            let wanted = hex::encode(question.join("\u{1f}"));
            let found: Vec<&str> = answers.lines().filter(|l| l.starts_with(&format!("{wanted} "))).collect();
            assert_eq!(found.len(), 1, "{question:?}");
            let text = found.first().and_then(|l| l.rsplit(' ').next()).unwrap_or_default();
            String::from_utf8_lossy(&hex::decode(text).unwrap_or_default()).into_owned()
        };
        assert_eq!(told(&["status", "--porcelain"]), "?? untracked\n");
        assert_eq!(told(&["log", "-1", "--format=%H:%ct"]), format!("{}:1785000000\n", state.revision));
        assert_eq!(told(&["tag", "-l"]), "v1.2.2\nv1.2.3\n");
        let merged = "refs/tags/v1.2.2\nrefs/tags/v1.2.3\n";
        for question in [
            &["for-each-ref", "--format", "%(refname)", "refs/tags", "--merged", &state.revision][..],
            &["for-each-ref", "--format=%(refname)", &format!("--merged={}", state.revision)],
        ] {
            assert_eq!(told(question), merged);
        }
        let described = format!("{} 1785000000 HEAD, tag: v1.2.3", state.revision);
        for name in [state.revision.as_str(), "996f2f3d5e41", "refs/tags/v1.2.3"] {
            assert_eq!(
                told(&["log", "--no-decorate", "-n1", "--format=format:%H %ct %D", name, "--"]),
                described
            );
        }
        assert!(!CheckoutState { modified: false, ..state }.answers().contains(&hex::encode("untracked")));
    }
}
