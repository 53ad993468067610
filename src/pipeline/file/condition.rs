//! Checks: what must hold.

use super::data::Data;
use crate::pipeline::scope::{Layer, Scope};
use crate::pipeline::value::{Value, short};

/// A check.
#[derive(Debug, Clone)]
pub enum Condition {
    /// It is true: `'{{ x > 1 }}'`.
    True(Data),
    /// Both are the same, or not: `equals: {the: x, is: y}`.
    Equals {
        /// What is looked at.
        the: Data,
        /// What it should be.
        is: Data,
        /// What it should not be, rather.
        negative: bool,
    },
    /// One is in the other, or not: `contains: {the: x, in: y}`.
    Contains {
        /// What is looked for.
        the: Data,
        /// Where.
        within: Data,
        /// Where it should not be, rather.
        negative: bool,
    },
    /// All hold: `and`.
    And(Vec<Condition>),
    /// One holds: `or`.
    Or(Vec<Condition>),
    /// It holds for each item, or for any: `all: {of: x, equals: y}`.
    Each {
        /// The items.
        of: Data,
        /// What is checked of each, as `ITEM`.
        condition: Box<Condition>,
        /// One is enough.
        any: bool,
    },
}

impl Condition {
    /// Why it does not hold; none where it does.
    ///
    /// # Errors
    /// When that cannot be found out: a template in it fails.
    pub fn refusal(&self, scope: &Scope) -> Result<Option<String>, String> {
        let when = |refused: bool, why: String| Ok(refused.then_some(why));
        match self {
            Self::True(data) => {
                let value = data.render(scope)?;
                when(!value.same(&true.into()), format!("{} is not true", short(&value)))
            }
            Self::Equals { the, is, negative } => {
                let (the, is) = (the.render(scope)?, is.expected(scope)?);
                match (is.refusal(&the), negative) {
                    (None, true) => Ok(Some(format!("{} is what it should not be", short(&the)))),
                    (refusal, false) => Ok(refusal),
                    (Some(_), true) => Ok(None),
                }
            }
            Self::Contains { the, within, negative } => {
                let (the, within) = (the.render(scope)?, within.render(scope)?);
                let is_word = if *negative { "is in" } else { "is not in" };
                when(within.contains(&the)? == *negative, format!("{} {is_word} {}", short(&the), short(&within)))
            }
            Self::And(all) => {
                for condition in all {
                    if let Some(why) = condition.refusal(scope)? {
                        return Ok(Some(why));
                    }
                }
                Ok(None)
            }
            Self::Or(any) => {
                let mut whys = Vec::new();
                for condition in any {
                    match condition.refusal(scope)? {
                        Some(why) => whys.push(why),
                        None => return Ok(None),
                    }
                }
                Ok(Some(whys.join(", and ")))
            }
            Self::Each { of, condition, any } => {
                let items = items(&of.render(scope)?)?;
                let mut scope = scope.clone();
                let mut first = None;
                for item in &items {
                    scope.set(Layer::Step, "ITEM", item.clone());
                    match condition.refusal(&scope)? {
                        None if *any => return Ok(None),
                        None => {}
                        Some(why) => drop(first.get_or_insert(why)),
                    }
                    if first.is_some() && !any {
                        break;
                    }
                }
                Ok(match (any, first) {
                    (true, why) => Some(format!(
                        "none of {} items: {}",
                        items.len(),
                        why.unwrap_or_else(|| "there are none".to_owned())
                    )),
                    (false, why) => why,
                })
            }
        }
    }

    /// Whether it holds.
    ///
    /// # Errors
    /// As [`Self::refusal`].
    pub fn holds(&self, scope: &Scope) -> Result<bool, String> {
        self.refusal(scope).map(|refusal| refusal.is_none())
    }
}

/// What can be gone through, item by item: a list, or a map's pairs.
///
/// # Errors
/// When it is neither.
pub fn items(value: &Value) -> Result<Vec<Value>, String> {
    let said = value.text().and_then(Value::literal);
    match said.as_ref().unwrap_or(value) {
        Value::List(items) => Ok(items.clone()),
        Value::Map(map) => {
            let pair = |(key, value): (&Value, &Value)| Value::List(vec![key.clone(), value.clone()]);
            Ok(map.0.iter().map(pair).collect())
        }
        other => Err(format!("{} is {}: a list or a map is expected", short(other), other.kind())),
    }
}
