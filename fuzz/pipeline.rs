//! A test file, as people write it: read whole, or refused with a place; its texts as values and templates.

use firebreak::pipeline::file::inspect;
use firebreak::pipeline::scope::Scope;
use firebreak::pipeline::table::Table;
use firebreak::pipeline::template::Template;
use firebreak::pipeline::value::{Value, from_json, to_json};
use firebreak::sql::tables::Kind;

pub fn take(bytes: &[u8]) {
    let text = super::text(bytes);
    for problem in inspect(text) {
        assert!(!problem.what.is_empty(), "{text:?}");
    }
    if let Some(value) = Value::parse(text) {
        assert_eq!(Value::parse(&value.repr()), Some(value.clone()), "{text:?}");
        assert!(value.same(&value), "{text:?}");
    }
    if let Some(value) = from_json(text) {
        let written = to_json(&value);
        assert!(from_json(&written).is_some_and(|back| back.same(&value)), "{text:?} {written:?}");
    }
    if let Ok(table) = Table::new(bytes) {
        let width = table.columns.len();
        assert!(table.filter_map(Result::ok).all(|(_, row)| row.len() == width), "{text:?}");
    }
    for kind in [Kind::Number, Kind::Instant, Kind::Json, Kind::List(Box::new(Kind::Text))] {
        let _ = kind.cell(text);
    }
    if let Ok(template) = Template::new(text) {
        let _ = template.render(&Scope::default());
    }
}
