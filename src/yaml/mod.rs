//! YAML (and so JSON) as a tree in which each value knows its line and column. Tags (`!vault`, `!unsafe`) are kept, values
//! stay the texts that they are: what `yes` or `007` means is for whoever reads the file to say.

use std::collections::BTreeMap;

use saphyr_parser::{Event, Parser, ScalarStyle};

/// How deep a file may be nested: none that a person writes comes near.
const DEEPEST: usize = 64;

/// How many values a text may have once each alias is the value that it stands for: a few lines can stand for billions.
const LARGEST: usize = 200_000;

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// The line, from 1.
    pub line: usize,
    /// The column, from 1.
    pub column: usize,
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
    /// The column, from 1.
    pub column: usize,
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
    /// The anchor that others call it by; 0 for none.
    anchor: usize,
    /// The name that waits for its value, in a map.
    key: Option<Node>,
}

/// The documents of a YAML text, with aliases as they are written.
///
/// # Errors
/// The first line that is no YAML, and why.
pub fn read(text: &str) -> Result<Vec<Node>, NoYaml> {
    Reader { anchors: None, size: 0 }.read(text)
}

/// The documents of a YAML text, with what each alias stands for in its place.
///
/// # Errors
/// The first line that is no YAML, and why; also where the aliases stand for more than anybody meant.
pub fn read_whole(text: &str) -> Result<Vec<Node>, NoYaml> {
    Reader { anchors: Some(BTreeMap::new()), size: 0 }.read(text)
}

/// What reads a text.
struct Reader {
    /// What has an anchor, by its number; none where aliases stay as they are.
    anchors: Option<BTreeMap<usize, Node>>,
    /// How many values there are so far.
    size: usize,
}

impl Reader {
    fn read(mut self, text: &str) -> Result<Vec<Node>, NoYaml> {
        let mut documents = Vec::new();
        let mut open: Vec<Open> = Vec::new();
        // A mark of the order of bytes says nothing in UTF-8.
        for event in Parser::new_from_str(text.trim_start_matches('\u{feff}')) {
            let (event, span) = event.map_err(|error| NoYaml {
                line: error.marker().line().max(1),
                column: error.marker().col() + 1,
                why: error.info().to_owned(),
            })?;
            let (line, column) = (span.start.line().max(1), span.start.col() + 1);
            let no_yaml = |why: String| NoYaml { line, column, why };
            let node = |tag: Option<String>, value| Node { line, column, tag, value };
            let begin = |anchor, tag: Option<String>, value| Open { node: node(tag, value), anchor, key: None };
            let (anchor, closed) = match event {
                Event::Scalar(text, style, anchor, tag) => {
                    let plain = style == ScalarStyle::Plain;
                    (anchor, node(tag.map(|tag| tag.to_string()), Value::Scalar { text: text.into_owned(), plain }))
                }
                Event::Alias(anchor) => (0, self.stands_for(anchor, &node(None, Value::Alias)).map_err(no_yaml)?),
                Event::SequenceStart(anchor, tag) => {
                    open.push(begin(anchor, tag.map(|tag| tag.to_string()), Value::List(Vec::new())));
                    continue;
                }
                Event::MappingStart(anchor, tag) => {
                    open.push(begin(anchor, tag.map(|tag| tag.to_string()), Value::Map(Vec::new())));
                    continue;
                }
                Event::SequenceEnd | Event::MappingEnd => match open.pop() {
                    Some(done) => (done.anchor, done.node),
                    None => continue,
                },
                _ => continue,
            };
            if open.len() > DEEPEST {
                return Err(no_yaml(format!("it is nested over {DEEPEST} deep")));
            }
            self.size += 1;
            if let Some(anchors) = self.anchors.as_mut().filter(|_| anchor > 0) {
                anchors.insert(anchor, closed.clone());
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

    /// What an alias stands for, at its own place.
    fn stands_for(&mut self, anchor: usize, alias: &Node) -> Result<Node, String> {
        let Some(anchors) = &self.anchors else { return Ok(alias.clone()) };
        let meant = anchors.get(&anchor).ok_or("it stands for a value that it is itself part of")?;
        self.size += meant.all().len();
        if self.size > LARGEST {
            return Err(format!("its aliases stand for over {LARGEST} values"));
        }
        Ok(Node { line: alias.line, column: alias.column, ..meant.clone() })
    }
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

    #[test]
    fn an_alias_is_the_value_that_it_stands_for_where_that_is_asked_for() {
        let text = "a: &x\n  b: 1\nc: *x\n";
        let documents = read_whole(text).expect("YAML");
        let at = |name: &str| documents[0].get(name).expect("a member").clone();
        assert_eq!((at("c").line, at("c").column, at("c").value), (3, 4, at("a").value));
        assert_eq!(read(text).expect("YAML")[0].get("c").expect("a member").value, Value::Alias);
        let bomb: Vec<String> =
            (1..9).map(|n| format!("a{n}: &a{n} [{}]", vec![format!("*a{}", n - 1); 9].join(", "))).collect();
        let error = read_whole(&format!("a0: &a0 [x]\n{}\n", bomb.join("\n"))).expect_err("a refusal");
        assert_eq!((error.line, error.why.as_str()), (7, "its aliases stand for over 200000 values"));
        assert!(read_whole("a: &a [*a]\n").is_err());
    }

    #[test]
    fn json_is_read_and_a_mark_of_the_order_of_bytes_is_passed_over() {
        let documents = read("\u{feff}{\"a\": [1, \"x\"]}").expect("JSON");
        assert_eq!(documents[0].get("a").map(|node| (node.column, node.items().len())), Some((7, 2)));
    }
}
