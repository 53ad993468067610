//! `postgres`, `mysql` and `sqlite` on real servers: whatever a statement is, it works, is committed, and answers what is there, exactly.

use std::sync::Arc;

use super::{Place, fails, passes, verdict};
use crate::support::{mariadb, postgres};

/// A database of a test's own, as a test names it.
pub struct Base {
    pub engine: &'static str,
    pub conf: String,
    kept: Kept,
}

enum Kept {
    Postgres(postgres::Database),
    Mysql(mariadb::Database),
    Sqlite(tempfile::TempDir),
}

impl Base {
    pub async fn postgres() -> Self {
        let database = postgres::Database::new().await;
        Self { engine: "postgres", conf: database.url(), kept: Kept::Postgres(database) }
    }

    pub async fn mysql() -> Self {
        let database = mariadb::Database::new().await;
        Self { engine: "mysql", conf: database.url(), kept: Kept::Mysql(database) }
    }

    pub fn sqlite() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        Self { engine: "sqlite", conf: format!("/{}/base.db", folder.path().display()), kept: Kept::Sqlite(folder) }
    }

    /// One of each.
    pub async fn each() -> [Self; 3] {
        [Self::postgres().await, Self::mysql().await, Self::sqlite()]
    }

    /// Where its server is, a user who has the password `test`, and its name.
    pub async fn account(&self) -> (String, String, String) {
        match &self.kept {
            Kept::Postgres(database) => {
                let user = format!("user_of_{}", database.name);
                self.run(&format!("CREATE ROLE {user} SUPERUSER LOGIN PASSWORD 'test'")).await;
                (format!("127.0.0.1:{}", database.server.port), user, database.name.clone())
            }
            Kept::Mysql(database) => {
                let user = format!("user_of_{}", database.name);
                self.run(&format!("CREATE USER {user} IDENTIFIED BY 'test'")).await;
                self.run(&format!("GRANT ALL ON {}.* TO {user}", database.name)).await;
                (format!("127.0.0.1:{}", database.server.port), user, database.name.clone())
            }
            Kept::Sqlite(_) => (String::new(), String::new(), String::new()),
        }
    }

    /// Runs a statement.
    pub async fn run(&self, statement: &str) {
        match &self.kept {
            Kept::Postgres(database) => database.run(statement).await,
            Kept::Mysql(database) => drop(database.lines(statement).await),
            Kept::Sqlite(folder) => {
                let connection = rusqlite::Connection::open(folder.path().join("base.db")).expect("a database");
                connection.execute_batch(statement).expect(statement);
            }
        }
    }

    /// A step that runs statements.
    pub fn step(&self, statements: &str) -> String {
        format!("  - {}: {{request: {{conf: '{}', sql: {}}}}}\n", self.engine, self.conf, json(statements))
    }

    /// A test that makes a question, and checks what is answered: each line is a template that must be true.
    pub fn asks(&self, before: &str, question: &str, checks: &[&str]) -> String {
        let before = if before.is_empty() { String::new() } else { self.step(before) };
        let check = |check: &&str| format!("  - check: {}\n", json(&format!("{{{{ {check} }}}}")));
        let checks = checks.iter().map(check).collect::<Vec<_>>().concat();
        format!(
            "steps:\n{before}  - {}: {{request: {{conf: '{}', sql: {}}}, register: {{x: '{{{{ OUTPUT }}}}'}}}}\n{checks}",
            self.engine,
            self.conf,
            json(question)
        )
    }

    /// The rows of an answer, as anybody else sees them: a line each, values separated by `|`.
    pub async fn lines(&self, statement: &str) -> Vec<String> {
        match &self.kept {
            Kept::Postgres(database) => database.lines(statement).await,
            Kept::Mysql(database) => database.lines(statement).await,
            Kept::Sqlite(folder) => {
                let connection = rusqlite::Connection::open(folder.path().join("base.db")).expect("a database");
                let mut statement = connection.prepare(statement).expect(statement);
                let width = statement.column_count();
                let line = |row: &rusqlite::Row<'_>| {
                    let cell = |at| match row.get_ref(at).expect("a cell") {
                        rusqlite::types::ValueRef::Null => String::new(),
                        rusqlite::types::ValueRef::Integer(number) => number.to_string(),
                        rusqlite::types::ValueRef::Real(number) => number.to_string(),
                        rusqlite::types::ValueRef::Text(text) | rusqlite::types::ValueRef::Blob(text) => {
                            String::from_utf8_lossy(text).into_owned()
                        }
                    };
                    Ok((0..width).map(cell).collect::<Vec<_>>().join("|"))
                };
                statement.query_map([], line).expect("rows").collect::<Result<_, _>>().expect("rows")
            }
        }
    }
}

/// A text in double quotes, as YAML and JSON have it.
pub fn json(text: &str) -> String {
    serde_json::Value::String(text.to_owned()).to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_is_a_map_several_are_a_list_none_is_empty_and_a_write_is_a_count() {
    for base in Base::each().await {
        let table = "CREATE TABLE t (id int, name varchar(9)); INSERT INTO t VALUES (1, 'a'), (2, NULL)";
        passes(&base.asks(table, "SELECT id, name FROM t WHERE id = 1", &["x == {'id': 1, 'name': 'a'}"]));
        passes(&base.asks("", "SELECT id, name FROM t ORDER BY id", &["x|length == 2", "x[1].name is none"]));
        passes(&base.asks("", "SELECT id FROM t WHERE id = 9", &["x == []"]));
        passes(&base.asks("", "UPDATE t SET name = 'b'", &["x == 2"]));
        passes(&base.asks("", "INSERT INTO t VALUES (3, ''); INSERT INTO t VALUES (4, 'x')", &["x == 1"]));
        passes(&base.asks("", "DELETE FROM t WHERE id = 4; SELECT count(*) AS n FROM t;", &["x.n == 3"]));
        passes(&base.asks("", "SELECT 1 AS n; UPDATE t SET name = 'c' WHERE id < 3; -- the end\n", &["x == 2"]));
        assert_eq!(base.lines("SELECT id, name FROM t ORDER BY id").await, ["1|c", "2|c", "3|"]);
        fails(&base.asks("", "SELECT 1 AS a, 2 AS a", &[]), "two columns of the answer are called 'a'");
        passes(&base.asks(
            "",
            "SELECT 'a%d' AS x, '%s' AS y, 100 % 7 AS z FROM t WHERE name LIKE '%c%' AND id = 1",
            &["x.z == 2", "x.x == 'a%d'"],
        ));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn values_of_postgresql_are_exact_and_have_their_types() {
    let base = Base::postgres().await;
    let types = "CREATE TYPE mood AS ENUM ('sad', 'ok'); CREATE DOMAIN small AS numeric(4, 1)";
    let question =
        "SELECT 9007199254740993::bigint AS big, 123456789012345678901234567890.1234567890123456789::numeric AS exact,
        0.1::float8 AS near, 1e100::numeric AS huge, true AS yes, NULL::text AS nothing, '' AS empty, '007' AS text,
        '\\x00ff'::bytea AS bytes, '2026-11-28'::date AS day, '2026-11-28 10:00:00.5'::timestamp AS wall,
        '2026-11-28 10:00:00+05:30'::timestamptz AS at, '{\"a\": [1, 12345678901234567890]}'::jsonb AS json,
        ARRAY[1, NULL, 3] AS list, ARRAY[ARRAY['a,b'], ARRAY['\"']] AS deep, 'ok'::mood AS mood, 1.5::small AS small,
        '5 days'::interval AS span, 'NaN'::numeric AS nan, '0e3f6a8e-7c3a-4d9b-9a53-0a8f4ad2bb10'::uuid AS uuid";
    passes(&base.asks(
        types,
        question,
        &[
            "x.big == 9007199254740993 and x.big != 9007199254740992",
            "x.exact|string == '123456789012345678901234567890.1234567890123456789'",
            "x.near == 0.1",
            "(x.huge|string)|length == 101",
            "x.yes is true",
            "x.nothing is none and x.empty == ''",
            "x.text == '007'",
            "x.bytes|length == 2",
            "x.day|string == '2026-11-28'",
            "x.wall|string == '2026-11-28 10:00:00.500000'",
            "x.json.a[1] == 12345678901234567890",
            "x.list == [1, none, 3]",
            "x.deep == [['a,b'], ['\"']]",
            "x.mood == 'ok' and x.small == 1.5",
            "x.span == '5 days' and x.nan == 'NaN'",
            "x.uuid == '0e3f6a8e-7c3a-4d9b-9a53-0a8f4ad2bb10'",
        ],
    ));
    let at = format!(
        "{}  - check: {{equals: {{the: '{{{{ x.at }}}}', is: '2026-11-28 04:30:00Z'}}}}\n  - check: {{equals: {{the: '{{{{ x.at }}}}', is_not: '2026-11-28 10:00:00Z'}}}}\n",
        base.asks("", question, &[])
    );
    passes(&at);
    // Types are known also of the last of several statements, and of what they have made.
    passes(&base.asks(
        "",
        "CREATE TABLE n (v numeric); INSERT INTO n VALUES (1.10); SELECT v FROM n",
        &["x.v == 1.1 and x.v + 1 > 2"],
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn values_of_mariadb_and_sqlite_are_exact_and_have_their_types() {
    let base = Base::mysql().await;
    let table = "CREATE TABLE t (big bigint unsigned, exact decimal(40, 20), near double, yes boolean, nothing text, empty text,
        text varchar(9), bytes varbinary(9), day date, wall datetime(6), at timestamp NULL, bits bit(9), zeros int(5) zerofill);
        SET time_zone = '+05:30';
        INSERT INTO t VALUES (18446744073709551615, '12345678901234567890.12345678901234567890', 0.1, true, NULL, '', '007', x'00ff', '2026-11-28',
        '2026-11-28 10:00:00.5', '2026-11-28 10:00:00', b'101010101', 7)";
    let checks = [
        "x.big == 18446744073709551615",
        "x.exact|string == '12345678901234567890.12345678901234567890'",
        "x.near == 0.1 and x.yes == 1",
        "x.nothing is none and x.empty == '' and x.text == '007'",
        "x.bytes|length == 2",
        "x.day|string == '2026-11-28'",
        "x.wall|string == '2026-11-28 10:00:00.500000'",
        "x.bits == 341 and x.zeros == 7",
    ];
    passes(&base.asks(table, "SELECT * FROM t", &checks));
    let base = Base::sqlite();
    let table = "CREATE TABLE t (big integer, near real, yes boolean, gap text, empty text, text text, bytes blob, day date, wall datetime, json json);
        INSERT INTO t VALUES (9007199254740993, 0.1, true, NULL, '', '007', x'00ff', '2026-11-28', '2026-11-28 10:00:00', '{\"a\": 1}')";
    let checks = [
        "x.big == 9007199254740993 and x.near == 0.1 and x.yes is true",
        "x.gap is none and x.empty == '' and x.text == '007'",
        "x.bytes|length == 2",
        "x.day|string == '2026-11-28' and x.wall|string == '2026-11-28 10:00:00'",
        "x.json.a == 1",
    ];
    passes(&base.asks(table, "SELECT * FROM t", &checks));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_catcher_leaves_uncommitted_is_committed() {
    let base = Base::postgres().await;
    let table = "CREATE TABLE t (id int)";
    passes(&base.asks(table, "WITH one AS (SELECT 1 AS id) INSERT INTO t SELECT id FROM one", &["x == 1"]));
    passes(&base.asks("", "DO $$ BEGIN INSERT INTO t VALUES (2); INSERT INTO t VALUES (3); END $$", &[]));
    passes(&base.asks("", "BEGIN; INSERT INTO t VALUES (4)", &["x == 1"]));
    passes(&base.asks("", "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS $f$ INSERT INTO t VALUES (5); SELECT 6; $f$; SELECT f() AS six", &["x.six == 6"]));
    passes(&base.asks("", "VACUUM t", &[]));
    assert_eq!(base.lines("SELECT id FROM t ORDER BY id").await, ["1", "2", "3", "4", "5"]);
    // What one of several does is not there where another is refused.
    fails(&base.asks("", "INSERT INTO t VALUES (9); SELECT 1/0", &[]), "division by zero (22012)");
    assert_eq!(base.lines("SELECT count(*) FROM t").await, ["5"]);
    for base in [Base::mysql().await, Base::sqlite()] {
        passes(&base.asks("CREATE TABLE t (id int)", "BEGIN; INSERT INTO t VALUES (4)", &["x == 1"]));
        assert_eq!(base.lines("SELECT id FROM t").await, ["4"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn statements_come_from_a_file_that_is_a_template_and_keep_every_letter() {
    for base in Base::each().await {
        let place = Place::with(&[(
            "resources/make.sql",
            "CREATE TABLE t (name varchar(90));\n{% for name in names %}INSERT INTO t VALUES ('{{ name }}');\n{% endfor %}",
        )]);
        let text = format!(
            "variables: {{names: [\"a;b\", \"-- c\", 'ä\\n']}}\nsteps:\n  - {}: {{request: {{conf: '{}', sql: make.sql}}}}\n",
            base.engine, base.conf
        );
        place.write("main.yaml", &text);
        let ended = place.run("run main.yaml -s false");
        assert_eq!(ended.code, 0, "{ended:?}");
        let slash = if base.engine == "mysql" { "ä\n" } else { "ä\\n" };
        assert_eq!(base.lines("SELECT name FROM t").await, ["a;b", "-- c", slash], "{}", base.engine);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_statement_fails_with_the_server_s_own_words_and_its_place() {
    for (base, why) in Base::each().await.iter().zip([
        "relation \"nowhere\" does not exist (42P01), at line 2, column 7 of the statement",
        "nowhere' doesn't exist (1146)",
        "no such table: nowhere",
    ]) {
        fails(&base.asks("", "SELECT 1\n FROM nowhere", &[]), why);
    }
    let base = Base::sqlite();
    fails(
        &base.asks("", "SELECT 1;\nCHOOSE 2", &[]),
        "near \"CHOOSE\": syntax error, at line 2, column 1 of the statement",
    );
    let base = Base::mysql().await;
    fails(&base.asks("", "SELECT 1; SELECT 2; SELECT nothing", &[]), "Unknown column 'nothing'");
    fails(&base.asks("", "SELECT 1; SELECT nothing", &[]), ", in statement 2");
}

#[test]
fn what_is_not_there_could_not_be_judged() {
    let port = crate::support::free_port();
    for (engine, conf, why) in [
        ("postgres", format!("u:hunter2@127.0.0.1:{port}/d"), format!("nothing listens at 127.0.0.1:{port}")),
        ("mysql", format!("u:hunter2@127.0.0.1:{port}/d"), format!("nothing listens at 127.0.0.1:{port}")),
        ("postgres", "u:hunter2@nowhere.invalid/d".to_owned(), "nowhere.invalid".to_owned()),
        ("sqlite", "//nowhere/at/all.db".to_owned(), "failed to open".to_owned()),
    ] {
        let (code, said) = verdict(&format!("steps: [{{{engine}: {{request: {{conf: '{conf}', sql: select 1}}}}}}]"));
        assert!(code == 5 && said.contains(&why) && !said.contains("hunter2"), "{code} {said}");
    }
    fails(
        "steps: [{postgres: {request: {conf: 'mysql://u@h/d', sql: select 1}}}]",
        "`conf` names a database of mysql, and this is postgres",
    );
    fails("steps: [{postgres: {request: {conf: 'u@h/d'}}}]", "one of `sql` and `query` is expected");
}

#[tokio::test(flavor = "multi_thread")]
async fn passwords_may_have_any_sign_and_are_shown_nowhere() {
    let server = tokio::task::spawn_blocking(postgres::Postgres::shared).await.expect("a PostgreSQL");
    let base = postgres::Database::of(Arc::clone(&server)).await;
    let role = format!("odd_{}", base.name);
    base.run(&format!("CREATE ROLE {role} LOGIN PASSWORD 'p@ss:/w#rd'")).await;
    let (port, name) = (server.port, &base.name);
    for conf in [
        format!("{role}:p@ss:/w#rd@127.0.0.1:{port}/{name}"),
        format!("postgresql+psycopg2://{role}:p%40ss%3A%2Fw%23rd@127.0.0.1:{port}/{name}"),
        format!(
            "{{\"user\": \"{role}\", \"password\": \"p@ss:/w#rd\", \"host\": \"127.0.0.1\", \"port\": {port}, \"dbname\": \"{name}\"}}"
        ),
    ] {
        passes(&format!(
            "variables: {{db: {}}}\nsteps: [{{postgres: {{request: {{conf: '{{{{ db }}}}', sql: SELECT 1 AS x}}}}}}]",
            json(&conf)
        ));
        let place = Place::with(&[(
            "main.yaml",
            &format!(
                "variables: {{db: {}}}\nsteps:\n  - echo: '{{{{ db }}}}'\n  - postgres: {{request: {{conf: '{{{{ db }}}}', sql: CHOOSE}}}}\n",
                json(&conf)
            ),
        )]);
        let ended = place.run("run main.yaml -s false -l debug --format=json");
        assert_eq!(ended.code, 1, "{ended:?}");
        for secret in ["p@ss:/w#rd", "p%40ss%3A%2Fw%23rd"] {
            assert!(!ended.stdout.contains(secret) && !ended.stderr.contains(secret), "{ended:?}");
        }
    }
    let wrong =
        format!("steps: [{{postgres: {{request: {{conf: '{role}:other@127.0.0.1:{port}/{name}', sql: SELECT 1}}}}}}]");
    let (code, said) = verdict(&wrong);
    assert!(code == 5 && said.contains("the server refuses the password of user"), "{code} {said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn until_sees_what_another_commits_meanwhile() {
    for base in [Base::postgres().await, Base::mysql().await] {
        let table = base.step("CREATE TABLE t (id int)");
        let place = Place::with(&[("make.yaml", &format!("steps:\n{table}"))]);
        assert_eq!(place.run("run make.yaml -s false").code, 0);
        let engine = base.engine;
        let conf = &base.conf;
        place.write("resources/t.csv", "id\n7\n");
        place.write(
            "t/wait.yaml",
            &format!("steps:\n  - sh: touch waits\n  - expect: {{compare: {{{engine}: {{conf: '{conf}', data: {{t: t.csv}}}}}}, until: {{timeout: 60, pause: 0.05, factor: 1}}}}\n"),
        );
        let slow = base.step("INSERT INTO t VALUES (7)");
        place.write("t/write.yaml", &format!("steps:\n  - wait: {{seconds: 60, pause: 0.05, for: {{sh: test -e waits}}}}\n  - wait: {{milliseconds: 300}}\n{slow}"));
        let ended = place.run("run t --jobs=2 -s false");
        assert_eq!(ended.code, 0, "{ended:?}");
    }
}
