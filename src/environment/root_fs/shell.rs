//! Reading maintainer scripts as data: which `update-alternatives --install` commands a `postinst` would
//! run on first installation.
//!
//! Nothing is ever run. A small part of the shell is understood: words, quotes, continued lines, plain
//! variables, `for` over words, functions, `echo` inside `$(…)`. Every branch of `if` and `case` is
//! taken. A command with a word that cannot be known is reported, never guessed.

mod parse;

use std::collections::BTreeMap;
use std::rc::Rc;

use parse::{Node, Part, Word};

/// Nesting of functions and substitutions that is followed; the measured scripts need 2.
const NESTING_MAX: u32 = 16;
/// Bytes of one expanded word; a path is no longer than Linux `PATH_MAX`.
const WORD_BYTES_MAX: usize = 4096;
/// Bytes of a script that is read; the longest measured has 30 KiB.
const SCRIPT_BYTES_MAX: usize = 1 << 20;

/// Commands found in a script.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// Argument vectors of the wanted program, without its name.
    pub(super) commands: Vec<Vec<String>>,
    /// How many calls of it hold something that cannot be known without running the script.
    pub(super) unknown: usize,
}

/// Finds the calls of a program that a script would make with the given positional arguments.
pub(super) fn calls(script: &str, program: &str, arguments: &[&str], steps_max: u32) -> Found {
    let mut run = Run { program, steps: steps_max, found: Found::default() };
    let mut scope = Scope {
        variables: BTreeMap::from([("DPKG_ROOT".to_owned(), Some(String::new()))]),
        functions: BTreeMap::new(),
        positional: arguments.iter().map(|a| Some((*a).to_owned())).collect(),
        branches: 0,
        nesting: 0,
    };
    let parsed = if script.len() > SCRIPT_BYTES_MAX { None } else { parse::parse(script) };
    match parsed {
        Some(nodes) => drop(run.list(&nodes, &mut scope)),
        // Not understood as a whole: a call may hide anywhere but in comments.
        None if script.lines().any(|l| l.contains(program) && !l.trim_start().starts_with('#')) => {
            run.found.unknown += 1;
        }
        None => {}
    }
    if run.steps == 0 {
        run.found.unknown += 1;
    }
    run.found
}

#[derive(Clone)]
struct Scope {
    /// `None` where a value cannot be known.
    variables: BTreeMap<String, Option<String>>,
    functions: BTreeMap<String, Rc<[Node]>>,
    positional: Vec<Option<String>>,
    branches: u32,
    nesting: u32,
}

struct Run<'a> {
    program: &'a str,
    steps: u32,
    found: Found,
}

/// What a list would print through `echo`; `None` once that cannot be known.
type Printed = Option<Vec<String>>;

impl Run<'_> {
    fn list(&mut self, nodes: &[Node], scope: &mut Scope) -> Printed {
        let mut printed = Some(Vec::new());
        for node in nodes {
            if self.steps == 0 {
                return None;
            }
            self.steps -= 1;
            let more = match node {
                Node::Branch(body) => {
                    scope.branches += 1;
                    let more = self.list(body, scope);
                    scope.branches -= 1;
                    more
                }
                Node::Function(name, body) => {
                    scope.functions.insert(name.clone(), body.clone());
                    Some(Vec::new())
                }
                Node::For(variable, words, body) => self.repeat(variable, words, body, scope),
                Node::Command(words) => self.command(words, scope),
            };
            match (&mut printed, more) {
                (Some(all), Some(more)) => all.extend(more),
                _ => printed = None,
            }
        }
        printed
    }

    fn repeat(&mut self, variable: &str, words: &[Word], body: &[Node], scope: &mut Scope) -> Printed {
        let Some(values) = self.expand(words, scope) else {
            scope.variables.insert(variable.to_owned(), None);
            return self.list(body, scope).and(None);
        };
        let mut printed = Some(Vec::new());
        for value in values {
            scope.variables.insert(variable.to_owned(), Some(value));
            match (&mut printed, self.list(body, scope)) {
                (Some(all), Some(more)) => all.extend(more),
                _ => printed = None,
            }
        }
        printed
    }

    fn command(&mut self, words: &[Word], scope: &mut Scope) -> Printed {
        let nothing = Some(Vec::new());
        let mut words = words;
        if words.first().and_then(Word::text).is_some_and(|w| matches!(w, "local" | "export" | "readonly")) {
            words = words.get(1..).unwrap_or_default();
        }
        while let Some((name, value)) = words.first().and_then(Word::assignment) {
            let value = self.expand_one(&value, scope);
            let known = scope.variables.get(&name).is_some_and(|old| *old != value);
            // Which of several branches would have been taken is not known.
            let value = if scope.branches > 0 && known { None } else { value };
            scope.variables.insert(name, value);
            words = words.get(1..).unwrap_or_default();
        }
        let Some((first, arguments)) = words.split_first() else { return nothing };
        let Some(name) = first.text() else {
            let hidden = arguments.iter().any(|w| w.text() == Some("--install"));
            self.found.unknown += usize::from(hidden);
            return None;
        };
        if name == self.program || name.rsplit('/').next() == Some(self.program) {
            match self.expand(arguments, scope) {
                Some(words) => self.found.commands.push(words),
                None => self.found.unknown += 1,
            }
            return nothing;
        }
        if name == "echo" {
            return self.expand(arguments, scope);
        }
        if let Some(body) = scope.functions.get(name).cloned() {
            if scope.nesting >= NESTING_MAX {
                self.found.unknown += 1;
                return None;
            }
            let outer = scope.clone();
            let positional = match self.expand(arguments, scope) {
                Some(words) => words.into_iter().map(Some).collect(),
                None => vec![None; 9],
            };
            let mut inner = Scope { positional, branches: 0, nesting: outer.nesting + 1, ..outer };
            return self.list(&body, &mut inner);
        }
        // Anything else prints what is not known, but changes nothing that is looked for.
        None
    }

    /// All words, unquoted ones split at blanks.
    fn expand(&mut self, words: &[Word], scope: &mut Scope) -> Option<Vec<String>> {
        let mut out = Vec::new();
        for word in words {
            let mut whole = String::new();
            let mut any = word.quoted;
            for part in &word.parts {
                if self.steps == 0 {
                    return None;
                }
                self.steps -= 1;
                let (text, split) = match part {
                    Part::Text(text) => (text.clone(), false),
                    Part::Variable { name, quoted } => (scope.value(name)?, !quoted),
                    Part::Substitution { nodes, quoted } => {
                        if scope.nesting >= NESTING_MAX {
                            return None;
                        }
                        let mut inner = Scope { nesting: scope.nesting + 1, ..scope.clone() };
                        (self.list(nodes, &mut inner)?.join(" "), !quoted)
                    }
                    Part::Unknown => return None,
                };
                if whole.len() + text.len() > WORD_BYTES_MAX {
                    return None;
                }
                if !split {
                    any |= !text.is_empty();
                    whole.push_str(&text);
                    continue;
                }
                if text.starts_with(char::is_whitespace) && any {
                    out.push(std::mem::take(&mut whole));
                    any = false;
                }
                let mut pieces = text.split_whitespace().peekable();
                while let Some(piece) = pieces.next() {
                    whole.push_str(piece);
                    any = true;
                    if pieces.peek().is_some() || text.ends_with(char::is_whitespace) {
                        out.push(std::mem::take(&mut whole));
                        any = false;
                    }
                }
            }
            if any {
                out.push(whole);
            }
        }
        // Long words cost more steps, so that doubling a variable ends soon.
        let bytes: usize = out.iter().map(|w| 1 + w.len() / 64).sum();
        self.steps = self.steps.saturating_sub(u32::try_from(bytes).unwrap_or(u32::MAX));
        (self.steps > 0).then_some(out)
    }

    /// A word as an assignment takes it: not split.
    fn expand_one(&mut self, word: &Word, scope: &mut Scope) -> Option<String> {
        Some(self.expand(std::slice::from_ref(word), scope)?.join(" "))
    }
}

impl Scope {
    fn value(&self, name: &str) -> Option<String> {
        match name.parse::<usize>() {
            Ok(0) => None,
            Ok(n) => self.positional.get(n - 1).cloned().unwrap_or(Some(String::new())),
            // A variable that nobody set may come from the environment.
            Err(_) => self.variables.get(name).cloned().flatten(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(script: &str, expected: &[&str], unknown: usize) {
        let found = calls(script, "ua", &["configure", ""], 10_000);
        let commands: Vec<String> = found.commands.iter().map(|c| c.join(" ")).collect();
        assert_eq!(
            (commands.as_slice(), found.unknown),
            (&expected.iter().map(|e| (*e).to_owned()).collect::<Vec<_>>()[..], unknown),
            "{script}"
        );
    }

    #[test]
    fn the_shapes_of_real_scripts_are_read() {
        check("ua --install a b c 5\n", &["--install a b c 5"], 0);
        check("ua \\\n  --install a \\\n\tb c 5 \\\n  #--slave x\n\nexit 0", &["--install a b c 5"], 0);
        check("ver=1.16\nprio=34\nua --install a b c-$ver ${prio}\n", &["--install a b c-1.16 34"], 0);
        check("if [ \"$1\" = configure ]; then\n ua x \"a b\" 'c'\nfi", &["x a b c"], 0);
        check("case \"$1\" in\n  a|configure)\n  ua x\n ;;\n *) false ;;\nesac", &["x"], 0);
        check("ua x || true\nfalse && ua y; ua z >/dev/null 2>&1", &["x", "y", "z"], 0);
        check("f() {\n ua $1 --slave\n}\nif test -z \"$2\"; then f q; fi", &["q --slave"], 0);
        check("for u in cat more\ndo\n ua lz$u\ndone", &["lzcat", "lzmore"], 0);
        check(
            "s () {\n d=$1 f=$2\n echo \"--slave $d/$f $f\"\n}\nua m $(\n s /b u\n for x in a b\n do\n s /c z$x\n done\n)",
            &["m --slave /b/u u --slave /c/za za --slave /c/zb zb"],
            0,
        );
        check("cat <<EOF\nua no\nEOF\nua yes", &["yes"], 0);
        check("# ua no\necho ua no\n: 'ua no'\n", &[], 0);
        check("/usr/bin/ua x", &["x"], 0);
    }

    #[test]
    fn what_cannot_be_known_is_counted_and_never_guessed() {
        check("ua --install $(uname -m)/x", &[], 1);
        check("ua --install `arch`", &[], 1);
        check("ua --install $UNSET", &[], 1);
        check("ua ${x:-y}", &[], 1);
        check("if a; then p=1; else p=2; fi\nua $p", &[], 1);
        check("U=ua\n$U --install x", &[], 1);
        check("f() { f; }\nf\nua x", &["x"], 1);
        check("ua 'never closed", &[], 1);
        check("f() (\n ua $1\n)\nf x", &[], 1);
        check("# ua no\nf() (\n true\n)", &[], 0);
    }

    #[test]
    fn work_is_bounded() {
        let words = "x ".repeat(200);
        let script =
            format!("for a in {words}; do for b in {words}; do for c in {words}; do ua $c; done; done; done");
        let found = calls(&script, "ua", &[], 10_000);
        assert!(found.unknown > 0 && found.commands.len() < 10_000);
        let doubling = format!("a=x\n{}ua \"$a\"", "a=\"$a$a\"\n".repeat(200));
        assert_eq!(calls(&doubling, "ua", &[], 10_000).unknown, 1);
        let deep = format!("{}ua x", "if true; then ".repeat(100_000));
        let _ = calls(&deep, "ua", &[], 10_000);
        let deep = format!("ua {}", "$(echo ".repeat(100_000));
        let _ = calls(&deep, "ua", &[], 10_000);
    }
}
