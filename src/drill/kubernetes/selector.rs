//! Which objects of a list are asked for, by their labels or their name.

use serde_json::Value;

use super::refusal::Refusal;

/// One condition on an object's labels.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Condition {
    /// The label is there, and is one of these.
    In(String, Vec<String>),
    /// The label is not there, or is none of these.
    NotIn(String, Vec<String>),
    Exists(String),
    Missing(String),
}

impl Condition {
    fn holds(&self, labels: &Value) -> bool {
        let value = |name: &String| labels[name].as_str();
        match self {
            Self::In(name, values) => value(name).is_some_and(|value| values.iter().any(|one| one == value)),
            Self::NotIn(name, values) => value(name).is_none_or(|value| values.iter().all(|one| one != value)),
            Self::Exists(name) => value(name).is_some(),
            Self::Missing(name) => value(name).is_none(),
        }
    }
}

/// Conditions that all hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Selector {
    labels: Vec<Condition>,
    fields: Vec<(Field, String, bool)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Name,
    Namespace,
}

impl Selector {
    /// Reads `labelSelector` and `fieldSelector` of a list.
    pub(super) fn read(labels: Option<&str>, fields: Option<&str>) -> Result<Self, Refusal> {
        let labels = labels.unwrap_or_default();
        let conditions = pieces(labels).into_iter().map(condition).collect::<Option<Vec<_>>>();
        let conditions = conditions
            .ok_or_else(|| Refusal::bad(&format!("unable to parse requirement: {labels:?} is no label selector")))?;
        let mut chosen = Vec::new();
        for piece in fields.unwrap_or_default().split(',').filter(|piece| !piece.is_empty()) {
            let (name, value, is) = field(piece)
                .ok_or_else(|| Refusal::bad(&format!("invalid selector: '{piece}'; can't understand '{piece}'")))?;
            let field = match name {
                "metadata.name" => Field::Name,
                "metadata.namespace" => Field::Namespace,
                _ => {
                    return Err(Refusal::bad(&format!(
                        "{name:?} is not a known field selector: only \"metadata.name\", \"metadata.namespace\""
                    )));
                }
            };
            chosen.push((field, value.to_owned(), is));
        }
        Ok(Self { labels: conditions, fields: chosen })
    }

    pub(super) fn chooses(&self, object: &Value) -> bool {
        let metadata = &object["metadata"];
        self.labels.iter().all(|condition| condition.holds(&metadata["labels"]))
            && self.fields.iter().all(|(field, value, is)| {
                let name = if *field == Field::Name { "name" } else { "namespace" };
                (metadata[name] == value.as_str()) == *is
            })
    }
}

/// The conditions of a selector: commas within parentheses belong to them.
fn pieces(text: &str) -> Vec<&str> {
    let (mut depth, mut start, mut found) = (0_usize, 0, Vec::new());
    for (place, letter) in text.char_indices() {
        match letter {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                found.push(&text[start..place]);
                start = place + 1;
            }
            _ => {}
        }
    }
    found.push(&text[start..]);
    if text.trim().is_empty() { Vec::new() } else { found }
}

fn condition(text: &str) -> Option<Condition> {
    let text = text.trim();
    let name = |text: &str| {
        let text = text.trim();
        let is_name =
            !text.is_empty() && text.chars().all(|letter| letter.is_ascii_alphanumeric() || "-_./".contains(letter));
        is_name.then(|| text.to_owned())
    };
    let value = |text: &str| if text.trim().is_empty() { Some(String::new()) } else { name(text) };
    let list = |text: &str| {
        let inner = text.trim().strip_prefix('(')?.strip_suffix(')')?;
        inner.split(',').map(value).collect::<Option<Vec<_>>>()
    };
    if let Some(missing) = text.strip_prefix('!') {
        return Some(Condition::Missing(name(missing)?));
    }
    if let Some((key, rest)) = text.split_once("!=") {
        return Some(Condition::NotIn(name(key)?, vec![value(rest)?]));
    }
    if let Some((key, rest)) = text.split_once('=') {
        return Some(Condition::In(name(key)?, vec![value(rest.strip_prefix('=').unwrap_or(rest))?]));
    }
    if let Some((key, rest)) = text.split_once(char::is_whitespace) {
        let rest = rest.trim();
        return match rest.strip_prefix("notin") {
            Some(values) => Some(Condition::NotIn(name(key)?, list(values)?)),
            None => Some(Condition::In(name(key)?, list(rest.strip_prefix("in")?)?)),
        };
    }
    Some(Condition::Exists(name(text)?))
}

fn field(text: &str) -> Option<(&str, &str, bool)> {
    if let Some((name, value)) = text.split_once("!=") {
        return Some((name, value, false));
    }
    let (name, value) = text.split_once('=')?;
    Some((name, value.strip_prefix('=').unwrap_or(value), true))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn chosen(labels: &str) -> bool {
        let object = json!({"metadata": {"name": "web", "labels": {"app": "web", "tier": "front"}}});
        Selector::read(Some(labels), None).expect(labels).chooses(&object)
    }

    #[test]
    fn labels_choose_as_kubectl_writes_them() {
        for yes in ["", "app=web", "app==web", "app!=api", "app in (api, web)", "app,tier", "!gone", "gone notin (a,b)"]
        {
            assert!(chosen(yes), "{yes}");
        }
        for no in ["app=api", "app!=web", "app notin (web)", "!app", "gone", "app=web,tier=back", "gone in (a)"] {
            assert!(!chosen(no), "{no}");
        }
        for bad in ["app in web", "a b c", "app in (web", "=", ",", "a=b=c d"] {
            assert!(Selector::read(Some(bad), None).is_err(), "{bad}");
        }
    }

    #[test]
    fn only_two_fields_choose() {
        let object = json!({"metadata": {"name": "web", "namespace": "dev"}});
        let read = |text| Selector::read(None, Some(text));
        assert!(read("metadata.name=web,metadata.namespace!=prod").expect("a selector").chooses(&object));
        assert!(!read("metadata.name!=web").expect("a selector").chooses(&object));
        assert!(read("spec.replicas=1").is_err() && read("web").is_err());
    }

    proptest! {
        #[test]
        fn no_text_panics(text in ".{0,40}") {
            let _ = Selector::read(Some(&text), Some(&text));
        }
    }
}
