//! Words and lists of the shell (POSIX XCU 2.3, 2.9, 2.10), as far as reading scripts needs them.

use std::rc::Rc;

/// Nesting of lists that is followed; beyond it a script is not understood.
const NESTING_MAX: u32 = 60;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Node {
    Command(Vec<Word>),
    /// The bodies of all branches of `if`, `case`, `while`, in order.
    Branch(Vec<Node>),
    For(String, Vec<Word>, Vec<Node>),
    Function(String, Rc<[Node]>),
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Word {
    pub(super) parts: Vec<Part>,
    pub(super) quoted: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    Text(String),
    Variable { name: String, quoted: bool },
    Substitution { nodes: Vec<Node>, quoted: bool },
    Unknown,
}

impl Word {
    /// The text of a word without expansions.
    pub(super) fn text(&self) -> Option<&str> {
        match self.parts.as_slice() {
            [Part::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// Name and value of an assignment.
    pub(super) fn assignment(&self) -> Option<(String, Word)> {
        let Some((Part::Text(first), rest)) = self.parts.split_first() else { return None };
        let (name, start) = first.split_once('=')?;
        let name_like = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if name.is_empty() || !name.chars().all(name_like) || name.starts_with(|c: char| c.is_ascii_digit()) {
            return None;
        }
        let mut parts = Vec::new();
        if !start.is_empty() {
            parts.push(Part::Text(start.to_owned()));
        }
        parts.extend_from_slice(rest);
        Some((name.to_owned(), Word { parts, quoted: true }))
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Word(Word),
    /// `;`, `&`, `&&`, `||`, `|`, `;;` or a new line.
    End,
    Open,
    Close,
    /// A redirection, whose next word is its target.
    Redirection,
}

/// Reads a script; `None` where its quotes or nesting are not understood.
pub(super) fn parse(script: &str) -> Option<Vec<Node>> {
    parse_nested(script, 0)
}

fn parse_nested(script: &str, nesting: u32) -> Option<Vec<Node>> {
    if nesting > NESTING_MAX {
        return None;
    }
    let tokens = Lexer { rest: script, nesting }.tokens()?;
    let mut parser = Parser { tokens: tokens.into_iter().peekable(), nesting };
    let mut nodes = Vec::new();
    // A stray closing word ends a list early; what follows it still counts.
    while parser.tokens.peek().is_some() {
        nodes.extend(parser.list(&[])?);
    }
    Some(nodes)
}

struct Lexer<'s> {
    rest: &'s str,
    nesting: u32,
}

impl<'s> Lexer<'s> {
    fn tokens(mut self) -> Option<Vec<Token>> {
        let mut tokens = Vec::new();
        let mut documents: Vec<String> = Vec::new();
        let mut document_next = false;
        while let Some(c) = self.rest.chars().next() {
            match c {
                '\n' => {
                    self.skip(1);
                    for end in documents.drain(..) {
                        self.skip_document(&end);
                    }
                    tokens.push(Token::End);
                }
                ' ' | '\t' | '\r' => self.skip(1),
                '\\' if self.rest.starts_with("\\\n") => self.skip(2),
                '#' => self.skip(self.rest.find('\n').unwrap_or(self.rest.len())),
                ';' | '&' | '|' => {
                    self.skip(1);
                    tokens.push(Token::End);
                }
                '(' => {
                    self.skip(1);
                    tokens.push(Token::Open);
                }
                ')' => {
                    self.skip(1);
                    tokens.push(Token::Close);
                }
                '<' | '>' => {
                    document_next = self.rest.starts_with("<<");
                    let end = self.rest.find(|c| !"<>&|-".contains(c)).unwrap_or(self.rest.len());
                    self.skip(end);
                    tokens.push(Token::Redirection);
                }
                _ => {
                    let word = self.word()?;
                    if std::mem::take(&mut document_next) {
                        let text =
                            word.parts.iter().map(|p| if let Part::Text(t) = p { t.as_str() } else { "" });
                        documents.push(text.collect());
                    }
                    tokens.push(Token::Word(word));
                }
            }
        }
        Some(tokens)
    }

    fn skip(&mut self, bytes: usize) {
        self.rest = self.rest.get(bytes..).unwrap_or_default();
    }

    fn skip_document(&mut self, end: &str) {
        while !self.rest.is_empty() {
            let line = self.rest.split('\n').next().unwrap_or_default();
            self.skip(line.len() + 1);
            if line.trim_start_matches('\t') == end {
                return;
            }
        }
    }

    fn word(&mut self) -> Option<Word> {
        let mut word = Word::default();
        let mut text = String::new();
        let mut double = false;
        while let Some(c) = self.rest.chars().next() {
            match c {
                '"' => {
                    double = !double;
                    word.quoted = true;
                    self.skip(1);
                }
                '\\' => {
                    self.skip(1);
                    let next = self.rest.chars().next()?;
                    self.skip(next.len_utf8());
                    match next {
                        '\n' => {}
                        c if double && !"$`\"\\".contains(c) => text.extend(['\\', c]),
                        c => text.push(c),
                    }
                }
                '\'' if !double => {
                    let body = self.rest.get(1..)?;
                    let end = body.find('\'')?;
                    text.push_str(body.get(..end)?);
                    word.quoted = true;
                    self.skip(end + 2);
                }
                '$' | '`' => {
                    let part = self.expansion(double)?;
                    if let Part::Text(more) = part {
                        text.push_str(&more);
                        continue;
                    }
                    if !text.is_empty() {
                        word.parts.push(Part::Text(std::mem::take(&mut text)));
                    }
                    word.parts.push(part);
                }
                ' ' | '\t' | '\r' | '\n' | ';' | '&' | '|' | '(' | ')' | '<' | '>' if !double => break,
                c => {
                    text.push(c);
                    self.skip(c.len_utf8());
                }
            }
        }
        if double {
            return None;
        }
        if !text.is_empty() || word.parts.is_empty() {
            word.parts.push(Part::Text(text));
        }
        Some(word)
    }

    /// What begins with `$` or a backquote.
    fn expansion(&mut self, quoted: bool) -> Option<Part> {
        if self.rest.starts_with('`') {
            let end = self.rest.get(1..)?.find('`')?;
            self.skip(end + 2);
            return Some(Part::Unknown);
        }
        self.skip(1);
        match self.rest.chars().next() {
            Some('(') => {
                let body = self.rest.get(1..)?;
                let end = closing(body)?;
                let inner = body.get(..end)?;
                self.skip(end + 2);
                if inner.starts_with('(') {
                    return Some(Part::Unknown);
                }
                let nodes = parse_nested(inner, self.nesting + 1)?;
                Some(Part::Substitution { nodes, quoted })
            }
            Some('{') => {
                let end = self.rest.find('}')?;
                let name = self.rest.get(1..end)?.to_owned();
                self.skip(end + 1);
                let plain = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
                Some(if plain { Part::Variable { name, quoted } } else { Part::Unknown })
            }
            Some(c) if c.is_ascii_digit() => {
                self.skip(1);
                Some(Part::Variable { name: c.to_string(), quoted })
            }
            Some(c) if c.is_ascii_alphabetic() || c == '_' => {
                let end = self.rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
                let name = self.rest.get(..end.unwrap_or(self.rest.len()))?.to_owned();
                self.skip(name.len());
                Some(Part::Variable { name, quoted })
            }
            Some(c) if "@*#?$!-".contains(c) => {
                self.skip(1);
                Some(Part::Unknown)
            }
            _ => Some(Part::Text("$".into())),
        }
    }
}

/// Where the parenthesis closes that was opened before this text; quotes and nesting looked at.
fn closing(text: &str) -> Option<usize> {
    let (mut depth, mut single, mut double, mut escaped) = (0u32, false, false, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if std::mem::take(&mut escaped) => {}
            '\\' if !single => escaped = true,
            '\'' if !double => single = !single,
            '"' if !single => double = !double,
            '(' if !single && !double => depth += 1,
            ')' if !single && !double => match depth.checked_sub(1) {
                Some(less) => depth = less,
                None => return Some(at),
            },
            _ => {}
        }
    }
    None
}

struct Parser {
    tokens: std::iter::Peekable<std::vec::IntoIter<Token>>,
    nesting: u32,
}

impl Parser {
    /// Reads commands until one of the closing words stands where a command would.
    fn list(&mut self, until: &[&str]) -> Option<Vec<Node>> {
        self.nesting += 1;
        if self.nesting > NESTING_MAX {
            return None;
        }
        let mut nodes = Vec::new();
        while let Some(token) = self.tokens.next() {
            let Token::Word(word) = token else { continue };
            let keyword = if word.quoted { None } else { word.text() };
            match keyword {
                Some(end) if until.contains(&end) => break,
                Some("then" | "else" | "elif" | "do" | "done" | "fi" | "esac" | "}" | "!") => {}
                Some("if") => nodes.push(Node::Branch(self.list(&["fi"])?)),
                Some("case") => nodes.push(Node::Branch(self.list(&["esac"])?)),
                Some("while" | "until") => nodes.push(Node::Branch(self.list(&["done"])?)),
                Some("{") => nodes.push(Node::Branch(self.list(&["}"])?)),
                Some("for") => nodes.push(self.repetition()?),
                Some(name) if self.tokens.peek() == Some(&Token::Open) => {
                    let name = name.to_owned();
                    self.tokens.next();
                    if self.tokens.next_if(|t| *t == Token::Close).is_some() {
                        nodes.push(self.function(name)?);
                    }
                }
                _ => nodes.push(self.command(word)),
            }
        }
        self.nesting -= 1;
        Some(nodes)
    }

    fn command(&mut self, first: Word) -> Node {
        let mut words = vec![first];
        loop {
            match self.tokens.next_if(|t| matches!(t, Token::Word(_) | Token::Redirection)) {
                Some(Token::Word(word)) => words.push(word),
                Some(_) => {
                    // `2>file`: the number belongs to the redirection.
                    let number = |w: &Word| w.text().is_some_and(|t| t == "1" || t == "2");
                    if words.len() > 1 && words.last().is_some_and(number) {
                        words.pop();
                    }
                    self.tokens.next_if(|t| matches!(t, Token::Word(_)));
                }
                None => return Node::Command(words),
            }
        }
    }

    fn repetition(&mut self) -> Option<Node> {
        let Some(Token::Word(name)) = self.tokens.next() else { return None };
        let name = name.text()?.to_owned();
        let mut words = Vec::new();
        let mut listed = false;
        loop {
            match self.tokens.next()? {
                Token::Word(word) if !listed && word.text() == Some("in") => listed = true,
                Token::Word(word) if !listed && word.text() == Some("do") => {
                    // Over the positional parameters.
                    words.push(Word { parts: vec![Part::Unknown], quoted: false });
                    break;
                }
                Token::Word(word) => words.push(word),
                Token::End if listed => {
                    while self.tokens.next_if(|t| *t == Token::End).is_some() {}
                    self.tokens.next_if(|t| matches!(t, Token::Word(w) if w.text() == Some("do")))?;
                    break;
                }
                Token::End => {}
                Token::Open | Token::Close | Token::Redirection => return None,
            }
        }
        Some(Node::For(name, words, self.list(&["done"])?))
    }

    fn function(&mut self, name: String) -> Option<Node> {
        while self.tokens.next_if(|t| *t == Token::End).is_some() {}
        let brace = |t: &Token| matches!(t, Token::Word(w) if w.text() == Some("{"));
        self.tokens.next_if(brace)?;
        Some(Node::Function(name, self.list(&["}"])?.into()))
    }
}
