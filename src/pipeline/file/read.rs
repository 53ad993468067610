//! From YAML to what it says: keys that are known, each once, and data with its templates.

use std::collections::BTreeSet;
use std::sync::Arc;

use indexmap::IndexMap;

use super::condition::Condition;
use super::data::{Data, Form};
use super::place::{Place, Problem};
use super::scalar;
use crate::action::arguments::nearest;
use crate::pipeline::template::Template;
use crate::pipeline::value::{Expected, Value};
use crate::yaml::{self, Node};

/// Reads one file, and notes all that is wrong with it.
pub(super) struct Reader {
    pub file: Arc<str>,
    pub problems: Vec<Problem>,
    /// The variables that are named, and where.
    pub used: Vec<(String, Place)>,
    /// The names of resources that must be there, and where they are named.
    pub resources: Vec<(String, Place)>,
    /// Whether some step writes files, so that a resource may come to be.
    pub writes: bool,
}

/// The values of a file that is a map of names and data: an inventory.
///
/// # Errors
/// All that is wrong with it.
pub fn values(file: &str, text: &str) -> Result<Vec<(String, Data)>, Vec<Problem>> {
    let mut reader = Reader::new(file);
    let variables = reader.document(text).map(|node| reader.variables(&node)).unwrap_or_default();
    if reader.problems.is_empty() { Ok(variables) } else { Err(reader.problems) }
}

impl Reader {
    pub fn new(file: &str) -> Self {
        Self { file: file.into(), problems: Vec::new(), used: Vec::new(), resources: Vec::new(), writes: false }
    }

    pub fn place(&self, node: &Node) -> Place {
        Place { file: Arc::clone(&self.file), line: node.line, column: node.column }
    }

    pub fn whole(&self) -> Place {
        Place { file: Arc::clone(&self.file), line: 0, column: 0 }
    }

    pub fn wrong(&mut self, place: Place, what: impl Into<String>) {
        self.problems.push(Problem { place, what: what.into() });
    }

    /// The one document of a file, which must be a map.
    pub fn document(&mut self, text: &str) -> Option<Node> {
        let documents = match yaml::read_whole(text) {
            Ok(documents) => documents,
            Err(yaml::NoYaml { line, column, why }) => {
                let place = Place { line, column, ..self.whole() };
                self.wrong(place, format!("this is no YAML: {why}"));
                return None;
            }
        };
        let mut documents = documents.into_iter();
        let first = documents.next().filter(|node| !node.is_null());
        let Some(first) = first else {
            self.wrong(self.whole(), "the file is empty");
            return None;
        };
        if let Some(second) = documents.next() {
            self.wrong(
                self.place(&second),
                "a second document begins here: only one is read, so put it into a file of its own",
            );
        }
        if !matches!(first.value, yaml::Value::Map(_)) {
            self.wrong(self.place(&first), "a map of names and values is expected here");
            return None;
        }
        Some(first)
    }

    /// The members of a map, each key once, with what `<<` merges into it.
    pub fn members<'a>(&mut self, node: &'a Node) -> Vec<(&'a str, &'a Node, &'a Node)> {
        let mut members = IndexMap::new();
        self.merge(node, "a map of names and values is expected here", &mut members);
        members.into_iter().map(|(name, (key, value))| (name, key, value)).collect()
    }

    /// Adds the members of a map that are not there yet: its own, and then what it merges, which may merge as well.
    fn merge<'a>(&mut self, node: &'a Node, refusal: &str, members: &mut IndexMap<&'a str, (&'a Node, &'a Node)>) {
        let yaml::Value::Map(all) = &node.value else {
            self.wrong(self.place(node), refusal);
            return;
        };
        let mut own: IndexMap<&str, (&Node, &Node)> = IndexMap::new();
        let mut merged = Vec::new();
        for (key, value) in all {
            let Some(name) = key.text() else {
                self.wrong(self.place(key), "a name is expected here");
                continue;
            };
            if name == "<<" {
                let single = std::slice::from_ref(value);
                merged.extend(if let yaml::Value::List(items) = &value.value { items } else { single });
            } else if let Some((first, _)) = own.get(name) {
                let line = first.line;
                self.wrong(self.place(key), format!("'{name}' is here a second time: it is in line {line} already"));
            } else {
                own.insert(name, (key, value));
            }
        }
        for (name, member) in own {
            members.entry(name).or_insert(member);
        }
        for node in merged {
            self.merge(node, "`<<` merges a map, or a list of maps", members);
        }
    }

    /// Notes a key that nobody knows.
    pub fn unknown(&mut self, key: &Node, known: &[&str], of: &str) {
        let name = key.text().unwrap_or_default();
        let near = nearest(name, known.iter().copied());
        let near = near.map(|near| format!("the nearest is '{near}'; ")).unwrap_or_default();
        self.wrong(self.place(key), format!("'{name}' is not known in {of}: {near}known are {}", known.join(", ")));
    }

    /// Names and data.
    pub fn variables(&mut self, node: &Node) -> Vec<(String, Data)> {
        if node.is_null() {
            return Vec::new();
        }
        let members = self.members(node);
        members.into_iter().map(|(name, _, value)| (name.to_owned(), self.data(value))).collect()
    }

    /// Data.
    pub fn data(&mut self, node: &Node) -> Data {
        let place = self.place(node);
        let form = match &node.value {
            yaml::Value::Scalar { text, plain } => {
                if Template::is_one(text) {
                    self.template(text, &place)
                } else {
                    Form::Fixed(scalar::value(text, *plain, node.tag.as_deref()))
                }
            }
            yaml::Value::List(items) => Form::List(items.iter().map(|item| self.data(item)).collect()),
            yaml::Value::Map(_) => {
                let members = self.members(node);
                Form::Map(members.into_iter().map(|(_, key, value)| (self.data(key), self.data(value))).collect())
            }
            yaml::Value::Alias => Form::Fixed(Value::Null),
        };
        Data { place, form }
    }

    fn template(&mut self, text: &str, place: &Place) -> Form {
        match Template::new(text) {
            Ok(template) => {
                self.used.extend(template.names().map(|name| (name.to_owned(), place.clone())));
                Form::Template(template)
            }
            Err(why) => {
                self.wrong(place.clone(), format!("'{}' is no template: {why}", text.trim()));
                Form::Fixed(Value::Null)
            }
        }
    }

    /// A check.
    pub fn condition(&mut self, node: &Node) -> Option<Condition> {
        self.check(node, false)
    }

    /// A check; of each item, where a short form means `ITEM`.
    fn check(&mut self, node: &Node, of_item: bool) -> Option<Condition> {
        if !matches!(node.value, yaml::Value::Map(_)) {
            return Some(Condition::True(self.data(node)));
        }
        let members = self.members(node);
        let [(name, key, value)] = members.as_slice() else {
            let known = OPERATORS.join(", ");
            self.wrong(self.place(node), format!("a check is one of {known}; for several write `and` with a list"));
            return None;
        };
        self.operator(name, key, value, of_item)
    }

    fn operator(&mut self, name: &str, key: &Node, value: &Node, of_item: bool) -> Option<Condition> {
        let is_short = !matches!(value.value, yaml::Value::Map(_));
        let item = |reader: &mut Self| {
            let place = reader.place(value);
            Data { form: reader.template("{{ ITEM }}", &place), place }
        };
        match name {
            "equals" if is_short && of_item => {
                Some(Condition::Equals { the: item(self), is: self.data(value), negative: false })
            }
            "equals" if is_short => Some(Condition::True(self.data(value))),
            "contains" if is_short && of_item => {
                Some(Condition::Contains { the: item(self), within: self.data(value), negative: false })
            }
            "equals" => {
                let (the, is, negative) = self.pair(value, "equals", ["is", "is_not"])?;
                self.matchers(&is);
                Some(Condition::Equals { the, is, negative })
            }
            "contains" => {
                let (the, within, negative) = self.pair(value, "contains", ["in", "not_in"])?;
                Some(Condition::Contains { the, within, negative })
            }
            "and" | "or" => {
                let yaml::Value::List(items) = &value.value else {
                    self.wrong(self.place(value), format!("`{name}` takes a list of checks"));
                    return None;
                };
                let all: Vec<_> = items.iter().filter_map(|item| self.check(item, of_item)).collect();
                if items.is_empty() {
                    self.wrong(self.place(value), format!("`{name}` of no checks says nothing"));
                }
                Some(if name == "and" { Condition::And(all) } else { Condition::Or(all) })
            }
            "all" | "any" => self.each(value, name == "any"),
            _ => {
                self.unknown(key, &OPERATORS, "a check");
                None
            }
        }
    }

    /// Notes what begins as a matcher, and is none.
    fn matchers(&mut self, data: &Data) {
        match &data.form {
            Form::Fixed(Value::Text(text)) => {
                if let Err(why) = Expected::of_text(text) {
                    self.wrong(data.place.clone(), why);
                }
            }
            Form::Fixed(_) | Form::Template(_) => {}
            Form::List(items) => items.iter().for_each(|item| self.matchers(item)),
            Form::Map(members) => members.iter().for_each(|(_, value)| self.matchers(value)),
        }
    }

    /// `{the, is | is_not}` and its like.
    fn pair(&mut self, node: &Node, of: &str, [positive, negative]: [&str; 2]) -> Option<(Data, Data, bool)> {
        let members = self.members(node);
        let mut found: IndexMap<&str, &Node> = IndexMap::new();
        for (name, key, value) in members {
            if ["the", positive, negative].contains(&name) {
                found.insert(name, value);
            } else {
                self.unknown(key, &["the", positive, negative], &format!("`{of}`"));
            }
        }
        let (the, yes, no) = (found.get("the"), found.get(positive), found.get(negative));
        match (the, yes, no) {
            (Some(the), Some(is), None) => Some((self.data(the), self.data(is), false)),
            (Some(the), None, Some(is)) => Some((self.data(the), self.data(is), true)),
            _ => {
                let what = format!("`{of}` takes `the`, and one of `{positive}` and `{negative}`");
                self.wrong(self.place(node), what);
                None
            }
        }
    }

    fn each(&mut self, node: &Node, any: bool) -> Option<Condition> {
        let members = self.members(node);
        let of = members.iter().find(|(name, ..)| *name == "of").map(|(.., value)| *value);
        let rest: Vec<_> = members.iter().filter(|(name, ..)| *name != "of").collect();
        let (Some(of), [(name, key, value)]) = (of, rest.as_slice()) else {
            self.wrong(self.place(node), "`of` and one check are expected here: `{of: '{{ list }}', equals: 1}`");
            return None;
        };
        let of = self.data(of);
        let condition = Box::new(self.operator(name, key, value, true)?);
        Some(Condition::Each { of, condition, any })
    }

    /// A text without templates.
    pub fn plain_text(&mut self, node: &Node, what: &str) -> Option<String> {
        if let Some(text) = node.text().filter(|text| !text.is_empty() && !Template::is_one(text)) {
            return Some(text.to_owned());
        }
        self.wrong(self.place(node), format!("{what} is a text without templates"));
        None
    }

    /// The names that are used and not known, each with where.
    pub fn unknown_variables(&self, known: &BTreeSet<&str>) -> Vec<(String, Place)> {
        self.used.iter().filter(|(name, _)| !known.contains(name.as_str())).cloned().collect()
    }
}

/// What a check can be.
pub(super) const OPERATORS: [&str; 6] = ["equals", "contains", "and", "or", "all", "any"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_merged_merges_as_well_and_what_stands_nearer_wins() {
        let text = "a: &a {x: 1, z: 1}\nb: &b {<<: *a, y: 2, z: 2}\nc: {<<: *b, y: 3}\nd: {<<: [*a, {w: 4}]}\n";
        let values = values("v.yml", text).expect("values");
        let value = |at: usize| values[at].1.fixed().expect("no template").to_string();
        assert_eq!(value(2), "{'y': 3, 'z': 2, 'x': 1}");
        assert_eq!(value(3), "{'x': 1, 'z': 1, 'w': 4}");
    }

    #[test]
    fn what_is_merged_is_a_map_or_a_list_of_maps() {
        for (text, column) in [("a: {<<: 5}", 9), ("a: {<<: [{x: 1}, [2]]}", 18), ("a: {<<: }", 7)] {
            let problems = values("v.yml", text).expect_err(text);
            assert_eq!(problems.len(), 1, "{problems:?}");
            assert_eq!(problems[0].what, "`<<` merges a map, or a list of maps");
            assert!(problems[0].place.line == 1 && problems[0].place.column >= column, "{problems:?}");
        }
    }
}
