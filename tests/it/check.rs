//! `firebreak check`: each case of `tests/check` is laid over a small toolkit in which nothing is wrong (`base`). A
//! case of `bad` has one violation, and a file `expected` that says which: `file:line rule: a piece | a piece of the fix`.
//! A case of `good` looks wrong and is not. What `gone` lists is taken away; `x.link` becomes a link `x`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use firebreak::catalogue::check::{RULES, Violation, violations};
use proptest::prelude::*;
use serde_json::{Value, json};
use tempfile::TempDir;

fn place(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/check").join(name)
}

fn folders(name: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(place(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    let mut folders: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    folders.sort();
    folders
}

fn lay(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).expect("a folder") {
        let path = entry.expect("an entry").path();
        let target = to.join(path.file_name().expect("a name"));
        if path.is_dir() {
            fs::create_dir_all(&target).expect("a folder");
            lay(&path, &target);
        } else if path.extension().is_some_and(|extension| extension == "link") {
            let leads = fs::read_to_string(&path).expect("where the link leads");
            std::os::unix::fs::symlink(leads.trim(), target.with_extension("")).expect("a link");
        } else {
            fs::copy(&path, &target).expect("a copy");
        }
    }
}

/// The toolkit in which nothing is wrong, with a case laid over it.
fn toolkit(case: Option<&Path>) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    lay(&place("base"), folder.path());
    let Some(case) = case else { return folder };
    lay(case, folder.path());
    for gone in fs::read_to_string(case.join("gone")).unwrap_or_default().lines() {
        let path = folder.path().join(gone);
        if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }.expect("something to remove");
    }
    folder
}

fn found(folder: &TempDir) -> Vec<Violation> {
    violations(folder.path()).expect("the toolkit's folder")
}

/// Whether a violation is the one of a line of `expected`.
fn is_expected(violation: &Violation, line: &str) -> bool {
    let (place, rest) = line.split_once(' ').expect("a place and a rule");
    let (rule, rest) = rest.split_once(": ").expect("a rule and a piece of its finding");
    let (piece, fix) = rest.split_once(" | ").unwrap_or((rest, ""));
    format!("{}:{}", violation.file.display(), violation.line) == place
        && violation.rule == rule
        && violation.finding.contains(piece.trim())
        && violation.fix.contains(fix)
        && !violation.fix.is_empty()
        && !violation.finding.contains('\n')
}

#[test]
fn each_bad_case_is_refused_with_its_finding_and_no_other() {
    let (mut wrong, mut seen) = (Vec::new(), Vec::new());
    for kind in folders("bad") {
        for case in folders(&format!("bad/{}", kind.file_name().expect("a name").display())) {
            let expected = fs::read_to_string(case.join("expected")).expect("what is expected");
            let expected: Vec<&str> = expected.lines().collect();
            let found = found(&toolkit(Some(&case)));
            let fits = found.iter().zip(&expected).all(|(violation, line)| is_expected(violation, line));
            if !fits || found.len() != expected.len() || expected.is_empty() {
                wrong.push(format!("{}:\n  expected {expected:#?}\n  found {found:#?}", case.display()));
            }
            seen.extend(found.into_iter().map(|violation| violation.rule));
        }
    }
    assert!(wrong.is_empty(), "{} cases:\n{}", wrong.len(), wrong.join("\n"));
    let unseen: Vec<_> = RULES.iter().map(|rule| rule.name).filter(|name| !seen.contains(name)).collect();
    assert!(unseen.is_empty(), "rules without a bad case: {unseen:?}");
}

#[test]
fn nothing_is_found_where_nothing_is_wrong() {
    assert_eq!(found(&toolkit(None)), []);
    for case in folders("good") {
        assert_eq!(found(&toolkit(Some(&case))), [], "{}", case.display());
    }
}

#[test]
fn rules_have_names_of_their_own() {
    let mut names: Vec<_> = RULES.iter().map(|rule| rule.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), RULES.len());
}

fn run(folder: &Path, words: &[&str]) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_firebreak"))
        .args(words)
        .current_dir(folder)
        .env_clear()
        .output()
        .expect("the program runs");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    (output.status.code().unwrap_or(-1), text(output.stdout), text(output.stderr))
}

#[test]
fn people_get_a_table_and_programs_get_json() {
    let folder = toolkit(Some(&place("bad/inventories/choice")));
    let table = "place                                        finding                    fix           rule\n\
                 inventories/dev/group_vars/all/10_env.yml:2  mend_env cannot be 'pord'  write `prod`  variable-choice\n\n";
    let message = "1 finding in 1 usage text, 1 role, 1 inventory and 4 YAML files. Fix what is listed, \
                   then run `firebreak check` again";
    assert_eq!(run(folder.path(), &["check"]), (1, table.to_owned(), format!("firebreak error: {message}\n")));
    let (code, stdout, _) = run(folder.path(), &["check", "--format=json"]);
    let report: Value = serde_json::from_str(&stdout).expect("JSON");
    let finding = json!({
        "file": "inventories/dev/group_vars/all/10_env.yml",
        "line": 2,
        "rule": "variable-choice",
        "finding": "mend_env cannot be 'pord'",
        "fix": "write `prod`",
    });
    assert_eq!((code, &report["findings"], &report["message"]), (1, &json!([finding]), &json!(message)));

    let fine = "1 usage text, 1 role, 1 inventory and 4 YAML files: nothing is wrong\n";
    assert_eq!(run(toolkit(None).path(), &["check"]), (0, fine.to_owned(), String::new()));
}

#[test]
fn a_text_that_cannot_be_read_stops_the_others_only_where_all_are_needed() {
    let folder = toolkit(Some(&place("bad/texts/no_rust")));
    fs::write(folder.path().join("inventories/dev/group_vars/all/10_env.yml"), "---\nmend_env: pord\n")
        .expect("a file");
    let rules: Vec<_> = found(&folder).into_iter().map(|violation| violation.rule).collect();
    assert_eq!(rules, ["variable-choice", "text-refused"]);
    let (code, _, stderr) = run(folder.path(), &["sync", "--check"]);
    assert_eq!(code, 1);
    assert!(stderr.starts_with("firebreak error: src/bin/other.rs:1: it is no Rust"), "{stderr}");
}

/// A text with pieces cut out, doubled, or put in from elsewhere.
fn mutated(text: &'static str) -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        "\\PC{0,6}",
        Just("[default: ".to_owned()),
        Just("usage:".to_owned()),
        Just("${".to_owned()),
        Just("\n  --".to_owned()),
        Just("\"".to_owned()),
        Just("é".to_owned()),
        Just("{[(".to_owned()),
        Just("\u{0}\r\t".to_owned()),
    ];
    let change = (any::<prop::sample::Index>(), 0..40_usize, piece);
    prop::collection::vec(change, 1..6).prop_map(move |changes| {
        let mut characters: Vec<char> = text.chars().collect();
        for (at, length, piece) in changes {
            let at = at.index(characters.len() + 1);
            let end = (at + length).min(characters.len());
            characters.splice(at..end, piece.chars());
        }
        characters.into_iter().collect()
    })
}

const USAGE: &str = include_str!("../check/good/adopted/roles/old_script/usage.txt");
const VARIABLES: &str = include_str!("../check/good/inventory/inventories/dev/group_vars/all/10_env.yml");
const README: &str = include_str!("../check/good/readme/roles/mend/README.md");

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_a_file_holds_the_check_goes_on(
        usage in mutated(USAGE),
        rust in mutated(USAGE),
        variables in mutated(VARIABLES),
        hosts in mutated("[firebreak]\nhost\n"),
        readme in mutated(README),
    ) {
        let folder = toolkit(None);
        let files = [
            ("roles/mend/usage.txt", usage),
            ("src/bin/other.rs", format!("const USAGE: &str = {rust:?};")),
            ("inventories/dev/group_vars/all/10_env.yml", variables.clone()),
            ("playbooks/mend.yml", variables),
            ("inventories/dev/hosts.ini", hosts),
            ("roles/mend/README.md", readme),
        ];
        for (path, text) in files {
            fs::write(folder.path().join(path), text).expect("a file");
        }
        for violation in found(&folder) {
            prop_assert!(violation.line > 0 && !violation.finding.is_empty() && !violation.fix.is_empty(), "{violation:?}");
        }
    }
}
