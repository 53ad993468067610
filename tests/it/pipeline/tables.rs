//! `prepare` and `expect` on real servers: tables are filled as files say, and compared as people mean it.

use serde_json::Value;

use super::Place;
use super::databases::Base;

/// What a run of one test of these steps comes to: the exit code, why, and the lines to it.
fn ran(place: &Place, steps: &str) -> (i32, String, Vec<String>) {
    place.write("main.yaml", steps);
    let (code, report) = place.report("run main.yaml -s false -l debug -p json");
    let why = report["results"][0]["detail"].as_str().map_or_else(|| report["problems"].to_string(), str::to_owned);
    let all: Value = serde_json::from_str(&place.read("reports/report.json").unwrap_or_default()).unwrap_or_default();
    let lines = all[0]["details"].as_array().into_iter().flatten().filter_map(|line| Some(line.as_str()?.to_owned()));
    (code, why, lines.collect())
}

impl Base {
    fn populate(&self, more: &str) -> String {
        format!("  - prepare: {{populate: {{{}: {{conf: '{}', {more}}}}}}}\n", self.engine, self.conf)
    }

    fn compare(&self, more: &str) -> String {
        format!("  - expect: {{compare: {{{}: {{conf: '{}', {more}}}}}}}\n", self.engine, self.conf)
    }
}

/// Asserts that a table `t` with these rows is, or is not, as a file says; strictly or not. Gives the lines.
fn compared(place: &Place, base: &Base, file: &str, more: &str) -> (i32, Vec<String>) {
    place.write("resources/t.csv", file);
    let (code, why, lines) = ran(place, &format!("steps:\n{}", base.compare(&format!("data: {{t: t.csv}}, {more}"))));
    assert!(code == 0 || why.contains("table t"), "{}: {code} {why}", base.engine);
    (code, lines)
}

/// A column of each kind, in the words of each database.
fn all_kinds(engine: &str) -> String {
    let [flag, exact, blob, wall, at, json] = match engine {
        "postgres" => ["boolean", "numeric(40, 20)", "bytea", "timestamp", "timestamptz", "jsonb"],
        "mysql" => ["boolean", "decimal(40, 20)", "blob", "datetime(6)", "timestamp(6) NULL", "json"],
        _ => ["boolean", "text", "blob", "datetime", "text", "json"],
    };
    format!(
        "CREATE TABLE kinds (id bigint, flag {flag}, exact {exact}, name varchar(40), bytes {blob}, day date, wall {wall}, at {at}, doc {json});"
    )
}

const KINDS: &str = "\u{feff}id,flag,exact,name,bytes,day,wall,at,doc\r
9007199254740993,false,12345678901234567890.12345678901234567890,\"a, \"\"b\"\"
c\",\\x00ff,2026-11-28,2026-11-28 10:00:00.5,2026-11-28T11:00:00+01:00,\"{\"\"a\"\": [1, null]}\"\r
-1,true,,\"\",,,,,\r
2,,0,007\\N\\t,,1973-12-10,,,\r
";

#[tokio::test(flavor = "multi_thread")]
async fn a_file_goes_in_with_the_types_of_its_columns_and_is_found_again() {
    for base in Base::each().await {
        let place = Place::with(&[("resources/kinds.sql", &all_kinds(base.engine)), ("resources/kinds.csv", KINDS)]);
        let both = "schema: kinds.sql, data: {kinds: kinds.csv}, use_json: true";
        let engine = base.engine;
        let steps = format!(
            "steps:\n  - prepare: {{populate: {{{engine}: {{conf: '{}', {both}}}}}, register: {{given: '{{{{ OUTPUT }}}}'}}}}\n  - check: '{{{{ given.{engine}.kinds == 3 }}}}'\n{}{}",
            base.conf,
            base.compare("strict: true, data: {kinds: kinds.csv}"),
            base.compare("data: {kinds: kinds.csv}"),
        );
        let (code, why, lines) = ran(&place, &steps);
        assert_eq!((code, why.as_str()), (0, ""), "{engine} {lines:?}");
        let flag = base.lines("SELECT flag, exact, name FROM kinds WHERE id = 9007199254740993").await;
        let is_false = if engine == "postgres" { "f" } else { "0" };
        assert_eq!(flag, [format!("{is_false}|12345678901234567890.12345678901234567890|a, \"b\"\nc")]);
        let nothing = base
            .lines("SELECT count(*) FROM kinds WHERE exact IS NULL AND name = '' AND bytes IS NULL AND day IS NULL")
            .await;
        assert_eq!(nothing, ["1"]);
        assert_eq!(base.lines("SELECT name FROM kinds WHERE id = 2").await, ["007\\N\\t"]);
        // The same instant in another zone, the same number in other digits, the same JSON in another order.
        let same = KINDS.replace("2026-11-28T11:00:00+01:00", "2026-11-28 02:00:00-08").replace("2,,0,", "2,,0.000,");
        let same = if engine == "sqlite" { KINDS.to_owned() } else { same };
        place.write("resources/kinds.csv", &same);
        let (code, why, lines) =
            ran(&place, &format!("steps:\n{}", base.compare("strict: true, data: {kinds: kinds.csv}")));
        assert_eq!((code, why.as_str()), (0, ""), "{engine} {lines:?}");
        for (at, (is, other, line)) in [
            ("9007199254740993", "9007199254740992", "id: 9007199254740993 is not 9007199254740992"),
            ("false", "true", "flag: "),
            ("34567890,\"a", "34567891,\"a", "exact: "),
            ("-1,true,,\"\"", "-1,true,,", "name: '' is not NULL"),
            ("-1,true,,\"\"", "-1,true,\"\",\"\"", "exact: NULL is not ''"),
            ("2,,0", "2,false,0", "flag: NULL is not "),
            ("10:00:00.5", "10:00:00.6", "wall: 2026-11-28 10:00:00.500000 is not 2026-11-28 10:00:00.600000"),
            ("11:00:00+01:00", "11:00:00+02:00", "at: "),
            ("[1, null]", "[1]", "doc: "),
            ("x00ff", "x00fe", "bytes: "),
        ]
        .into_iter()
        .enumerate()
        {
            assert!(KINDS.contains(is), "{is}");
            place.write("resources/kinds.csv", &KINDS.replace(is, other));
            let how = format!("strict: {}, data: {{kinds: kinds.csv}}", at % 2 == 0);
            let (code, why, lines) = ran(&place, &format!("steps:\n{}", base.compare(&how)));
            assert_eq!(code, 1, "{engine} {other}");
            assert!(why.contains("table kinds is not as kinds.csv says: 1 difference"), "{engine} {why} {lines:?}");
            assert!(lines.len() == 1 && lines[0].contains(line), "{engine} {line} {lines:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_a_multiset_unless_their_order_is_asked_for() {
    for base in Base::each().await {
        let place = Place::with(&[]);
        let make = base.step("CREATE TABLE t (id int, name varchar(9)); INSERT INTO t VALUES (1, 'a'), (1, 'a'), (2, NULL), (2, NULL), (3, '')");
        assert_eq!(ran(&place, &format!("steps:\n{make}")).0, 0);
        let loosely = |file: &str| compared(&place, &base, file, "strict: false");
        let strictly = |file: &str| compared(&place, &base, file, "strict: true");
        let told = |lines: &[&str]| (1, lines.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>());
        assert_eq!(loosely("id,name\n2,\n1,a\n2,\n1,a\n"), (0, vec![]));
        assert_eq!(loosely("id,name\n1,a\n1,a\n1,a\n"), told(&["missing (line 4): id=1, name='a'"]));
        assert_eq!(loosely("id,name\n3,\n"), told(&["different (line 2): name: '' is not NULL"]));
        assert_eq!(loosely("id,name\n2,\"\"\n"), told(&["different (line 2): name: NULL is not ''"]));
        assert_eq!(loosely("name\na\n"), (0, vec![]), "columns that the file does not name do not matter");
        let whole = "id,name\n1,a\n1,a\n2,\n2,\n3,\"\"\n";
        assert_eq!(strictly(whole), (0, vec![]));
        assert_eq!(strictly("id,name\n1,a\n1,a\n2,\n2,\n"), told(&["unexpected: id=3, name=''"]));
        assert_eq!(strictly(&format!("{whole}4,x\n")), told(&["missing (line 7): id=4, name='x'"]));
        let swapped = [
            "different (line 3): id: 1 is not 2, name: 'a' is not NULL",
            "different (line 4): id: 2 is not 1, name: NULL is not 'a'",
        ];
        assert_eq!(strictly("id,name\n1,a\n2,\n1,a\n2,\n3,\"\"\n"), told(&swapped));
        // Twenty are told, and how many more there are.
        let many = (100..150).map(|id| format!("{id},x\n")).collect::<Vec<_>>().concat();
        let (code, lines) = loosely(&format!("id,name\n{many}"));
        assert_eq!((code, lines.len(), lines[20].as_str()), (1, 21, "and 30 more"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn matchers_tolerances_and_columns_that_do_not_matter() {
    for base in Base::each().await {
        let (uuid, at) = match base.engine {
            "postgres" => ("uuid", "timestamptz"),
            "mysql" => ("char(36)", "timestamp(6) NULL"),
            _ => ("text", "text"),
        };
        let now = if base.engine == "sqlite" { "strftime('%Y-%m-%d %H:%M:%SZ')" } else { "now()" };
        let make = base.step(&format!(
            "CREATE TABLE t (id {uuid}, price float, name varchar(9), at {at}); INSERT INTO t VALUES ('0e3f6a8e-7c3a-4d9b-9a53-0a8f4ad2bb10', 3.141, '<any>', {now})"
        ));
        let place = Place::with(&[]);
        assert_eq!(ran(&place, &format!("steps:\n{make}")).0, 0);
        for strict in ["strict: true", "strict: false"] {
            let is = |cells: &str, more: &str| {
                compared(&place, &base, &format!("id,price,name,at\n{cells}\n"), &format!("{strict}{more}")).0 == 0
            };
            assert!(is("<uuid>,<~ 3.14 ± 0.01>,<literal <any>>,<now ± 1h>", ""), "{} {strict}", base.engine);
            assert!(!is("<uuid>,<~ 3.14 ± 0.0001>,<any>,<any>", ""));
            assert!(!is("<uuid>,<any>,<any>,2020-01-01 00:00:00", ""));
            assert!(!is("<regex 0e3f.*>,<any>,<regex .a..>,2020-01-01 00:00:00", ", ignore: [id, at]"));
            assert!(is("other,<any>,<regex .any.>,2020-01-01 00:00:00", ", ignore: [id, at]"));
            assert!(is("other,<any>,<any>,<any>", ", ignore: id"));
        }
        // What a template gives is no matcher: it may come from outside.
        place.write("resources/t.csv", "name\n{{ evil }}\n");
        let text = |evil: &str| format!("variables: {{evil: '{evil}'}}\nsteps:\n{}", base.compare("data: {t: t.csv}"));
        assert_eq!(ran(&place, &text("<regex .*>")).0, 1);
        assert_eq!(ran(&place, &text("<any>")).0, 0, "it is that very text");
        let (code, why, _) = ran(&place, &format!("steps:\n{}", base.compare("data: {t: t.csv}, ignore: [label]")));
        assert!(code != 0 && why.contains("there is no variable 'evil'"), "{why}");
        place.write("resources/t.csv", "name\nx\n");
        let (_, why, _) = ran(&place, &format!("steps:\n{}", base.compare("data: {t: t.csv}, ignore: [label]")));
        assert!(why.contains("`ignore` names a column 'label', which t.csv does not have"), "{why}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_go_in_is_told_with_its_row_and_nothing_of_it_goes_in() {
    for (base, why) in Base::each().await.iter().zip([
        "invalid input syntax for type integer: \"x\" (22P02), at COPY t, line 3, column id: \"x\"",
        "Incorrect integer value: 'x' for column",
        "cannot store TEXT value in INT column t.id, in row 3",
    ]) {
        let strict = if base.engine == "sqlite" { "STRICT" } else { "" };
        let make = base.step(&format!("CREATE TABLE t (id int, name text) {strict}"));
        let place = Place::with(&[("resources/t.csv", "id,name\n1,a\n2,b\nx,c\n")]);
        assert_eq!(ran(&place, &format!("steps:\n{make}")).0, 0);
        let populate = format!("steps:\n{}", base.populate("data: {t: t.csv}"));
        let (code, said, _) = ran(&place, &populate);
        assert!(code == 1 && said.contains("t.csv does not go into table t: ") && said.contains(why), "{said}");
        place.write("resources/t.csv", "id,name\n1,a\n2\n");
        let (code, said, _) = ran(&place, &populate);
        assert!(code == 1 && said.contains("t.csv: line 3: 1 cells, and there are 2 columns"), "{said}");
        assert_eq!(base.lines("SELECT count(*) FROM t").await, ["0"], "{}", base.engine);
        place.write("resources/t.csv", "id,names\n1,a\n");
        let (_, said, _) = ran(&place, &populate);
        assert!(said.contains("table t has no column 'names', which t.csv names; the nearest is 'name'"), "{said}");
        let (_, said, _) = ran(&place, &format!("steps:\n{}", base.compare("data: {none: t.csv}")));
        assert!(said.contains("there is no table none"), "{said}");
    }
}

#[test]
fn what_a_file_says_wrongly_is_told_before_anything_runs() {
    let place = Place::with(&[("resources/t.csv", "id\n1\n")]);
    let refused = |step: &str| {
        let (code, why, _) = ran(&place, &format!("steps:\n  - {step}\n"));
        assert_eq!(code, 2, "{why}");
        why
    };
    let why = refused("prepare: {populate: {postgres2: {conf: x, data: {t: t.csv}}}}");
    assert!(why.contains("'postgres2'") && why.contains("the nearest is 'postgres'"), "{why}");
    let why = refused("expect: {compare: {sqlite: {conf: x, data: {t: t.csv}, stricts: true}}}");
    assert!(why.contains("'stricts'") && why.contains("the nearest is 'strict'"), "{why}");
    let why = refused("expect: {compare: {sqlite: {data: {t: t.csv}}}}");
    assert!(why.contains("`sqlite` needs `conf`"), "{why}");
    let why = refused("expect: {compare: {sqlite: {conf: x, data: {t: none.csv}}}}");
    assert!(why.contains("there is no file none.csv in the resources"), "{why}");
    let why = refused("prepare: {populate: {sqlite: {conf: x, data: t.csv}}}");
    assert!(why.contains("`data` is a text: a map is expected"), "{why}");
    let why = refused("expect: {compare: {sqlite: {conf: x, strict: perhaps}}}");
    assert!(why.contains("true or false is expected"), "{why}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_schema_is_really_compared() {
    for (base, is) in Base::each().await.iter().zip(["character varying(36)", "varchar(36)", "varchar(36)"]) {
        let make = base.step("CREATE TABLE t (id integer primary key, name varchar(36))");
        let place = Place::with(&[]);
        assert_eq!(ran(&place, &format!("steps:\n{make}")).0, 0);
        let schema = |text: &str, more: &str| {
            place.write("resources/t.json", text);
            ran(&place, &format!("steps:\n{}", base.compare(&format!("schema: t.json{more}"))))
        };
        let right = r#"{"t": {"columns": {"id": "integer", "name": "varchar(36)"}, "keys": ["id"]}}"#;
        assert_eq!(schema(right, ""), (0, String::new(), vec![]), "{}", base.engine);
        let (code, why, lines) =
            schema(r#"{"t": {"columns": {"name": "varchar(37)", "age": "integer"}, "keys": []}}"#, "");
        assert!(code == 1 && why.contains("table t is not as t.json says: 3 differences"), "{why}");
        let longer = is.replace("36", "37");
        let expected = [
            format!("column name is {is}, not {longer}"),
            "there is no column age".to_owned(),
            "its primary key is (id), not ()".to_owned(),
        ];
        assert_eq!(lines, expected);
        let fewer = r#"{"t": {"columns": {"id": "integer"}}}"#;
        assert_eq!(schema(fewer, "").0, 0);
        let (code, _, lines) = schema(fewer, ", strict: true");
        assert_eq!((code, lines), (1, vec!["column name should not be there".to_owned()]));
        let (code, _, lines) = schema(r#"{"none": {}}"#, "");
        assert!(code == 1 && lines[0].contains("there is no table none"), "{lines:?}");
        assert!(schema("[]", "").1.contains("t.json is no schema"));
        let (code, why, _) = ran(&place, &format!("steps:\n{}", base.compare("strict: true")));
        assert!(code == 1 && why.contains("has neither `data` nor `schema`: nothing is compared"), "{why}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_templates_and_several_databases_are_filled_at_once() {
    let [one, two, three] = Base::each().await;
    let place = Place::with(&[
        ("resources/t.sql", "CREATE TABLE {{ name }} (id int, name varchar(9))"),
        ("resources/t.csv", "id,name\n{% for user in users %}{{ loop.index }},{{ user }}\n{% endfor %}9,{{ last }}\n"),
    ]);
    let both = "schema: t.sql, data: {order: t.csv}";
    let of = |base: &Base, what: &str| format!("{}: {{conf: '{}', {what}}}", base.engine, base.conf);
    let all = |what: &str| [&one, &two, &three].map(|base| of(base, what)).join(", ");
    let quoted = "schema: t.sql";
    let text = format!(
        "variables: {{users: [a, b], last: x, name: other}}\nsteps:\n  - prepare: {{populate: {{{}, variables: {{name: orders}}}}}}\n  - prepare: {{populate: {{{}, variables: {{last: '5'}}}}}}\n  - expect: {{compare: {{{}}}}}\n",
        all(quoted),
        all("data: {orders: t.csv}"),
        all("data: {orders: t.csv}, strict: true"),
    );
    let (code, why, lines) = ran(&place, &text);
    assert_eq!(code, 1, "{both} {why}");
    assert!(why.contains("and 2 tables more"), "{why}");
    assert_eq!(
        lines.iter().filter(|line| line.contains("different (line 4): name: '5' is not 'x'")).count(),
        3,
        "{lines:?}"
    );
    assert_eq!(one.lines("SELECT id, name FROM orders ORDER BY id").await, ["1|a", "2|b", "9|5"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_rows_go_in_and_are_compared_in_little_memory() {
    let rows = (0..60_000).map(|id| format!("{id},user number {id} of them,{id}.50,true\n"));
    let rows = rows.collect::<Vec<_>>().concat();
    for base in Base::each().await {
        let place = Place::with(&[("resources/t.csv", &format!("id,name,price,flag\n{rows}"))]);
        let steps = format!(
            "steps:\n{}{}{}",
            base.step("CREATE TABLE t (id bigint, name varchar(60), price decimal(12, 2), flag boolean)"),
            base.populate("data: {t: t.csv}"),
            base.compare("data: {t: t.csv}, strict: true"),
        );
        let (code, why, lines) = ran(&place, &steps);
        assert_eq!((code, why.as_str()), (0, ""), "{} {lines:?}", base.engine);
        assert_eq!(base.lines("SELECT count(*) FROM t").await, ["60000"]);
    }
}
