//! CSV (RFC 4180) as people write it: a mark of the order of bytes in front, commas, quotes and line ends within quotes, either kind of line
//! end. A cell that is empty is NULL, and `""` an empty text. A row is read when it is asked for.

use std::io::BufRead;

/// A mark of the order of bytes, which is no part of the first column's name.
const MARK: [u8; 3] = [0xef, 0xbb, 0xbf];

/// A row, each cell as it is written; none for NULL.
pub type Row = Vec<Option<String>>;

/// A table as a file says it, row by row, with the line that each begins in. After an error there are no more.
#[derive(Debug)]
pub struct Table<R> {
    /// The names of the columns.
    pub columns: Vec<String>,
    source: R,
    line: usize,
    is_over: bool,
}

impl<R: BufRead> Table<R> {
    /// Reads the first line, which names the columns. Lines that are empty are passed over.
    ///
    /// # Errors
    /// When there is none, or a column has no name or that of another.
    pub fn new(mut source: R) -> Result<Self, String> {
        let begin = source.fill_buf().map_err(|error| error.to_string())?;
        if begin.starts_with(&MARK) {
            source.consume(MARK.len());
        }
        let mut table = Self { columns: Vec::new(), source, line: 1, is_over: false };
        let (_, head) = table.record()?.ok_or("the file is empty: its first line names the columns")?;
        for name in head {
            let name = name.as_deref().map(str::trim).filter(|name| !name.is_empty());
            let name = name.ok_or("line 1: a column has no name")?.to_owned();
            if table.columns.contains(&name) {
                return Err(format!("line 1: two columns are called '{name}'"));
            }
            table.columns.push(name);
        }
        Ok(table)
    }

    /// The next record, with the line that it begins in.
    fn record(&mut self) -> Result<Option<(usize, Row)>, String> {
        let (mut row, mut cell) = (Vec::new(), Vec::new());
        let mut state = State::Begin;
        let mut begin = self.line;
        loop {
            let byte = self.byte()?;
            match (state, byte) {
                (State::Quoted(opened), None) => return Err(format!("line {opened}: a quote is not closed")),
                (State::Quoted(_), Some(b'"')) => state = State::Closed,
                (State::Quoted(_), Some(byte)) => {
                    self.line += usize::from(byte == b'\n');
                    cell.push(byte);
                }
                (State::Closed, Some(b'"')) => {
                    cell.push(b'"');
                    state = State::Quoted(self.line);
                }
                (State::Begin, Some(b'"')) => state = State::Quoted(self.line),
                (_, Some(b',')) => {
                    row.push(taken(&mut cell, state, self.line)?);
                    state = State::Begin;
                }
                (_, Some(b'\r')) if self.is_next(b'\n')? => {}
                (_, Some(b'\n') | None) => {
                    if !row.is_empty() || state != State::Begin {
                        row.push(taken(&mut cell, state, self.line)?);
                    }
                    self.line += usize::from(byte.is_some());
                    if !row.is_empty() || byte.is_none() {
                        return Ok((!row.is_empty()).then_some((begin, row)));
                    }
                    begin = self.line;
                }
                (State::Closed, Some(_)) => {
                    return Err(format!("line {}: something stands behind a quote that is closed", self.line));
                }
                (State::Begin | State::Plain, Some(byte)) => {
                    cell.push(byte);
                    state = State::Plain;
                }
            }
        }
    }

    fn byte(&mut self) -> Result<Option<u8>, String> {
        let mut byte = [0];
        match self.source.read(&mut byte) {
            Ok(0) => Ok(None),
            Ok(_) => Ok(Some(byte[0])),
            Err(error) => Err(format!("line {}: {error}", self.line)),
        }
    }

    fn is_next(&mut self, byte: u8) -> Result<bool, String> {
        let held = self.source.fill_buf().map_err(|error| format!("line {}: {error}", self.line))?;
        Ok(held.first() == Some(&byte))
    }
}

/// Where in a cell the reader is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before it.
    Begin,
    /// In one without quotes.
    Plain,
    /// In quotes, which were opened in this line.
    Quoted(usize),
    /// Behind quotes.
    Closed,
}

fn taken(cell: &mut Vec<u8>, state: State, line: usize) -> Result<Option<String>, String> {
    let text = String::from_utf8(std::mem::take(cell));
    let text = text.map_err(|_| format!("line {line}: this is no UTF-8: save the file as UTF-8"))?;
    Ok((state != State::Begin).then_some(text))
}

impl<R: BufRead> Iterator for Table<R> {
    type Item = Result<(usize, Row), String>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_over {
            return None;
        }
        let read = self.record().and_then(|record| match record {
            Some((line, row)) if row.len() != self.columns.len() => Err(format!(
                "line {line}: {} cells, and there are {} columns: is a comma not in quotes?",
                row.len(),
                self.columns.len()
            )),
            record => Ok(record),
        });
        self.is_over = !matches!(read, Ok(Some(_)));
        read.transpose()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The columns of a table, and its rows with their lines.
    type Read = (Vec<String>, Vec<(usize, Row)>);

    fn read(file: &str) -> Result<Read, String> {
        let mut table = Table::new(file.as_bytes())?;
        let rows = table.by_ref().collect::<Result<_, _>>()?;
        Ok((table.columns, rows))
    }

    #[test]
    fn a_table_is_read_as_people_write_it() {
        let (columns, rows) = read("\u{feff}id, name \r\n1,\"a, \"\"b\"\"\nc\"\r\n\r\n,\"\"").expect("a table");
        assert_eq!(columns, ["id", "name"]);
        assert_eq!(
            rows,
            [(2, vec![Some("1".to_owned()), Some("a, \"b\"\nc".to_owned())]), (5, vec![None, Some(String::new())])]
        );
        assert_eq!(
            read("a\n\"\"\nx \n").expect("a table").1,
            [(2, vec![Some(String::new())]), (3, vec![Some("x ".to_owned())])]
        );
        for (wrong, why) in [
            ("", "the file is empty: its first line names the columns"),
            ("a,b\n1\n", "line 2: 1 cells, and there are 2 columns: is a comma not in quotes?"),
            ("a,b\n\"1\n,2", "line 2: a quote is not closed"),
            ("a,a\n", "line 1: two columns are called 'a'"),
            ("a,\n", "line 1: a column has no name"),
            ("a\n\"x\"y\n", "line 2: something stands behind a quote that is closed"),
        ] {
            assert_eq!(read(wrong), Err(why.to_owned()), "{wrong:?}");
        }
        let latin = Table::new(&b"a\n\xe4\n"[..]).expect("a head").next();
        assert_eq!(latin, Some(Err("line 2: this is no UTF-8: save the file as UTF-8".to_owned())));
    }

    proptest! {
        #[test]
        fn what_is_written_with_quotes_is_read_as_it_was(rows in prop::collection::vec(prop::collection::vec(any::<String>(), 2), 0..5)) {
            let quoted = |text: &String| format!("\"{}\"", text.replace('"', "\"\""));
            let lines: Vec<String> = rows.iter().map(|row| row.iter().map(quoted).collect::<Vec<_>>().join(",")).collect();
            let (_, found) = read(&format!("a,b\n{}", lines.join("\r\n"))).expect("a table");
            let found: Vec<Row> = found.into_iter().map(|(_, row)| row).collect();
            let expected: Vec<Row> = rows.iter().map(|row| row.iter().map(|cell| Some(cell.clone())).collect()).collect();
            prop_assert_eq!(found, expected);
        }

        #[test]
        fn any_text_is_a_table_or_refused(text in any::<String>()) {
            let _ = read(&text);
        }
    }
}
