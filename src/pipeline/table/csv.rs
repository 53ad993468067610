//! CSV (RFC 4180) as people write it: a mark of the order of bytes in front, commas, quotes and line ends within quotes, either kind of line
//! end. A cell that is empty is NULL, and `""` an empty text.

/// A cell, as it is written.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Cell {
    /// Nothing.
    Null,
    /// A text; in quotes or not.
    Text(String),
}

/// A table as a file says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// The names of the columns.
    pub columns: Vec<String>,
    /// The rows, each as wide as the columns.
    pub rows: Vec<Vec<Cell>>,
}

impl Table {
    /// Reads a table whose first line names the columns. Lines that are empty are passed over.
    ///
    /// # Errors
    /// When a quote is not closed, a row is of another width, or a column has no name or that of another: with the line.
    pub fn read(text: &str) -> Result<Self, String> {
        let mut lines = records(text.trim_start_matches('\u{feff}'))?.into_iter();
        let (_, head) = lines.next().ok_or("the file is empty: its first line names the columns")?;
        let name = |cell: Cell| match cell {
            Cell::Text(name) if !name.trim().is_empty() => Ok(name.trim().to_owned()),
            _ => Err("line 1: a column has no name".to_owned()),
        };
        let columns = head.into_iter().map(name).collect::<Result<Vec<_>, _>>()?;
        if let Some(twice) = columns.iter().enumerate().find(|(at, name)| columns[..*at].contains(name)) {
            return Err(format!("line 1: two columns are called '{}'", twice.1));
        }
        let mut rows = Vec::new();
        for (line, row) in lines {
            if row.len() != columns.len() {
                let (found, expected) = (row.len(), columns.len());
                return Err(format!(
                    "line {line}: {found} cells, and there are {expected} columns: is a comma not in quotes?"
                ));
            }
            rows.push(row);
        }
        Ok(Self { columns, rows })
    }
}

/// The records with the lines that they begin in.
fn records(text: &str) -> Result<Vec<(usize, Vec<Cell>)>, String> {
    let mut found = Vec::new();
    let (mut row, mut cell, mut quoted) = (Vec::new(), String::new(), false);
    let (mut line, mut begin) = (1, 1);
    let mut chars = text.chars().peekable();
    let take = |cell: &mut String, quoted: &mut bool| {
        let text = std::mem::take(cell);
        let was_quoted = std::mem::take(quoted);
        let is_null = text.is_empty() && !was_quoted;
        if is_null { Cell::Null } else { Cell::Text(text) }
    };
    while let Some(c) = chars.next() {
        match c {
            '"' if cell.is_empty() && !quoted => {
                quoted = true;
                let opened = line;
                loop {
                    match chars.next() {
                        Some('"') if chars.peek() == Some(&'"') => {
                            chars.next();
                            cell.push('"');
                        }
                        Some('"') => break,
                        Some(c) => {
                            line += usize::from(c == '\n');
                            cell.push(c);
                        }
                        None => return Err(format!("line {opened}: a quote is not closed")),
                    }
                }
            }
            ',' => row.push(take(&mut cell, &mut quoted)),
            '\r' if chars.peek() == Some(&'\n') => {}
            '\n' => {
                let is_empty = row.is_empty() && cell.is_empty() && !quoted;
                if !is_empty {
                    row.push(take(&mut cell, &mut quoted));
                    found.push((begin, std::mem::take(&mut row)));
                }
                line += 1;
                begin = line;
            }
            _ if quoted => return Err(format!("line {line}: something stands behind a quote that is closed")),
            c => cell.push(c),
        }
    }
    if !row.is_empty() || !cell.is_empty() || quoted {
        row.push(take(&mut cell, &mut quoted));
        found.push((begin, row));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(text: &str) -> Cell {
        Cell::Text(text.to_owned())
    }

    #[test]
    fn a_table_is_read_as_people_write_it() {
        let table = Table::read("\u{feff}id, name \r\n1,\"a, \"\"b\"\"\nc\"\r\n\r\n,\"\"").expect("a table");
        assert_eq!(table.columns, ["id", "name"]);
        assert_eq!(table.rows, [vec![text("1"), text("a, \"b\"\nc")], vec![Cell::Null, text("")]]);
        for (wrong, why) in [
            ("", "the file is empty: its first line names the columns"),
            ("a,b\n1\n", "line 2: 1 cells, and there are 2 columns: is a comma not in quotes?"),
            ("a,b\n\"1\n,2", "line 2: a quote is not closed"),
            ("a,a\n", "line 1: two columns are called 'a'"),
            ("a,\n", "line 1: a column has no name"),
            ("a\n\"x\"y\n", "line 2: something stands behind a quote that is closed"),
        ] {
            assert_eq!(Table::read(wrong), Err(why.to_owned()), "{wrong:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_with_quotes_is_read_as_it_was(rows in prop::collection::vec(prop::collection::vec(any::<String>(), 2), 0..5)) {
            let quoted = |text: &String| format!("\"{}\"", text.replace('"', "\"\""));
            let lines: Vec<String> = rows.iter().map(|row| row.iter().map(quoted).collect::<Vec<_>>().join(",")).collect();
            let table = Table::read(&format!("a,b\n{}", lines.join("\r\n"))).expect("a table");
            let expected: Vec<Vec<Cell>> = rows.iter().map(|row| row.iter().map(|cell| text(cell)).collect()).collect();
            prop_assert_eq!(table.rows, expected);
        }

        #[test]
        fn any_text_is_a_table_or_refused(text in any::<String>()) {
            let _ = Table::read(&text);
        }
    }
}
