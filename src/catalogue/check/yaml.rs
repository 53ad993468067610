//! YAML as a tree with lines. Tags (`!vault`, `!unsafe`) are kept, values stay the texts that they are.

use saphyr_parser::{Event, Parser, ScalarStyle};

/// How deep a file may be nested: none that a person writes comes near.
const DEEPEST: usize = 64;

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// The line, from 1.
    pub line: usize,
    /// The tag, with its `!`.
    pub tag: Option<String>,
    /// The value.
    pub value: Value,
}

/// What a node holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A text, number, switch or nothing.
    Scalar {
        /// As it is written, without quotes.
        text: String,
        /// It has no quotes, so it may be a number, a switch or nothing.
        plain: bool,
    },
    /// Several values.
    List(Vec<Node>),
    /// Names and values.
    Map(Vec<(Node, Node)>),
    /// What stands elsewhere in the file.
    Alias,
}

/// Why a text is no YAML.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoYaml {
    /// The line, from 1.
    pub line: usize,
    /// The reader's words.
    pub why: String,
}

impl Node {
    /// The text of a scalar.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar { text, .. } => Some(text),
            _ => None,
        }
    }

    /// The names and values of a map.
    #[must_use]
    pub fn members(&self) -> &[(Node, Node)] {
        match &self.value {
            Value::Map(members) => members,
            _ => &[],
        }
    }

    /// The items of a list.
    #[must_use]
    pub fn items(&self) -> &[Node] {
        match &self.value {
            Value::List(items) => items,
            _ => &[],
        }
    }

    /// The value of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Node> {
        self.members().iter().find(|(key, _)| key.text() == Some(name)).map(|(_, value)| value)
    }

    /// Whether it says nothing: `~`, `null`, or no value at all.
    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(&self.value, Value::Scalar { text, plain: true } if ["", "~", "null", "Null", "NULL"].contains(&text.as_str()))
    }

    /// Itself and all below it.
    #[must_use]
    pub fn all(&self) -> Vec<&Node> {
        let mut all = vec![self];
        let mut at = 0;
        while let Some(node) = all.get(at).copied() {
            all.extend(node.items());
            all.extend(node.members().iter().flat_map(|(key, value)| [key, value]));
            at += 1;
        }
        all
    }
}

/// What is open while a text is read.
struct Open {
    node: Node,
    /// The name that waits for its value, in a map.
    key: Option<Node>,
}

/// The documents of a YAML text.
///
/// # Errors
/// The first line that is no YAML, and why.
pub fn read(text: &str) -> Result<Vec<Node>, NoYaml> {
    let mut documents = Vec::new();
    let mut open: Vec<Open> = Vec::new();
    for event in Parser::new_from_str(text) {
        let (event, span) =
            event.map_err(|error| NoYaml { line: error.marker().line().max(1), why: error.info().to_owned() })?;
        let line = span.start.line().max(1);
        let node = |tag: Option<String>, value| Node { line, tag, value };
        let closed = match event {
            Event::Scalar(text, style, _, tag) => {
                let plain = style == ScalarStyle::Plain;
                node(tag.map(|tag| tag.to_string()), Value::Scalar { text: text.into_owned(), plain })
            }
            Event::Alias(_) => node(None, Value::Alias),
            Event::SequenceStart(_, tag) => {
                open.push(Open { node: node(tag.map(|tag| tag.to_string()), Value::List(Vec::new())), key: None });
                continue;
            }
            Event::MappingStart(_, tag) => {
                open.push(Open { node: node(tag.map(|tag| tag.to_string()), Value::Map(Vec::new())), key: None });
                continue;
            }
            Event::SequenceEnd | Event::MappingEnd => match open.pop() {
                Some(done) => done.node,
                None => continue,
            },
            _ => continue,
        };
        if open.len() > DEEPEST {
            return Err(NoYaml { line, why: format!("it is nested over {DEEPEST} deep") });
        }
        match open.last_mut() {
            None => documents.push(closed),
            Some(parent) => match &mut parent.node.value {
                Value::Map(members) => match parent.key.take() {
                    Some(key) => members.push((key, closed)),
                    None => parent.key = Some(closed),
                },
                Value::List(items) => items.push(closed),
                Value::Scalar { .. } | Value::Alias => {}
            },
        }
    }
    Ok(documents)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_values_with_their_lines_and_tags() {
        let text = "---\na: 1\nb: !vault |\n  $ANSIBLE_VAULT;1.1\nc:\n  - &x \"{{ y }}\"\n  - *x\n";
        let documents = read(text).expect("YAML");
        let [document] = documents.as_slice() else { panic!("one document: {documents:?}") };
        let at = |name: &str| document.get(name).expect("a member");
        assert_eq!((at("a").line, at("a").text()), (2, Some("1")));
        assert_eq!(at("b").tag.as_deref(), Some("!vault"));
        assert_eq!((at("c").items()[0].line, at("c").items()[0].text()), (6, Some("{{ y }}")));
        assert_eq!(at("c").items()[1].value, Value::Alias);
    }

    #[test]
    fn names_the_line_that_is_no_yaml() {
        assert_eq!(read("a: 1\nb: [1\nc: 2\n").expect_err("a refusal").line, 3);
        assert!(read(&"[".repeat(10_000)).is_err());
    }
}
