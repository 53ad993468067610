//! Values on their way into Jinja and out of it. What Jinja cannot hold exactly (a decimal of many digits, an integer beyond 128 bits, an
//! instant) goes through as an object that prints as what it is.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use minijinja::Value as Jinja;
use minijinja::value::{DynObject, Object, ObjectRepr, ValueKind};
use num_bigint::BigInt;

use crate::pipeline::value::{Decimal, Map, Value};

/// A value that Jinja passes through as it is.
#[derive(Debug)]
struct Exact(Value);

impl Object for Exact {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn custom_cmp(self: &Arc<Self>, other: &DynObject) -> Option<Ordering> {
        let other = other.downcast_ref::<Self>()?;
        self.0.same(&other.0).then_some(Ordering::Equal)
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// A value as Jinja sees it.
pub(super) fn to_jinja(value: &Value) -> Jinja {
    let exact = || Jinja::from_object(Exact(value.clone()));
    match value {
        Value::Null => Jinja::from(()),
        Value::Bool(is) => Jinja::from(*is),
        Value::Integer(number) => match (i64::try_from(number), i128::try_from(number)) {
            (Ok(small), _) => Jinja::from(small),
            (_, Ok(large)) => Jinja::from(large),
            _ => exact(),
        },
        Value::Decimal(number) => number.exactly().map_or_else(exact, Jinja::from),
        Value::Text(text) => Jinja::from(text.as_str()),
        Value::Bytes(bytes) => Jinja::from_bytes(bytes.clone()),
        Value::Instant(_) => exact(),
        Value::List(items) => items.iter().map(to_jinja).collect(),
        Value::Map(map) => Jinja::from_pairs(map.0.iter().map(|(key, value)| (to_jinja(key), to_jinja(value)))),
    }
}

/// What came out of Jinja.
pub(super) fn from_jinja(value: &Jinja) -> Value {
    if let Some(exact) = value.downcast_object_ref::<Exact>() {
        return exact.0.clone();
    }
    match value.kind() {
        ValueKind::Undefined | ValueKind::None => Value::Null,
        ValueKind::Bool => Value::Bool(value.is_true()),
        ValueKind::Number if value.is_integer() => {
            value.to_string().parse::<BigInt>().map_or_else(|_| Value::Text(value.to_string()), Value::Integer)
        }
        ValueKind::Number => {
            let number = f64::try_from(value.clone()).ok().and_then(Decimal::of);
            number.map_or_else(|| Value::Text(value.to_string()), Value::Decimal)
        }
        ValueKind::Bytes => Value::Bytes(value.as_bytes().unwrap_or_default().to_owned()),
        ValueKind::Seq | ValueKind::Iterable => {
            Value::List(value.try_iter().map(|items| items.map(|item| from_jinja(&item)).collect()).unwrap_or_default())
        }
        ValueKind::Map => {
            let keys = value.try_iter().map(Iterator::collect::<Vec<_>>).unwrap_or_default();
            let member = |key: Jinja| (from_jinja(&key), value.get_item(&key).map_or(Value::Null, |v| from_jinja(&v)));
            Value::Map(Map(keys.into_iter().map(member).collect()))
        }
        _ => Value::Text(value.to_string()),
    }
}
