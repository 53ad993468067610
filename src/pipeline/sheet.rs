//! The files of `prepare` and `expect`: which tables they are for, and their rows, from the file itself where it is no template.

use std::fs::File;
use std::io::{BufRead, BufReader, Cursor, Read as _, Seek as _};

use super::database::Engine;
use super::module::definition::{Argument, Kind};
use super::module::{Call, Failure, rendered};
use super::scope::{Layer, Scope};
use super::table::Table;
use super::template::Template;
use super::value::Value;
use super::world::{Settings, World};
use crate::action::arguments::nearest;
use crate::sql::tables::Column;

/// A CSV file that was opened.
pub struct Sheet {
    /// Its columns and its rows.
    pub rows: Table<Box<dyn BufRead + Send>>,
    /// What stands in the file, where it is a template.
    pub source: Option<String>,
}

/// The arguments of a command that takes databases, each a map of these members.
#[must_use]
pub const fn arguments(members: &'static [Argument]) -> [Argument; 4] {
    [
        Argument::may("postgres", Kind::Members(members), "A database of PostgreSQL."),
        Argument::may("mysql", Kind::Members(members), "A database of MySQL or MariaDB."),
        Argument::may("sqlite", Kind::Members(members), "A file of SQLite."),
        Argument::may("variables", Kind::Map, "Variables for the templates in these files, which win over all others."),
    ]
}

/// The databases that a step names, each with what is said of it.
///
/// # Errors
/// When there is none, or a template fails.
pub fn databases(call: &Call<'_>, world: &mut World) -> Result<Vec<(Engine, Value)>, Failure> {
    let mut named = Vec::new();
    for engine in Engine::ALL {
        named.extend(call.value(engine.name(), world)?.map(|what| (engine, what)));
    }
    if named.is_empty() {
        return Err(Failure::wrong(format!("`{}` names no database", call.command)));
    }
    for conf in named.iter().filter_map(|(_, what)| what.get("conf")) {
        world.confide("conf", conf);
    }
    Ok(named)
}

/// The variables of now, and those that the step gives.
///
/// # Errors
/// When a template among these fails.
pub fn scope(call: &Call<'_>, world: &World) -> Result<Scope, Failure> {
    let mut scope = world.scope().clone();
    match call.value("variables", world)? {
        None | Some(Value::Null) => {}
        Some(Value::Map(map)) => {
            map.0.into_iter().for_each(|(name, value)| scope.set(Layer::Step, &name.to_string(), value));
        }
        Some(other) => return Err(Failure::wrong(format!("`variables` is {}: a map is expected", other.kind()))),
    }
    Ok(scope)
}

/// What a step says of where its database is.
///
/// # Errors
/// When it says nothing of it, or is no map with the keys that there are.
pub fn conf(engine: Engine, what: &Value) -> Result<&Value, Failure> {
    let name = engine.name();
    let Value::Map(_) = what else {
        return Err(Failure::wrong(format!("`{name}` is {}: a map with `conf` is expected", what.kind())));
    };
    what.get("conf").ok_or_else(|| Failure::wrong(format!("`{name}` needs `conf`")))
}

/// The tables of a step, each with its file.
///
/// # Errors
/// When `data` is no map.
pub fn tables(what: &Value) -> Result<Vec<(String, String)>, Failure> {
    let said = what.get("data").and_then(Value::text).and_then(Value::literal);
    match said.as_ref().or_else(|| what.get("data")) {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Map(map)) => Ok(map.0.iter().map(|(table, file)| (table.to_string(), file.to_string())).collect()),
        Some(other) => {
            Err(Failure::wrong(format!("`data` is {}: a map of tables and files is expected", other.kind())))
        }
    }
}

/// Opens a file in the resources. One that is a template is rendered whole, any other is read as its rows are asked for.
///
/// # Errors
/// When it is not there, its template fails, or its first line names no columns.
pub fn open(file: &str, scope: &Scope, settings: &Settings) -> Result<Sheet, Failure> {
    let path = settings.resources.join(file);
    let failed = |error: std::io::Error| Failure::wrong(format!("failed to read {}: {error}", path.display()));
    let mut opened = File::open(&path).map_err(failed)?;
    let (rows, source): (Box<dyn BufRead + Send>, _) = if is_template(&opened).map_err(failed)? {
        let mut source = String::new();
        opened.read_to_string(&mut source).map_err(failed)?;
        let text = rendered(file, &source, scope)?;
        (Box::new(Cursor::new(text)), Some(source))
    } else {
        (Box::new(BufReader::with_capacity(1 << 16, opened)), None)
    };
    let rows = Table::new(rows).map_err(|why| Failure::wrong(format!("{file}: {why}")))?;
    Ok(Sheet { rows, source })
}

/// Whether a file is a template; it is read from its beginning afterwards.
fn is_template(mut file: &File) -> std::io::Result<bool> {
    let mut reader = BufReader::with_capacity(1 << 16, file);
    let mut line = Vec::new();
    let mut is_one = false;
    while !is_one && reader.read_until(b'\n', &mut line)? > 0 {
        is_one = line.contains(&b'{') && Template::is_one(&String::from_utf8_lossy(&line));
        line.clear();
    }
    file.rewind()?;
    Ok(is_one)
}

/// The columns of a table that a file names. Where only the case of letters is another, and just one is so, that is meant.
///
/// # Errors
/// When the table has no such column: which, and the nearest.
pub fn columns<'a>(
    names: &[String],
    columns: &'a [Column],
    table: &str,
    file: &str,
) -> Result<Vec<&'a Column>, Failure> {
    let column = |name: &String| {
        let same = columns.iter().find(|column| column.name == *name);
        let mut alike = columns.iter().filter(|column| column.name.eq_ignore_ascii_case(name));
        let found = same.or_else(|| alike.next().filter(|_| alike.next().is_none()));
        found.ok_or_else(|| {
            let near = nearest(name, columns.iter().map(|column| column.name.as_str()));
            let near = near.map(|near| format!("; the nearest is '{near}'")).unwrap_or_default();
            Failure::failed(format!("table {table} has no column '{name}', which {file} names{near}"))
        })
    };
    names.iter().map(column).collect()
}
