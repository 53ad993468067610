//! Data as it stands in a file: values, and templates that become values once the variables are known.

use indexmap::IndexMap;

use super::place::Place;
use crate::pipeline::scope::Scope;
use crate::pipeline::template::Template;
use crate::pipeline::value::{Expected, Map, Value};

/// Data at a place of a file.
#[derive(Debug, Clone)]
pub struct Data {
    /// Where it stands.
    pub place: Place,
    /// What stands there.
    pub form: Form,
}

/// What stands at a place.
#[derive(Debug, Clone)]
pub enum Form {
    /// A value.
    Fixed(Value),
    /// A text with templates in it.
    Template(Template),
    /// Several.
    List(Vec<Data>),
    /// Keys and values.
    Map(Vec<(Data, Data)>),
}

impl Data {
    /// The value that it is with these variables.
    ///
    /// # Errors
    /// When a template in it fails: what is wrong.
    pub fn render(&self, scope: &Scope) -> Result<Value, String> {
        match &self.form {
            Form::Fixed(value) => Ok(value.clone()),
            Form::Template(template) => template.render(scope),
            Form::List(items) => {
                Ok(Value::List(items.iter().map(|item| item.render(scope)).collect::<Result<_, _>>()?))
            }
            Form::Map(members) => {
                let member = |(key, value): &(Self, Self)| Ok::<_, String>((key.render(scope)?, value.render(scope)?));
                Ok(Value::Map(Map(members.iter().map(member).collect::<Result<IndexMap<_, _>, _>>()?)))
            }
        }
    }

    /// What it says a value should be: a text that stands in the file itself may be a matcher. What a template gives never is one, since
    /// that may come from outside.
    ///
    /// # Errors
    /// When a template in it fails, or a matcher is none.
    pub fn expected(&self, scope: &Scope) -> Result<Expected, String> {
        match &self.form {
            Form::Fixed(Value::Text(text)) => Expected::of_text(text),
            Form::Fixed(value) => Ok(Expected::Value(value.clone())),
            Form::Template(template) => template.render(scope).map(Expected::Value),
            Form::List(items) => {
                Ok(Expected::List(items.iter().map(|item| item.expected(scope)).collect::<Result<_, _>>()?))
            }
            Form::Map(members) => {
                let member =
                    |(key, value): &(Self, Self)| Ok::<_, String>((key.render(scope)?, value.expected(scope)?));
                Ok(Expected::Map(members.iter().map(member).collect::<Result<_, _>>()?))
            }
        }
    }

    /// The value, where no variable is needed for it.
    #[must_use]
    pub fn fixed(&self) -> Option<Value> {
        match &self.form {
            Form::Fixed(value) => Some(value.clone()),
            Form::Template(_) => None,
            Form::List(items) => items.iter().map(Self::fixed).collect::<Option<_>>().map(Value::List),
            Form::Map(members) => {
                let members = members.iter().map(|(key, value)| Some((key.fixed()?, value.fixed()?)));
                members.collect::<Option<_>>().map(|members| Value::Map(Map(members)))
            }
        }
    }

    /// The variables that must be there, each with where it is named.
    pub fn names(&self, found: &mut Vec<(String, Place)>) {
        match &self.form {
            Form::Fixed(_) => {}
            Form::Template(template) => {
                found.extend(template.names().map(|name| (name.to_owned(), self.place.clone())));
            }
            Form::List(items) => items.iter().for_each(|item| item.names(found)),
            Form::Map(members) => {
                for (key, value) in members {
                    key.names(found);
                    value.names(found);
                }
            }
        }
    }
}
