//! Rows that should be, held against rows that are.

use std::fmt;

use super::csv::{Cell, Table};
use crate::pipeline::value::{Expected, Value, short};

/// How a table is compared.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Manner {
    /// The rows are those and no others, in this order. Otherwise each that should be is there, as often as it should be, among others.
    pub strict: bool,
    /// Columns of the file that do not matter.
    pub ignore: Vec<String>,
}

/// What is otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Difference {
    /// A column that should be there is not.
    Column(String),
    /// A row that should be there is not.
    Missing(Vec<String>),
    /// A row is there that should not be.
    Unexpected(Vec<String>),
    /// A row is there with other cells: its number from 1 in the file, and the cells as `column: is, not should be`.
    Cells(usize, Vec<String>),
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Column(name) => write!(f, "there is no column {name}"),
            Self::Missing(cells) => write!(f, "missing: {}", cells.join(", ")),
            Self::Unexpected(cells) => write!(f, "unexpected: {}", cells.join(", ")),
            Self::Cells(row, cells) => write!(f, "row {row}: {}", cells.join(", ")),
        }
    }
}

/// Where rows are otherwise than a file says. `columns` names the cells of each of `rows`; only columns that the file has are looked at.
/// A cell of the file may be a matcher.
///
/// # Errors
/// When a cell begins as a matcher, and is none.
pub fn compare(
    table: &Table,
    manner: &Manner,
    columns: &[String],
    rows: &[Vec<Value>],
) -> Result<Vec<Difference>, String> {
    let kept: Vec<usize> = (0..table.columns.len()).filter(|at| !manner.ignore.contains(&table.columns[*at])).collect();
    let place = |at: &usize| columns.iter().position(|name| *name == table.columns[*at]);
    let missing = kept.iter().filter(|at| place(at).is_none());
    let missing: Vec<_> = missing.map(|at| Difference::Column(table.columns[*at].clone())).collect();
    if !missing.is_empty() {
        return Ok(missing);
    }
    let places: Vec<usize> = kept.iter().filter_map(place).collect();
    let names: Vec<&str> = kept.iter().map(|at| table.columns[*at].as_str()).collect();
    let wanted = table.rows.iter().map(|row| kept.iter().map(|at| expected(&row[*at])).collect());
    let wanted: Vec<Vec<Expected>> = wanted.collect::<Result<_, _>>()?;
    let found: Vec<Vec<&Value>> = rows.iter().map(|row| places.iter().map(|at| &row[*at]).collect()).collect();
    let shown =
        |row: &[&Value]| names.iter().zip(row).map(|(name, value)| format!("{name}={}", short(value))).collect();
    let asked = |row: usize| {
        let cells = kept.iter().map(|at| &table.rows[row][*at]);
        names.iter().zip(cells).map(|(name, cell)| format!("{name}={}", written(cell))).collect()
    };
    if manner.strict {
        return Ok(in_order(&wanted, &found, &names, &shown, &asked));
    }
    let taken = pairs(&wanted, &found);
    let mut free: Vec<usize> = (0..found.len()).filter(|at| !taken.contains(&Some(*at))).collect();
    let mut differences = Vec::new();
    for (at, wanted) in wanted.iter().enumerate().filter(|(at, _)| taken[*at].is_none()) {
        // The nearest of the others, where more of it is right than wrong, is likely what became of it.
        let wrong = |row: &usize| cells(&names, wanted, &found[*row]).len();
        let nearest = free.iter().copied().min_by_key(wrong).filter(|row| 2 * wrong(row) < names.len());
        match nearest {
            Some(row) => {
                free.retain(|other| *other != row);
                differences.push(Difference::Cells(at + 1, cells(&names, wanted, &found[row])));
            }
            None => differences.push(Difference::Missing(asked(at))),
        }
    }
    Ok(differences)
}

/// For each row that should be, the one that it is: as many as possible, also where a matcher would take several.
fn pairs(wanted: &[Vec<Expected>], found: &[Vec<&Value>]) -> Vec<Option<usize>> {
    use std::collections::HashMap;
    let mut of_row: Vec<Option<usize>> = vec![None; found.len()];
    // Most rows are values alone: those of one print are tried first.
    let key = |values: &mut dyn Iterator<Item = String>| values.collect::<Vec<_>>().join("\u{1f}");
    let mut by_print: HashMap<String, Vec<usize>> = HashMap::new();
    for (at, row) in found.iter().enumerate().rev() {
        by_print.entry(key(&mut row.iter().map(|value| print(value)))).or_default().push(at);
    }
    let mut taken: Vec<Option<usize>> = vec![None; wanted.len()];
    for (at, row) in wanted.iter().enumerate() {
        let prints = row.iter().map(|cell| if let Expected::Value(value) = cell { Some(print(value)) } else { None });
        let Some(prints) = prints.collect::<Option<Vec<_>>>() else { continue };
        let equal = by_print.get_mut(&key(&mut prints.into_iter()));
        if let Some(row) = equal.and_then(Vec::pop) {
            (taken[at], of_row[row]) = (Some(row), Some(at));
        }
    }
    let left: Vec<usize> = (0..).zip(&taken).filter(|(_, row)| row.is_none()).map(|(at, _)| at).collect();
    for at in left {
        let mut seen = vec![false; found.len()];
        place(at, wanted, found, &mut of_row, &mut seen);
    }
    for (row, at) in of_row.iter().enumerate() {
        if let Some(at) = at {
            taken[*at] = Some(row);
        }
    }
    taken
}

/// Finds a row for one that should be, moving others where they can be something else.
fn place(
    at: usize,
    wanted: &[Vec<Expected>],
    found: &[Vec<&Value>],
    of_row: &mut [Option<usize>],
    seen: &mut [bool],
) -> bool {
    for row in 0..found.len() {
        if seen[row] || !fits(&wanted[at], &found[row]) {
            continue;
        }
        seen[row] = true;
        let is_free = match of_row[row] {
            None => true,
            Some(other) => place(other, wanted, found, of_row, seen),
        };
        if is_free {
            of_row[row] = Some(at);
            return true;
        }
    }
    false
}

fn in_order(
    wanted: &[Vec<Expected>],
    found: &[Vec<&Value>],
    names: &[&str],
    shown: &dyn Fn(&[&Value]) -> Vec<String>,
    asked: &dyn Fn(usize) -> Vec<String>,
) -> Vec<Difference> {
    let mut differences = Vec::new();
    for (at, (wanted, found)) in wanted.iter().zip(found).enumerate() {
        let wrong = cells(names, wanted, found);
        if !wrong.is_empty() {
            differences.push(Difference::Cells(at + 1, wrong));
        }
    }
    differences.extend((found.len()..wanted.len()).map(|at| Difference::Missing(asked(at))));
    differences.extend(found.iter().skip(wanted.len()).map(|row| Difference::Unexpected(shown(row))));
    differences
}

fn fits(wanted: &[Expected], found: &[&Value]) -> bool {
    wanted.iter().zip(found).all(|(wanted, value)| wanted.differences(value).is_empty())
}

fn cells(names: &[&str], wanted: &[Expected], found: &[&Value]) -> Vec<String> {
    let pairs = names.iter().zip(wanted.iter().zip(found));
    pairs.filter_map(|(name, (wanted, value))| Some(format!("{name}: {}", wanted.refusal(value)?))).collect()
}

/// What two values that are the same have in common, as far as that is quickly told.
fn print(value: &Value) -> String {
    match value {
        Value::Null => "\u{0}".to_owned(),
        value => value.to_string(),
    }
}

/// What a cell says should be.
fn expected(cell: &Cell) -> Result<Expected, String> {
    match cell {
        Cell::Null => Ok(Expected::Value(Value::Null)),
        Cell::Text(text) => Expected::of_text(text),
    }
}

fn written(cell: &Cell) -> String {
    match cell {
        Cell::Null => "NULL".to_owned(),
        Cell::Text(text) => text.clone(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn told(file: &str, manner: &Manner, rows: &str) -> Vec<String> {
        let table = Table::read(file).expect("a table");
        let Some(Value::List(rows)) = Value::parse(rows) else { panic!("rows: {rows}") };
        let row = |row: &Value| if let Value::List(cells) = row { cells.clone() } else { panic!("{row}") };
        let rows: Vec<Vec<Value>> = rows.iter().map(row).collect();
        let columns = ["id", "name", "at"].map(str::to_owned);
        compare(&table, manner, &columns, &rows).expect("a comparison").iter().map(ToString::to_string).collect()
    }

    #[test]
    fn each_row_is_there_as_often_as_it_should_be_among_others() {
        let rows = "[[1, 'a', None], [1, 'a', None], [2, '', None], [3, None, '2026-01-01']]";
        let loose = Manner::default();
        assert_eq!(told("id,name\n3,\n1,a\n2,\"\"\n1,a\n", &loose, rows), [""; 0]);
        assert_eq!(told("id,name\n1,a\n1,a\n1,a\n", &loose, rows), ["missing: id=1, name=a"]);
        assert_eq!(told("id,name\n2,\n", &loose, rows), ["missing: id=2, name=NULL"], "an empty text is not NULL");
        assert_eq!(told("id,name,at\n3,b,2026-01-01\n", &loose, rows), ["row 1: name: None is not 'b'"]);
        assert_eq!(told("id,label\n1,a\n", &loose, rows), ["there is no column label"]);
    }

    #[test]
    fn strict_is_those_rows_in_this_order_and_no_others() {
        let strict = Manner { strict: true, ignore: vec!["at".to_owned()] };
        let rows = "[[1, 'a', 5], [2, 'b', 6]]";
        assert_eq!(told("id,name,at\n1,a,\n2,b,\n", &strict, rows), [""; 0]);
        let swapped =
            ["row 1: id: 1 is not '2', name: 'a' is not 'b'", "row 2: id: 2 is not '1', name: 'b' is not 'a'"];
        assert_eq!(told("id,name\n2,b\n1,a\n", &strict, rows), swapped);
        assert_eq!(told("id\n1\n", &strict, rows), ["unexpected: id=2"]);
        assert_eq!(told("id\n1\n2\n3\n", &strict, rows), ["missing: id=3"]);
    }

    #[test]
    fn a_matcher_takes_no_row_that_another_one_needs() {
        let rows = "[[1, 'a', None], [1, 'b', None]]";
        assert_eq!(told("id,name\n1,<any>\n1,a\n", &Manner::default(), rows), [""; 0]);
        assert_eq!(told("id,name\n<~ 1.0 ± 0.1>,<regex [ab]>\n1,b\n1,a\n", &Manner::default(), rows).len(), 1);
    }

    proptest! {
        #[test]
        fn rows_in_any_order_are_the_same_multiset(mut numbers in prop::collection::vec(0..5_i64, 0..20), seed in any::<u64>()) {
            let file: Vec<String> = numbers.iter().map(i64::to_string).collect();
            let table = Table::read(&format!("n\n{}\n", file.join("\n"))).expect("a table");
            fastrand::Rng::with_seed(seed).shuffle(&mut numbers);
            let rows: Vec<Vec<Value>> = numbers.iter().map(|number| vec![Value::from(*number)]).collect();
            let columns = ["n".to_owned()];
            prop_assert_eq!(compare(&table, &Manner::default(), &columns, &rows), Ok(Vec::new()));
            if let [_, fewer @ ..] = rows.as_slice() {
                prop_assert_eq!(compare(&table, &Manner::default(), &columns, fewer).expect("a comparison").len(), 1);
            }
        }
    }
}
