//! Which indexes there are: read from `information_schema`, with the sizes that `InnoDB` keeps in `mysql.innodb_index_stats`.

use std::collections::{BTreeMap, HashMap};

use mysql_async::prelude::Queryable as _;
use mysql_async::{Row, Value};

use super::fill::{self, Column, Facts};
use super::{text, value};
use crate::indexes::index::{Definition, Index};
use crate::sql::mysql::{Conn, Error};

/// What the hidden index of a table that has no key is called.
const HIDDEN: &str = "GEN_CLUST_INDEX";

/// Which tables are meant: of a database, or of all that are people's; all of them, or one.
#[derive(Debug, Clone, Default)]
pub(super) struct Scope {
    pub schema: Option<String>,
    pub table: Option<String>,
}

impl Scope {
    /// As a condition on these columns.
    fn condition(&self, schema: &str, table: &str) -> (String, Vec<Value>) {
        let (mut condition, mut values) = match &self.schema {
            Some(name) => (format!("{schema} = ?"), vec![name.into()]),
            None => {
                (format!("{schema} NOT IN ('mysql', 'information_schema', 'performance_schema', 'sys')"), Vec::new())
            }
        };
        if let Some(name) = &self.table {
            condition.extend([" AND ", table, " = ?"]);
            values.push(name.into());
        }
        (condition, values)
    }
}

/// What is known of the server.
#[derive(Debug, Clone, Default)]
pub(super) struct About {
    pub is_mariadb: bool,
    /// Of a page, in bytes.
    pub page: u64,
    /// Whether it counts the rows of a table again by itself when many of them changed.
    pub recounts: bool,
}

/// A table, by its database and its name.
type Name = (String, String);

/// A column of an index.
#[derive(Debug, Clone)]
struct Part {
    /// Its name; none for an expression.
    column: Option<String>,
    /// How many characters of it are in the index; none for all.
    prefix: Option<u64>,
    /// All that makes it different from another.
    key: String,
}

/// An index, as `information_schema.STATISTICS` has it.
#[derive(Debug, Clone, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a property of its own, as the server lists it")]
struct Listed {
    name: String,
    kind: String,
    is_unique: bool,
    /// Whether each row has an entry that differs from all others: it is unique, and no column of it is NULL or cut.
    is_key: bool,
    is_disabled: bool,
    is_ignored: bool,
    parts: Vec<Part>,
}

/// All that was read of a table.
#[derive(Debug, Default)]
struct Table {
    engine: String,
    options: String,
    room: u64,
    free: u64,
    is_stale: bool,
    is_shared: bool,
    rows: Option<u64>,
    /// How many pages each index has, in how many partitions.
    pages: HashMap<String, (u64, u64)>,
    columns: BTreeMap<String, Column>,
    indexes: Vec<Listed>,
    /// The columns of each foreign key, of this table or to it.
    references: Vec<Vec<String>>,
}

/// Reads the indexes of the tables that are meant.
pub(super) async fn read(session: &mut Conn, scope: &Scope, about: &About) -> Result<Vec<Index>, Error> {
    let mut tables = tables(session, scope, about).await?;
    let named = |row: &Row| (text(row, "TABLE_SCHEMA"), text(row, "TABLE_NAME"));
    for row in
        ask(session, "SELECT * FROM information_schema.STATISTICS WHERE ?", scope, ("TABLE_SCHEMA", "TABLE_NAME"))
            .await?
    {
        if let Some(table) = tables.get_mut(&named(&row)) {
            table.list(&row);
        }
    }
    for row in
        ask(session, "SELECT * FROM information_schema.COLUMNS WHERE ?", scope, ("TABLE_SCHEMA", "TABLE_NAME")).await?
    {
        if let Some(table) = tables.get_mut(&named(&row)) {
            table.columns.insert(text(&row, "COLUMN_NAME"), column(&row));
        }
    }
    references(session, scope, &mut tables).await?;
    statistics(session, scope, &mut tables).await?;
    let mut indexes = Vec::new();
    for (number, (name, table)) in (1..).zip(&tables) {
        indexes.extend(table.indexes(name, number, about));
    }
    for (number, index) in (1..).zip(&mut indexes) {
        index.id = number;
    }
    Ok(indexes)
}

/// The rows of a statement, of which `?` is the condition that the tables are meant.
async fn ask(
    session: &mut Conn,
    statement: &str,
    scope: &Scope,
    (schema, table): (&str, &str),
) -> Result<Vec<Row>, Error> {
    let (condition, values) = scope.condition(schema, table);
    session.exec(statement.replace('?', &condition), values).await
}

async fn tables(session: &mut Conn, scope: &Scope, about: &About) -> Result<BTreeMap<Name, Table>, Error> {
    let statement = "SELECT TABLE_SCHEMA, TABLE_NAME, ENGINE, ROW_FORMAT, CREATE_OPTIONS, DATA_FREE, DATA_LENGTH + INDEX_LENGTH AS ROOM,
                            CAST(UPDATE_TIME AS CHAR) AS UPDATED
                     FROM information_schema.TABLES WHERE TABLE_TYPE IN ('BASE TABLE', 'SYSTEM VERSIONED') AND ?";
    let rows = ask(session, statement, scope, ("TABLE_SCHEMA", "TABLE_NAME")).await?;
    let mut tables: BTreeMap<Name, Table> = BTreeMap::new();
    let mut updated: HashMap<Name, String> = HashMap::new();
    for row in rows {
        let name = (text(&row, "TABLE_SCHEMA"), text(&row, "TABLE_NAME"));
        let options =
            format!("{} row_format={}", text(&row, "CREATE_OPTIONS"), text(&row, "ROW_FORMAT")).to_lowercase();
        let (engine, free) = (text(&row, "ENGINE"), value(&row, "DATA_FREE").unwrap_or(0));
        updated.insert(name.clone(), text(&row, "UPDATED"));
        tables
            .insert(name, Table { engine, options, free, room: value(&row, "ROOM").unwrap_or(0), ..Table::default() });
    }
    // Of a file that several tables share what is free belongs to none of them.
    let of = if about.is_mariadb { "INNODB_SYS_TABLES" } else { "INNODB_TABLES" };
    let shared = format!("SELECT NAME FROM information_schema.{of} WHERE SPACE_TYPE <> 'Single'");
    let shared: Vec<String> = session.query(shared).await?;
    for ((schema, table), read) in &mut tables {
        read.is_shared = shared
            .iter()
            .any(|name| name.split('#').next() == Some(&format!("{}/{}", in_file(schema), in_file(table))));
    }
    let counted = "SELECT database_name AS TABLE_SCHEMA, table_name AS TABLE_NAME, CAST(last_update AS CHAR) AS COUNTED, n_rows AS N
                   FROM mysql.innodb_table_stats";
    let counted: Vec<Row> = session.query(counted).await?;
    for row in counted {
        let schema = text(&row, "TABLE_SCHEMA");
        let Some((name, table)) = of_partition(&mut tables, &schema, &text(&row, "TABLE_NAME")) else { continue };
        table.rows = Some(table.rows.unwrap_or(0) + value::<u64>(&row, "N").unwrap_or(0));
        let is_recounted = about.recounts && !table.options.contains("stats_auto_recalc=0");
        // As texts these are in the order of time.
        table.is_stale |= !is_recounted && updated.get(&name).is_some_and(|updated| *updated > text(&row, "COUNTED"));
    }
    Ok(tables)
}

/// The table of this name, or the one that it is a partition of: `orders#P#p0`, on `MySQL` `orders#p#p0`.
fn of_partition<'t>(tables: &'t mut BTreeMap<Name, Table>, schema: &str, name: &str) -> Option<(Name, &'t mut Table)> {
    let mut name = (schema.to_owned(), name.to_owned());
    if !tables.contains_key(&name) {
        let end = name.1.find("#P#").or_else(|| name.1.find("#p#"))?;
        name.1.truncate(end);
    }
    tables.get_mut(&name).map(|table| (name, table))
}

/// A name as the names of files have it.
fn in_file(name: &str) -> String {
    let one =
        |c: char| if c.is_ascii_alphanumeric() || c == '_' { c.to_string() } else { format!("@{:04x}", u32::from(c)) };
    name.chars().map(one).collect()
}

async fn references(session: &mut Conn, scope: &Scope, tables: &mut BTreeMap<Name, Table>) -> Result<(), Error> {
    let statement = "SELECT * FROM information_schema.KEY_COLUMN_USAGE WHERE REFERENCED_TABLE_NAME IS NOT NULL AND ?
                     ORDER BY CONSTRAINT_SCHEMA, TABLE_NAME, CONSTRAINT_NAME, ORDINAL_POSITION";
    let whole = Scope { table: None, ..scope.clone() };
    let mut last = None;
    for row in ask(session, statement, &whole, ("TABLE_SCHEMA", "TABLE_NAME")).await? {
        let of = |column: &str| text(&row, column);
        let (child, constraint) = ((of("TABLE_SCHEMA"), of("TABLE_NAME")), of("CONSTRAINT_NAME"));
        let parent = (of("REFERENCED_TABLE_SCHEMA"), of("REFERENCED_TABLE_NAME"));
        let is_next = last.as_ref() == Some(&(child.clone(), constraint.clone()));
        for (name, column) in [(&child, of("COLUMN_NAME")), (&parent, of("REFERENCED_COLUMN_NAME"))] {
            if let Some(table) = tables.get_mut(name) {
                match table.references.last_mut() {
                    // A table that refers to itself has its two keys in two rows of columns.
                    Some(columns) if is_next && child != parent => columns.push(column),
                    _ => table.references.push(vec![column]),
                }
            }
        }
        last = Some((child, constraint));
    }
    Ok(())
}

/// How large the indexes are, and how wide the columns on average.
async fn statistics(session: &mut Conn, scope: &Scope, tables: &mut BTreeMap<Name, Table>) -> Result<(), Error> {
    let statement =
        "SELECT database_name AS TABLE_SCHEMA, table_name AS TABLE_NAME, index_name AS INDEX_NAME, stat_value AS PAGES
                     FROM mysql.innodb_index_stats WHERE stat_name = 'size' AND ?";
    let whole = Scope { table: None, ..scope.clone() };
    for row in ask(session, statement, &whole, ("database_name", "table_name")).await? {
        let schema = text(&row, "TABLE_SCHEMA");
        if let Some((_, table)) = of_partition(tables, &schema, &text(&row, "TABLE_NAME")) {
            let (pages, parts) = table.pages.entry(text(&row, "INDEX_NAME")).or_default();
            *pages += value::<u64>(&row, "PAGES").unwrap_or(0);
            *parts += 1;
        }
    }
    let widths = "SELECT db_name AS TABLE_SCHEMA, table_name AS TABLE_NAME, column_name AS COLUMN_NAME,
                         CAST(avg_length AS DOUBLE) AS AVERAGE
                  FROM mysql.column_stats WHERE ?";
    // MySQL has no such table, and not everybody may read it.
    let widths = ask(session, widths, scope, ("db_name", "table_name")).await.unwrap_or_default();
    for row in widths {
        let table = tables.get_mut(&(text(&row, "TABLE_SCHEMA"), text(&row, "TABLE_NAME")));
        if let Some(column) = table.and_then(|table| table.columns.get_mut(&text(&row, "COLUMN_NAME"))) {
            column.average = value(&row, "AVERAGE");
        }
    }
    Ok(())
}

fn column(row: &Row) -> Column {
    let number = |name: &str| value::<u64>(row, name);
    Column {
        kind: text(row, "DATA_TYPE").to_lowercase(),
        characters: number("CHARACTER_MAXIMUM_LENGTH"),
        octets: number("CHARACTER_OCTET_LENGTH"),
        digits: (number("NUMERIC_PRECISION").unwrap_or(0), number("NUMERIC_SCALE").unwrap_or(0)),
        fraction: number("DATETIME_PRECISION").unwrap_or(0),
        is_nullable: text(row, "IS_NULLABLE") == "YES",
        is_virtual: text(row, "EXTRA").to_uppercase().contains("VIRTUAL"),
        average: None,
    }
}

impl Table {
    /// Notes a column of an index. They come in their order.
    fn list(&mut self, row: &Row) {
        let name = text(row, "INDEX_NAME");
        if self.indexes.last().is_none_or(|last| last.name != name) {
            let is_unique = value::<u64>(row, "NON_UNIQUE") == Some(0);
            let is_ignored = text(row, "IGNORED") == "YES" || text(row, "IS_VISIBLE") == "NO";
            let (kind, is_disabled) = (text(row, "INDEX_TYPE").to_lowercase(), text(row, "COMMENT") == "disabled");
            self.indexes.push(Listed {
                name,
                kind,
                is_unique,
                is_key: is_unique,
                is_disabled,
                is_ignored,
                parts: Vec::new(),
            });
        }
        let (column, prefix) = (value::<String>(row, "COLUMN_NAME"), value::<u64>(row, "SUB_PART"));
        let expression = value::<String>(row, "EXPRESSION");
        let words = [column.clone().or(expression), prefix.map(|prefix| prefix.to_string()), value(row, "COLLATION")];
        let key = words.into_iter().flatten().collect::<Vec<String>>().join(" ");
        if let Some(index) = self.indexes.last_mut() {
            index.is_key &= text(row, "NULLABLE").is_empty() && prefix.is_none();
            index.parts.push(Part { column, prefix, key });
        }
    }

    /// The index that is the table itself: its first key, or a hidden one.
    fn clustered(&self) -> Option<&str> {
        let named = |name: &str| self.indexes.iter().find(|index| index.name == name);
        let hidden = self.pages.contains_key(HIDDEN).then_some(HIDDEN);
        let first = || self.indexes.iter().find(|index| index.is_key).map(|index| index.name.as_str());
        named("PRIMARY").map(|index| index.name.as_str()).or(hidden).or_else(first)
    }

    /// Why it cannot be rebuilt while others write.
    fn obstacle(&self) -> Option<String> {
        if !self.engine.eq_ignore_ascii_case("innodb") {
            return Some(format!("its engine is {}, and InnoDB alone does that", self.engine));
        }
        let is_virtual = |index: &&Listed| {
            let mut columns = index.parts.iter().filter_map(|part| self.columns.get(part.column.as_ref()?));
            columns.any(|column| column.is_virtual) || index.parts.iter().any(|part| part.column.is_none())
        };
        let of_kind = |kind: &str| self.indexes.iter().find(|index| index.kind == kind);
        let with = |what: &str, index: &Listed| format!("its index {} is {what}", index.name);
        let fulltext = of_kind("fulltext").map(|index| with("FULLTEXT", index));
        let spatial = || of_kind("spatial").map(|index| with("SPATIAL", index));
        let computed = || self.indexes.iter().find(is_virtual).map(|index| with("on a virtual column", index));
        fulltext.or_else(spatial).or_else(computed)
    }

    fn indexes(&self, (schema, name): &Name, number: u32, about: &About) -> Vec<Index> {
        let obstacle = self.obstacle();
        let clustered = self.clustered();
        let hidden = self.pages.contains_key(HIDDEN).then(|| Listed {
            name: HIDDEN.to_owned(),
            kind: "btree".to_owned(),
            is_unique: true,
            ..Listed::default()
        });
        let all = self.indexes.iter().chain(&hidden).map(|listed| {
            let is_clustered = clustered == Some(&listed.name);
            let (pages, _) = self.pages.get(&listed.name).copied().unwrap_or_default();
            let facts = self.facts(listed, clustered, about);
            let is_inno = self.engine.eq_ignore_ascii_case("innodb");
            let state = if listed.is_ignored { "ignored" } else { "" };
            Index {
                schema: schema.clone(),
                name: listed.name.clone(),
                is_named_in_table: true,
                table: format!("{schema}.{name}"),
                table_id: number,
                size: pages * about.page + facts.free,
                room: self.room,
                waste: is_inno.then(|| fill::estimate(&facts)),
                is_valid: !listed.is_disabled,
                is_unique: listed.is_unique,
                is_needed: is_clustered || self.is_needed(listed),
                definition: Definition {
                    method: listed.kind.clone(),
                    keys: listed.parts.iter().map(|part| part.key.clone()).collect(),
                    carried: Vec::new(),
                    predicate: state.to_owned(),
                },
                obstacle: obstacle.clone(),
                ..Index::default()
            }
        });
        all.collect()
    }

    /// Whether a foreign key stands on it, and on no other.
    fn is_needed(&self, index: &Listed) -> bool {
        self.references.iter().any(|columns| {
            let serves = |index: &&Listed| {
                let own: Vec<Option<&String>> = index.parts.iter().map(|part| part.column.as_ref()).collect();
                let its: Vec<Option<&String>> = columns.iter().map(Some).collect();
                own.starts_with(&its)
            };
            serves(&index) && self.indexes.iter().filter(serves).count() == 1
        })
    }

    #[expect(clippy::cast_precision_loss, reason = "numbers of rows, columns and pages")]
    fn facts(&self, index: &Listed, clustered: Option<&str>, about: &About) -> Facts {
        let (pages, parts) = self.pages.get(&index.name).copied().unwrap_or_default();
        let is_clustered = clustered == Some(&index.name);
        let key = self.indexes.iter().find(|one| Some(one.name.as_str()) == clustered);
        let mut width = Some(0.0);
        let mut nullable = 0;
        let mut add = |column: Option<&Column>, prefix: Option<u64>| {
            let own = column.and_then(|column| fill::width(column, prefix));
            width = width.zip(own).map(|(width, own)| width + own);
            nullable += u32::from(column.is_some_and(|column| column.is_nullable));
        };
        if is_clustered {
            for column in self.columns.values().filter(|column| !column.is_virtual) {
                add(Some(column), None);
            }
        } else {
            let has = |one: &Part| index.parts.iter().any(|part| part.column == one.column && part.prefix.is_none());
            let carried = key.into_iter().flat_map(|key| &key.parts).filter(|part| !has(part));
            for part in index.parts.iter().chain(carried) {
                add(part.column.as_ref().and_then(|name| self.columns.get(name)), part.prefix);
            }
        }
        // A row without a key has a hidden number.
        let hidden = if key.is_none() { 6.0 } else { 0.0 };
        Facts {
            is_tree: index.kind == "btree",
            is_compressed: self.options.contains("compressed") || self.options.contains("key_block_size"),
            size: (pages * about.page) as f64,
            page: about.page as f64,
            rows: self.rows.map(|rows| rows as f64),
            is_stale: self.is_stale,
            width: width.map(|width| width + hidden),
            nullable: f64::from(nullable),
            is_clustered,
            parts: parts as f64,
            free: if is_clustered && !self.is_shared { self.free } else { 0 },
        }
    }
}
