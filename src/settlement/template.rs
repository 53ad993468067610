//! What is sent for a transaction: texts with placeholders in braces, filled in from it.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use super::Transaction;

/// What stands as it is in a path or a query.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// What placeholders stand for.
pub(super) struct Values<'a> {
    pub transaction: &'a Transaction,
    /// What `{result}` stands for; none where there is no result yet.
    pub result: Option<&'a str>,
}

impl Values<'_> {
    /// A path with its query: what is filled in is one part of it, whatever it holds.
    pub fn path(&self, template: &str) -> Result<String, String> {
        self.fill(template, |text| utf8_percent_encode(text, PLAIN).to_string())
    }

    /// A body: each text in it is filled in.
    pub fn body(&self, template: &Value) -> Result<Value, String> {
        Ok(match template {
            Value::String(text) => Value::String(self.fill(text, str::to_owned)?),
            Value::Array(items) => items.iter().map(|item| self.body(item)).collect::<Result<_, _>>()?,
            Value::Object(members) => {
                let member = |(name, value): (&String, &Value)| Ok::<_, String>((name.clone(), self.body(value)?));
                Value::Object(members.iter().map(member).collect::<Result<_, _>>()?)
            }
            other => other.clone(),
        })
    }

    fn fill(&self, template: &str, encode: impl Fn(&str) -> String) -> Result<String, String> {
        let (mut filled, mut rest) = (String::new(), template);
        while let Some((before, behind)) = rest.split_once('{') {
            filled.push_str(before);
            let (name, after) =
                behind.split_once('}').ok_or_else(|| format!("'{template}' has a brace that is not closed"))?;
            filled.push_str(&encode(&self.value(name)?));
            rest = after;
        }
        filled.push_str(rest);
        Ok(filled)
    }

    fn value(&self, name: &str) -> Result<String, String> {
        let Transaction { id, issuer, document } = self.transaction;
        match (name, self.result) {
            ("id", _) => Ok(id.clone()),
            ("issuer", _) => Ok(issuer.clone()),
            ("result", Some(result)) => Ok(result.to_owned()),
            (pointer, _) if pointer.starts_with('/') => match document.pointer(pointer) {
                Some(Value::String(text)) => Ok(text.clone()),
                Some(value @ (Value::Number(_) | Value::Bool(_))) => Ok(value.to_string()),
                _ => Err(format!("the transaction has no text or number at '{pointer}'")),
            },
            _ => Err(format!(
                "'{{{name}}}' stands for nothing: known are {{id}}, {{issuer}}, {{result}} and {{/pointer}}"
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn transaction(id: &str) -> Transaction {
        Transaction { id: id.to_owned(), issuer: "a&b".to_owned(), document: json!({ "amount": { "cents": 7 } }) }
    }

    #[test]
    fn placeholders_are_filled_in_wherever_they_stand() {
        let transaction = transaction("1/../2?x");
        let values = Values { transaction: &transaction, result: Some("ok") };
        assert_eq!(values.path("/c/{id}?i={issuer}&n={/amount/cents}").as_deref(), Ok("/c/1%2F..%2F2%3Fx?i=a%26b&n=7"));
        let body = json!({ "a": ["{id}", { "b": "{result}: {issuer}" }], "c": 1 });
        assert_eq!(values.body(&body), Ok(json!({ "a": ["1/../2?x", { "b": "ok: a&b" }], "c": 1 })));
        for (template, why) in [
            ("{id", "'{id' has a brace that is not closed"),
            ("{no}", "'{no}' stands for nothing: known are {id}, {issuer}, {result} and {/pointer}"),
            ("{/amount}", "the transaction has no text or number at '/amount'"),
        ] {
            assert_eq!(values.path(template), Err(why.to_owned()));
        }
    }

    proptest! {
        /// Whatever an id holds, it is one part of the path and of nothing else.
        #[test]
        fn an_id_changes_no_path(id in ".{0,20}") {
            let transaction = transaction(&id);
            let path = Values { transaction: &transaction, result: None }.path("/c/{id}/end").expect("a path");
            prop_assert_eq!(path.split('/').count(), 4);
            prop_assert!(!path.contains(['?', '#', '%']) || !path.contains(['?', '#']));
            let decoded = percent_encoding::percent_decode_str(path.split('/').nth(2).expect("a part")).decode_utf8();
            prop_assert_eq!(decoded.expect("UTF-8"), id);
        }
    }
}
