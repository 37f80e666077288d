//! Alternatives (update-alternatives(1)): read out of the `postinst` scripts as data, then made as a
//! first installation in automatic mode leaves them.

use std::collections::BTreeMap;

use super::shell;

/// Where dpkg keeps its records of alternatives.
pub(super) const ADMIN_FOLDER: &str = "var/lib/dpkg/alternatives";
/// Where the links between name and program are.
pub(super) const LINK_FOLDER: &str = "etc/alternatives";

/// One `--install` command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Candidate {
    pub(super) link: String,
    pub(super) name: String,
    pub(super) path: String,
    pub(super) priority: i64,
    /// Link, name, path.
    pub(super) slaves: Vec<[String; 3]>,
}

/// Candidates of one script, and how many commands could not be read.
pub(super) fn read_script(script: &[u8], steps_max: u32) -> (Vec<Candidate>, usize) {
    let script = String::from_utf8_lossy(script);
    let found = shell::calls(&script, "update-alternatives", &["configure", ""], steps_max);
    let mut unread = found.unknown;
    let mut candidates = Vec::new();
    for command in found.commands {
        if !command.iter().any(|w| w == "--install") {
            continue;
        }
        match candidate(&command) {
            Some(candidate) => candidates.push(candidate),
            None => unread += 1,
        }
    }
    (candidates, unread)
}

fn candidate(words: &[String]) -> Option<Candidate> {
    let mut words = words.iter();
    let mut candidate: Option<Candidate> = None;
    let absolute = |w: &String| (w.starts_with('/') && !w.contains('\n')).then(|| w.clone());
    let name =
        |w: &String| (!w.is_empty() && !w.contains(['/', '\n']) && w != "." && w != "..").then(|| w.clone());
    while let Some(word) = words.next() {
        match word.as_str() {
            "--install" if candidate.is_none() => {
                candidate = Some(Candidate {
                    link: absolute(words.next()?)?,
                    name: name(words.next()?)?,
                    path: absolute(words.next()?)?,
                    priority: words.next()?.parse().ok()?,
                    slaves: Vec::new(),
                });
            }
            "--slave" => candidate.as_mut()?.slaves.push([
                absolute(words.next()?)?,
                name(words.next()?)?,
                absolute(words.next()?)?,
            ]),
            "--quiet" | "--force" | "--verbose" | "--skip-auto" => {}
            _ => return None,
        }
    }
    candidate
}

/// All candidates for one name.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Group {
    pub(super) name: String,
    pub(super) link: String,
    /// By path; the first of the highest priority wins.
    pub(super) candidates: Vec<Candidate>,
}

impl Group {
    /// The candidate that automatic mode chooses.
    pub(super) fn chosen(&self) -> Option<&Candidate> {
        self.candidates.iter().rev().max_by_key(|c| c.priority)
    }

    /// Names and links of all slaves, by name.
    fn slaves(&self) -> BTreeMap<&str, &str> {
        let all = self.candidates.iter().flat_map(|c| &c.slaves);
        all.map(|[link, name, _]| (name.as_str(), link.as_str())).collect()
    }

    /// dpkg's record of the group.
    pub(super) fn record(&self) -> String {
        let mut text = format!("auto\n{}\n", self.link);
        let slaves = self.slaves();
        for (name, link) in &slaves {
            text.push_str(&format!("{name}\n{link}\n"));
        }
        text.push('\n');
        for candidate in &self.candidates {
            text.push_str(&format!("{}\n{}\n", candidate.path, candidate.priority));
            for name in slaves.keys() {
                let path = candidate.slaves.iter().find(|[_, n, _]| n == name).map(|[_, _, p]| p.as_str());
                text.push_str(path.unwrap_or_default());
                text.push('\n');
            }
        }
        text.push('\n');
        text
    }
}

/// Puts candidates together; those of an earlier package come first and name the link. What
/// contradicts an earlier one is given back.
pub(super) fn group(candidates: Vec<Candidate>) -> (Vec<Group>, Vec<Candidate>) {
    let mut groups: BTreeMap<String, Group> = BTreeMap::new();
    let mut contradicting = Vec::new();
    for candidate in candidates {
        let group = groups.entry(candidate.name.clone()).or_insert_with(|| Group {
            name: candidate.name.clone(),
            link: candidate.link.clone(),
            candidates: Vec::new(),
        });
        match group.candidates.iter().find(|c| c.path == candidate.path) {
            Some(same) if *same == candidate => {}
            None if group.link == candidate.link => group.candidates.push(candidate),
            _ => contradicting.push(candidate),
        }
    }
    let mut groups: Vec<Group> = groups.into_values().collect();
    for group in &mut groups {
        group.candidates.sort_by(|a, b| a.path.cmp(&b.path));
    }
    (groups, contradicting)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const SCRIPT: &str = "update-alternatives --quiet --install /usr/bin/f f /usr/bin/f-a 50 \\\n \
        --slave /m/f.1.gz f.1.gz /m/f-a.1.gz\nupdate-alternatives --install /usr/bin/f f /usr/bin/f-b 30\n\
        update-alternatives --remove-all old\n";

    #[test]
    fn the_highest_priority_is_chosen_and_all_are_recorded() {
        let (candidates, unread) = read_script(SCRIPT.as_bytes(), 1000);
        assert_eq!((candidates.len(), unread), (2, 0));
        let (groups, contradicting) = group(candidates);
        assert!(contradicting.is_empty());
        let group = groups.first().unwrap();
        assert_eq!(group.chosen().unwrap().path, "/usr/bin/f-a");
        assert_eq!(
            group.record(),
            "auto\n/usr/bin/f\nf.1.gz\n/m/f.1.gz\n\n/usr/bin/f-a\n50\n/m/f-a.1.gz\n/usr/bin/f-b\n30\n\n\n"
        );
    }

    #[test]
    fn a_tie_goes_to_the_first_by_path() {
        let script = "update-alternatives --install /l n /b 5\nupdate-alternatives --install /l n /a 5";
        let (groups, _) = group(read_script(script.as_bytes(), 1000).0);
        assert_eq!(groups.first().unwrap().chosen().unwrap().path, "/a");
    }

    #[test]
    fn what_is_not_a_whole_command_is_counted_as_unread() {
        for script in [
            "update-alternatives --install /l n /p\n",
            "update-alternatives --install l n /p 5\n",
            "update-alternatives --install /l ../n /p 5\n",
            "update-alternatives --install /l n /p high\n",
            "update-alternatives --slave /l n /p --install /l n /p 5\n",
            "update-alternatives --install /l n /p 5 --altdir /x\n",
        ] {
            assert_eq!(read_script(script.as_bytes(), 1000), (vec![], 1), "{script}");
        }
    }

    #[test]
    fn contradictions_are_given_back() {
        let script = "update-alternatives --install /l n /p 5\nupdate-alternatives --install /l n /p 6\n\
            update-alternatives --install /other n /q 6\n";
        let (groups, contradicting) = group(read_script(script.as_bytes(), 1000).0);
        assert_eq!((groups.first().unwrap().candidates.len(), contradicting.len()), (1, 2));
    }
}
