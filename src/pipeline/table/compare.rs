//! Rows that should be, held against rows that are, as these come in.

use std::collections::HashMap;

use super::csv::Row;
use super::difference::{Difference, Differences};
use super::pair::{is_loose, key, matched};
use crate::pipeline::value::{Expected, Value, short};

/// So many rows that nobody asked for are kept, to find those that are nearly what should be.
const KEPT: usize = 1_000;

/// A row that should be.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// The line of the file that it begins in.
    pub line: usize,
    /// Its cells as they are written.
    pub written: Row,
    /// What each should be.
    pub cells: Vec<Expected>,
}

impl Wanted {
    /// Whether a row is as it should be.
    pub(super) fn fits(&self, row: &[Value]) -> bool {
        self.cells.iter().zip(row).all(|(cell, value)| fits(cell, value))
    }

    /// The cells of a row that are otherwise.
    fn wrong(&self, row: &[Value], names: &[String]) -> Vec<String> {
        let cells = names.iter().zip(self.cells.iter().zip(row));
        cells
            .filter(|(_, (cell, value))| !fits(cell, value))
            .map(|(name, (cell, value))| why(name, cell, value))
            .collect()
    }

    fn missing(&self, names: &[String]) -> Difference {
        let cell = |(name, (cell, written)): (&String, (&Expected, &Option<String>))| match cell {
            Expected::Value(value) => format!("{name}={}", shown(value)),
            _ => format!("{name}={}", written.as_deref().unwrap_or_default()),
        };
        Difference::Missing(self.line, names.iter().zip(self.cells.iter().zip(&self.written)).map(cell).collect())
    }
}

/// Whether a cell is as it should be. Nothing but an empty cell is NULL: no text stands for it.
fn fits(cell: &Expected, value: &Value) -> bool {
    match (cell, value) {
        (Expected::Value(Value::Text(_)), Value::Null) | (Expected::Value(Value::Null), Value::Text(_)) => false,
        _ => cell.differences(value).is_empty(),
    }
}

fn why(name: &str, cell: &Expected, value: &Value) -> String {
    match cell {
        Expected::Value(Value::List(_) | Value::Map(_)) if *value != Value::Null => {
            format!("{name}: {}", cell.refusal(value).unwrap_or_default())
        }
        Expected::Value(wanted) => format!("{name}: {} is not {}", shown(value), shown(wanted)),
        _ => format!("{name}: {}", cell.refusal(value).unwrap_or_default()),
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::Null => "NULL".to_owned(),
        Value::Instant(instant) => instant.to_string(),
        other => short(other),
    }
}

fn unexpected(row: &[Value], names: &[String]) -> Difference {
    Difference::Unexpected(names.iter().zip(row).map(|(name, value)| format!("{name}={}", shown(value))).collect())
}

/// The rows are those and no others, in this order. Neither side is held.
pub struct InOrder<'a, I> {
    names: &'a [String],
    wanted: I,
    found: Differences,
    broken: Option<String>,
}

impl<'a, I: Iterator<Item = Result<Wanted, String>>> InOrder<'a, I> {
    /// Those that should be; `names` are those of their cells.
    pub fn new(names: &'a [String], wanted: I) -> Self {
        Self { names, wanted, found: Differences::default(), broken: None }
    }

    /// The next row that is.
    pub fn see(&mut self, row: &[Value]) {
        if self.broken.is_some() {
            return;
        }
        match self.wanted.next() {
            Some(Err(why)) => self.broken = Some(why),
            None => self.found.add(|| unexpected(row, self.names)),
            Some(Ok(wanted)) if wanted.fits(row) => {}
            Some(Ok(wanted)) => self.found.add(|| Difference::Cells(wanted.line, wanted.wrong(row, self.names))),
        }
    }

    /// There are no more rows.
    ///
    /// # Errors
    /// When a row that should be could not be read.
    pub fn end(mut self) -> Result<Differences, String> {
        if let Some(why) = self.broken {
            return Err(why);
        }
        for wanted in self.wanted {
            let wanted = wanted?;
            self.found.add(|| wanted.missing(self.names));
        }
        Ok(self.found)
    }
}

/// Each row that should be is there, as often as it should be, among others and in any order. Rows that should be are held, and of those that
/// are what may still be one of them.
pub struct Among<'a> {
    names: &'a [String],
    wanted: Vec<Wanted>,
    /// Those that are not found yet, by what they have in common with each row that they can be.
    open: HashMap<String, Vec<usize>>,
    /// Those that can be rows of several keys.
    loose: Vec<usize>,
    is_found: Vec<bool>,
    /// Rows that may still be one of them, or nearly are.
    left: Vec<Vec<Value>>,
}

impl<'a> Among<'a> {
    /// Those that should be; `names` are those of their cells.
    ///
    /// # Errors
    /// When one cannot be read.
    pub fn new(names: &'a [String], wanted: impl Iterator<Item = Result<Wanted, String>>) -> Result<Self, String> {
        let wanted: Vec<Wanted> = wanted.collect::<Result<_, _>>()?;
        let (mut open, mut loose): (HashMap<String, Vec<usize>>, Vec<usize>) = (HashMap::new(), Vec::new());
        for (at, row) in wanted.iter().enumerate().rev() {
            if is_loose(&row.cells) {
                loose.push(at);
            } else {
                let cells = row
                    .cells
                    .iter()
                    .filter_map(|cell| if let Expected::Value(value) = cell { Some(value) } else { None });
                open.entry(key(cells)).or_default().push(at);
            }
        }
        Ok(Self { names, is_found: vec![false; wanted.len()], wanted, open, loose, left: Vec::new() })
    }

    /// A row that is.
    pub fn see(&mut self, row: Vec<Value>) {
        if let Some(open) = self.open.get_mut(&key(row.iter()))
            && let Some(at) = open.iter().rposition(|at| self.wanted[*at].fits(&row))
        {
            self.is_found[open.remove(at)] = true;
            return;
        }
        if self.left.len() < KEPT || self.loose.iter().any(|at| self.wanted[*at].fits(&row)) {
            self.left.push(row);
        }
    }

    /// There are no more rows.
    #[must_use]
    pub fn end(mut self) -> Differences {
        let open: Vec<usize> = (0..self.wanted.len()).filter(|at| !self.is_found[*at]).collect();
        let loose: Vec<&Wanted> =
            open.iter().filter(|at| is_loose(&self.wanted[**at].cells)).map(|at| &self.wanted[*at]).collect();
        let of_row = matched(&loose, &self.left);
        let loose: Vec<usize> = open.iter().copied().filter(|at| is_loose(&self.wanted[*at].cells)).collect();
        for (row, wanted) in of_row.iter().enumerate() {
            if let Some(wanted) = wanted {
                self.is_found[loose[*wanted]] = true;
                self.left[row].clear();
            }
        }
        self.left.retain(|row| !row.is_empty());
        let mut found = Differences::default();
        for wanted in open.into_iter().filter(|at| !self.is_found[*at]).map(|at| &self.wanted[at]) {
            found.add(|| nearest(wanted, &mut self.left, self.names));
        }
        found
    }
}

/// What became of a row that is not there: the nearest of the others where more of it is right than wrong, or nothing.
fn nearest(wanted: &Wanted, left: &mut Vec<Vec<Value>>, names: &[String]) -> Difference {
    // Of those that are as near, one whose first columns are right: a key mostly stands there.
    let wrong = |row: &Vec<Value>| {
        let mut wrong = (0..row.len()).filter(|at| !fits(&wanted.cells[*at], &row[*at])).peekable();
        let first = wrong.peek().copied();
        (wrong.count(), std::cmp::Reverse(first))
    };
    let nearest = (0..left.len()).map(|at| (wrong(&left[at]), at)).min();
    match nearest.filter(|((wrong, _), _)| 2 * wrong <= names.len() && *wrong < names.len()) {
        Some((_, at)) => Difference::Cells(wanted.line, wanted.wrong(&left.swap_remove(at), names)),
        None => wanted.missing(names),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::Table;
    use super::*;

    const NAMES: [&str; 3] = ["id", "name", "at"];

    fn wanted(file: &str) -> impl Iterator<Item = Result<Wanted, String>> {
        let rows: Vec<_> = Table::new(file.as_bytes()).expect("a table").collect();
        rows.into_iter().map(|row| {
            let (line, written) = row?;
            let cell = |(at, cell): (usize, &Option<String>)| match cell {
                None => Ok(Expected::Value(Value::Null)),
                Some(text) if text.starts_with('<') => Expected::of_text(text),
                Some(text) if at == 0 => Ok(Expected::Value(Value::read(text))),
                Some(text) => Ok(Expected::Value(text.as_str().into())),
            };
            let cells = written.iter().enumerate().map(cell).collect::<Result<_, _>>()?;
            Ok(Wanted { line, written, cells })
        })
    }

    fn rows(text: &str) -> Vec<Vec<Value>> {
        let Some(Value::List(rows)) = Value::parse(text) else { panic!("rows: {text}") };
        rows.into_iter().map(|row| if let Value::List(cells) = row { cells } else { panic!("{row}") }).collect()
    }

    fn among(file: &str, found: &str) -> Vec<String> {
        let names = NAMES.map(str::to_owned);
        let mut among = Among::new(&names[..2], wanted(file)).expect("rows");
        for row in rows(found) {
            among.see(row);
        }
        among.end().lines()
    }

    fn in_order(file: &str, found: &str) -> Vec<String> {
        let names = NAMES.map(str::to_owned);
        let mut order = InOrder::new(&names[..2], wanted(file));
        for row in &rows(found) {
            order.see(row);
        }
        order.end().expect("a comparison").lines()
    }

    #[test]
    fn each_row_is_there_as_often_as_it_should_be_among_others() {
        let rows = "[[1, 'a'], [1, 'a'], [2, ''], [3, None], [4, 'None']]";
        assert_eq!(among("id,name\n3,\n1,a\n2,\"\"\n1,a\n", rows), [""; 0]);
        assert_eq!(among("id,name\n1,a\n1,a\n1,a\n", "[[1, 'a'], [1, 'a']]"), ["missing (line 4): id=1, name='a'"]);
        assert_eq!(
            among("id,name\n2,\n", rows),
            ["different (line 2): name: '' is not NULL"],
            "an empty text is not NULL"
        );
        assert_eq!(among("id,name\n3,None\n", "[[3, None]]"), ["different (line 2): name: NULL is not 'None'"]);
        assert_eq!(among("id,name\n3,b\n", rows), ["different (line 2): name: NULL is not 'b'"]);
        assert_eq!(among("id,name\n9,\n", rows), ["different (line 2): id: 3 is not 9"]);
        assert_eq!(among("id,name\n9,x\n", rows), ["missing (line 2): id=9, name='x'"]);
    }

    #[test]
    fn strict_is_those_rows_in_this_order_and_no_others() {
        let rows = "[[1, 'a'], [2, 'b']]";
        assert_eq!(in_order("id,name\n1,a\n2,b\n", rows), [""; 0]);
        let swapped = [
            "different (line 2): id: 1 is not 2, name: 'a' is not 'b'",
            "different (line 3): id: 2 is not 1, name: 'b' is not 'a'",
        ];
        assert_eq!(in_order("id,name\n2,b\n1,a\n", rows), swapped);
        assert_eq!(in_order("id,name\n1,a\n", rows), ["unexpected: id=2, name='b'"]);
        assert_eq!(in_order("id,name\n1,a\n2,b\n3,\n", rows), ["missing (line 4): id=3, name=NULL"]);
        let many = format!("id,name\n{}", "1,x\n".repeat(30));
        let told = in_order(&many, "[]");
        assert_eq!((told.len(), told[20].as_str()), (21, "and 10 more"));
    }

    #[test]
    fn a_matcher_takes_no_row_that_another_one_needs() {
        let rows = "[[1, 'a'], [1, 'b']]";
        assert_eq!(among("id,name\n1,<any>\n1,a\n", rows), [""; 0]);
        assert_eq!(among("id,name\n<any>,<any>\n<any>,<regex [a]>\n", rows), [""; 0]);
        assert_eq!(among("id,name\n<~ 1.0 ± 0.1>,<regex [ab]>\n1,b\n1,a\n", rows).len(), 1);
    }

    proptest! {
        #[test]
        fn rows_in_any_order_are_the_same_multiset_and_one_less_or_other_is_seen(
            mut cells in prop::collection::vec((0..4_i64, prop::option::of("[ab]{0,1}"), any::<bool>()), 1..25), seed in any::<u64>(),
        ) {
            let names = ["n".to_owned(), "t".to_owned()];
            let rows = cells.iter().enumerate().map(|(at, (number, text, is_any))| {
                let number = if *is_any { Expected::of_text("<~ 2 ± 9>").expect("a matcher") } else { Expected::Value((*number).into()) };
                let text = Expected::Value(text.as_deref().map_or(Value::Null, Value::from));
                Ok(Wanted { line: at, written: vec![None, None], cells: vec![number, text] })
            });
            let rows: Vec<Result<Wanted, String>> = rows.collect();
            fastrand::Rng::with_seed(seed).shuffle(&mut cells);
            let found = |skip: usize| {
                let mut among = Among::new(&names, rows.iter().cloned()).expect("rows");
                for (number, text, _) in cells.iter().skip(skip) {
                    among.see(vec![(*number).into(), text.as_deref().map_or(Value::Null, Value::from)]);
                }
                among.end().count
            };
            prop_assert_eq!(found(0), 0);
            prop_assert_eq!(found(1), 1);
            let mut order = InOrder::new(&names, rows.iter().cloned());
            for (number, text, _) in &cells {
                order.see(&[(*number).into(), text.as_deref().map_or(Value::Null, Value::from)]);
            }
            // In order is never easier than in any order.
            let _ = order.end().expect("a comparison");
        }
    }
}
