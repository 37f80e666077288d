//! YAML with places: every node knows its line and column. Aliases are shared, not copied, and counted
//! with what they stand for, so that a few lines cannot become a billion nodes.

use std::collections::HashMap;
use std::rc::Rc;

use saphyr_parser::{Event, Parser, ScalarStyle, Span};

use super::error::DeploymentError;
use crate::limits::deployment::DeploymentLimits;

/// A node and its place.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) line: usize,
    pub(super) column: usize,
    pub(super) value: Value,
    /// Nodes in it, itself counted, aliases expanded.
    weight: u64,
}

/// What a node holds.
#[derive(Debug)]
pub(super) enum Value {
    /// A scalar; `plain` if it stands without quotes.
    Scalar { text: String, plain: bool },
    /// A sequence.
    Sequence(Vec<Rc<Node>>),
    /// A mapping, in the file's order.
    Mapping(Vec<(String, Rc<Node>)>),
}

enum Open {
    Sequence { node: Vec<Rc<Node>>, anchor: usize, at: (usize, usize) },
    Mapping { node: Vec<(String, Rc<Node>)>, key: Option<String>, anchor: usize, at: (usize, usize) },
}

impl Node {
    /// The value of a key, merged mappings (`<<`) included.
    pub(super) fn get(&self, key: &str) -> Option<&Self> {
        let Value::Mapping(pairs) = &self.value else { return None };
        let own = pairs.iter().find(|(k, _)| k == key).map(|(_, v)| v.as_ref());
        own.or_else(|| {
            pairs.iter().filter(|(k, _)| k == "<<").find_map(|(_, merged)| match &merged.value {
                Value::Mapping(_) => merged.get(key),
                Value::Sequence(all) => all.iter().find_map(|m| m.get(key)),
                Value::Scalar { .. } => None,
            })
        })
    }

    /// Follows keys.
    pub(super) fn at(&self, keys: &[&str]) -> Option<&Self> {
        keys.iter().try_fold(self, |node, key| node.get(key))
    }

    /// Elements of a sequence; none of anything else.
    pub(super) fn items(&self) -> impl Iterator<Item = &Self> {
        let all: &[Rc<Self>] = match &self.value {
            Value::Sequence(all) => all,
            _ => &[],
        };
        all.iter().map(Rc::as_ref)
    }

    /// Pairs of a mapping; none of anything else. Merged mappings come as their pairs.
    pub(super) fn pairs(&self) -> Vec<(&str, &Self)> {
        let Value::Mapping(pairs) = &self.value else { return Vec::new() };
        let mut all = Vec::new();
        for (key, value) in pairs {
            match (key.as_str(), &value.value) {
                ("<<", Value::Mapping(_)) => all.extend(value.pairs()),
                ("<<", Value::Sequence(many)) => many.iter().for_each(|m| all.extend(m.pairs())),
                _ => all.push((key.as_str(), value.as_ref())),
            }
        }
        all
    }

    /// A scalar's text.
    pub(super) fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar { text, .. } => Some(text),
            _ => None,
        }
    }

    /// A scalar that the servers' YAML readers take for a boolean: those of YAML 1.1, without quotes.
    pub(super) fn boolean(&self) -> Option<bool> {
        match &self.value {
            Value::Scalar { text, plain: true } => match text.to_ascii_lowercase().as_str() {
                "true" | "yes" | "on" | "y" => Some(true),
                "false" | "no" | "off" | "n" => Some(false),
                _ => None,
            },
            _ => None,
        }
    }

    /// Whether the node is neither absent nor empty (`~`, `null`, nothing, an empty list or mapping).
    pub(super) fn is_filled(&self) -> bool {
        match &self.value {
            Value::Scalar { text, plain } => {
                !(text.is_empty() || (*plain && matches!(text.as_str(), "~" | "null")))
            }
            Value::Sequence(all) => !all.is_empty(),
            Value::Mapping(pairs) => !pairs.is_empty(),
        }
    }

    /// Every node below, with the keys that lead to it, in the file's order.
    pub(super) fn walk<'n>(&'n self, path: &mut Vec<&'n str>, visit: &mut dyn FnMut(&[&str], &'n Self)) {
        visit(path, self);
        match &self.value {
            Value::Scalar { .. } => {}
            Value::Sequence(all) => all.iter().for_each(|node| node.walk(path, visit)),
            Value::Mapping(pairs) => {
                for (key, node) in pairs {
                    path.push(key);
                    node.walk(path, visit);
                    path.pop();
                }
            }
        }
    }
}

/// Reads the first document of a file; `None` where it is empty.
pub(super) fn read(
    file: &str,
    text: &str,
    limits: &DeploymentLimits,
) -> Result<Option<Rc<Node>>, DeploymentError> {
    let mut anchors: HashMap<usize, Rc<Node>> = HashMap::new();
    let mut open: Vec<Open> = Vec::new();
    let mut root: Option<Rc<Node>> = None;
    let mut total: u64 = 0;
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|e| DeploymentError::Yaml {
            file: file.to_owned(),
            line: e.marker().line(),
            column: e.marker().col() + 1,
            detail: e.info().to_owned(),
        })?;
        let at = place(&span);
        let refuse = |detail: String| DeploymentError::Yaml {
            file: file.to_owned(),
            line: at.0,
            column: at.1,
            detail,
        };
        let opened = match event {
            Event::SequenceStart(anchor, _) => Some(Open::Sequence { node: Vec::new(), anchor, at }),
            Event::MappingStart(anchor, _) => Some(Open::Mapping { node: Vec::new(), key: None, anchor, at }),
            _ => None,
        };
        if let Some(opened) = opened {
            open.push(opened);
            if open.len() > limits.depth_max {
                return Err(DeploymentError::Limit {
                    file: file.to_owned(),
                    limit: "depth_max",
                    max: limits.depth_max as u64,
                });
            }
            continue;
        }
        let (node, anchor) = match event {
            Event::Scalar(text, style, anchor, _) => {
                let plain = style == ScalarStyle::Plain;
                let value = Value::Scalar { text: text.into_owned(), plain };
                (Rc::new(Node { line: at.0, column: at.1, value, weight: 1 }), anchor)
            }
            Event::Alias(id) => {
                let target =
                    anchors.get(&id).ok_or_else(|| refuse("an alias of a node that is still open".into()))?;
                (Rc::clone(target), 0)
            }
            Event::SequenceEnd | Event::MappingEnd => match open.pop() {
                Some(Open::Sequence { node, anchor, at }) => {
                    let weight = node.iter().fold(1u64, |n, child| n.saturating_add(child.weight));
                    (Rc::new(Node { line: at.0, column: at.1, value: Value::Sequence(node), weight }), anchor)
                }
                Some(Open::Mapping { node, anchor, at, .. }) => {
                    let weight = node.iter().fold(1u64, |n, (_, child)| n.saturating_add(child.weight));
                    (Rc::new(Node { line: at.0, column: at.1, value: Value::Mapping(node), weight }), anchor)
                }
                None => return Err(refuse("an end without a start".into())),
            },
            Event::DocumentStart(_) if root.is_some() => {
                return Err(refuse("a second document, which the servers do not read".into()));
            }
            _ => continue,
        };
        total = total.saturating_add(1).max(node.weight);
        if total > limits.nodes_max {
            return Err(DeploymentError::Limit {
                file: file.to_owned(),
                limit: "nodes_max",
                max: limits.nodes_max,
            });
        }
        if anchor > 0 {
            anchors.insert(anchor, Rc::clone(&node));
        }
        match open.last_mut() {
            None => root = Some(node),
            Some(Open::Sequence { node: all, .. }) => all.push(node),
            Some(Open::Mapping { node: pairs, key, .. }) => match key.take() {
                Some(key) => pairs.push((key, node)),
                None => {
                    let name = node.text().ok_or_else(|| refuse("a key that is not a scalar".into()))?;
                    if name != "<<" && pairs.iter().any(|(k, _)| k == name) {
                        return Err(refuse(format!("the key `{}` a second time", name.escape_debug())));
                    }
                    *key = Some(name.to_owned());
                }
            },
        }
    }
    Ok(root.filter(|r| r.is_filled()))
}

fn place(span: &Span) -> (usize, usize) {
    (span.start.line(), span.start.col() + 1)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn parse(text: &str) -> Result<Option<Rc<Node>>, DeploymentError> {
        read("x.yml", text, &DeploymentLimits::DEFAULT)
    }

    #[test]
    fn nodes_know_their_places() {
        let root = parse("a: 1\nb:\n  - c: yes\n    d: 'yes'\n").unwrap().unwrap();
        let c = root.get("b").unwrap().items().next().unwrap().get("c").unwrap();
        assert_eq!((c.line, c.column, c.boolean()), (3, 8, Some(true)));
        assert_eq!(root.get("b").unwrap().items().next().unwrap().get("d").unwrap().boolean(), None);
    }

    #[test]
    fn merged_mappings_are_seen() {
        let root = parse("x: &x {insecure_skip_verify: on}\ny:\n  <<: *x\n").unwrap().unwrap();
        assert_eq!(root.at(&["y", "insecure_skip_verify"]).unwrap().boolean(), Some(true));
    }

    #[test]
    fn what_cannot_be_judged_is_refused_with_its_place() {
        for (bad, line) in [
            ("a: 1\na: 2\n", 2),
            ("a: [1\n", 2),
            ("? [a]\n: 1\n", 1),
            ("a: &a [*a]\n", 1),
            ("a: 1\n---\nb: 2\n", 2),
        ] {
            match parse(bad) {
                Err(DeploymentError::Yaml { line: found, .. }) => {
                    assert!(found.abs_diff(line) <= 1, "{bad:?}: {found}")
                }
                other => assert!(other.is_err(), "{bad:?}: {other:?}"),
            }
        }
    }

    #[test]
    fn a_billion_laughs_are_a_limit() {
        let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for i in 1..12 {
            let refs = vec![format!("*a{}", i - 1); 10].join(", ");
            text.push_str(&format!("a{i}: &a{i} [{refs}]\n"));
        }
        assert!(matches!(parse(&text), Err(DeploymentError::Limit { limit: "nodes_max", .. })));
        let deep = "[".repeat(10_000);
        assert!(parse(&deep).is_err());
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(text in "[a-c:&*\\[\\]{}<>|'\"# \n-]{0,80}") {
            if let Ok(Some(root)) = parse(&text) {
                root.walk(&mut Vec::new(), &mut |_, _| {});
            }
        }
    }
}
