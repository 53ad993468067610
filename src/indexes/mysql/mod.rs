//! `MariaDB` and `MySQL`: [`look`] reads what stands in the way, [`tables`] what indexes there are, [`fill`] estimates what is empty,
//! [`rebuild`] takes a step, and [`waits`] sees who waits because of it. [`lock`] keeps other runs out.
//!
//! There a rebuild is that of a whole table, in place and online: `ALTER TABLE … FORCE, ALGORITHM=INPLACE, LOCK=NONE`. The server makes
//! all indexes anew from the rows, with the same definitions, in one statement: it comes to its end or changes nothing, no index is
//! missing or has another name meanwhile, and no uniqueness is ever given up. To remove an index and add it again would be none of that.

mod fill;
mod lock;
mod look;
mod rebuild;
mod tables;
mod waits;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use anyhow::anyhow;
use async_trait::async_trait;
use mysql_async::prelude::FromValue;

use super::choose::Step;
use super::index::Seen;
use super::server::{Eyes, Limits, Rebuilt, Server};
use crate::http::Trust;
use crate::port::RemoteLock;
use crate::sql::Place;
use crate::sql::mysql::{Conn, Error, connect, said};
use crate::watch::Watch;
use lock::Lock;

/// With what each statement of this program begins that others may look at, in a comment; the run follows.
const MARK: &str = "firebreak rebuild_indexes";

/// A server, and how to get in.
#[derive(Clone)]
pub struct Mysql {
    place: Place,
    trust: Trust,
    address: String,
    run: String,
    /// What became of the tables that this run has tried: an index is rebuilt with its table, once.
    tried: Arc<Mutex<HashMap<u32, Rebuilt>>>,
}

impl Mysql {
    /// The server at a place, for a run.
    #[must_use]
    pub fn new(place: Place, trust: Trust, run: &str) -> Self {
        let address = place.to_string();
        Self { place, trust, address, run: run.to_owned(), tried: Arc::default() }
    }

    async fn session(&self) -> anyhow::Result<Conn> {
        connect(&self.place, &self.trust, format!("{MARK} {}", self.run).trim()).await
    }

    fn refused(&self, error: &Error) -> anyhow::Error {
        anyhow!("{}: {}", self.address, said(error))
    }
}

#[async_trait]
impl Server for Mysql {
    fn address(&self) -> &str {
        &self.address
    }

    fn measures(&self) -> &'static str {
        "looked for four times a second in the list of processes: who waits for a lock on a table of the same database; shorter waits \
         may go unseen"
    }

    fn needs(&self) -> &'static str {
        "beside the old table, since all indexes of a table are rebuilt with it"
    }

    fn lock(&self) -> Box<dyn RemoteLock> {
        Box::new(Lock::new(self.clone()))
    }

    async fn look(&self, _watch: &dyn Watch) -> anyhow::Result<Seen> {
        look::look(self).await
    }

    async fn take(&self, step: &Step, limits: Limits, eyes: Eyes<'_>) -> Rebuilt {
        rebuild::take(self, step, limits, eyes).await
    }
}

/// A name as SQL has it, whatever the server's SQL mode.
fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

/// A value of a row by the name of its column; none for NULL, for what has another type, and where there is no such column.
fn value<T: FromValue>(row: &mysql_async::Row, column: &str) -> Option<T> {
    row.get_opt::<Option<T>, _>(column)?.ok()?
}

fn text(row: &mysql_async::Row, column: &str) -> String {
    value(row, column).unwrap_or_default()
}

/// Whether a statement changes how tables are made, and so wants one as a whole; comments before it do not count.
fn is_definition(statement: &str) -> bool {
    let mut rest = statement.trim_start();
    while let Some(comment) = rest.strip_prefix("/*") {
        rest = comment.split_once("*/").map_or("", |(_, rest)| rest).trim_start();
    }
    let word = rest.split(|c: char| !c.is_ascii_alphabetic()).next().unwrap_or_default();
    ["ALTER", "CREATE", "DROP", "OPTIMIZE", "RENAME", "REPAIR", "TRUNCATE"]
        .contains(&word.to_ascii_uppercase().as_str())
}

/// Whether a statement has this name in it, as a whole word.
fn names(statement: &str, name: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == '$';
    statement
        .match_indices(name)
        .any(|(at, _)| !statement[..at].ends_with(is_part) && !statement[at + name.len()..].starts_with(is_part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_quoted_whatever_is_in_it() {
        assert_eq!(["orders", "a b", "a`b", "a\"'\\"].map(quoted), ["`orders`", "`a b`", "`a``b`", "`a\"'\\`"]);
    }

    #[test]
    fn a_table_is_named_by_a_whole_word() {
        for statement in ["ALTER TABLE t", "ALTER TABLE `d`.`t` FORCE", "DROP TABLE a,t"] {
            assert!(names(statement, "t"), "{statement}");
        }
        for statement in ["ALTER TABLE t2", "ALTER TABLE old_t", "alter"] {
            assert!(!names(statement, "t"), "{statement}");
        }
    }

    #[test]
    fn a_statement_that_wants_a_whole_table_is_known_by_its_first_word() {
        for statement in ["ALTER TABLE t FORCE", "/* a */ /* b */ optimize table t", "  Create index i on t (a)"] {
            assert!(is_definition(statement), "{statement}");
        }
        for statement in ["SELECT 'ALTER'", "/* ALTER */ INSERT INTO t", "/* ALTER", "", "altered"] {
            assert!(!is_definition(statement), "{statement}");
        }
    }
}
