//! `check`: every rule over every usage text, role, playbook and inventory. A rule is a small function
//! with a name; all of them stand in [`RULES`].

mod clone;
mod inventories;
mod manuals;
mod playbooks;
mod roles;
mod stock;
mod texts;
mod yaml;

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::Toolkit;
use crate::action::arguments::nearest;
use crate::action::manual::Manual;
use crate::action::report::{Cell, Finding, Outcome, Table, Tone};
use stock::{Stock, Text};

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Violation {
    /// The file, below the toolkit's folder.
    pub file: PathBuf,
    /// The line, from 1.
    pub line: usize,
    /// The name of the rule that found it.
    pub rule: &'static str,
    /// What is wrong.
    pub finding: String,
    /// How to fix it.
    pub fix: String,
}

impl Violation {
    /// A violation in this place; the rule's name is filled in by who calls the rule.
    fn at(file: &Path, line: usize, finding: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { file: file.to_owned(), line, rule: "", finding: finding.into(), fix: fix.into() }
    }
}

/// A rule.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    /// Its name.
    pub name: &'static str,
    look: Look,
}

/// What a rule looks at.
#[derive(Debug, Clone, Copy)]
enum Look {
    /// The grammar of a usage text. Where it is broken, no other rule reads that text: the rest would follow from it.
    Grammar(fn(&Text) -> Vec<Violation>),
    /// The lines of a usage text.
    Text(fn(&Text) -> Vec<Violation>),
    /// A usage text as its manual says it.
    Manual(fn(&Text, &Manual) -> Vec<Violation>),
    /// The same, where nothing else is wrong with it.
    Examples(fn(&Text, &Manual) -> Vec<Violation>),
    /// All that there is.
    Stock(fn(&Stock) -> Vec<Violation>),
}

/// Every rule, in the order in which a text is read.
pub const RULES: &[Rule] = &[
    Rule { name: "usage-in-prose", look: Look::Grammar(texts::usage_in_prose) },
    Rule { name: "usage-wrapped", look: Look::Grammar(texts::usage_wrapped) },
    Rule { name: "placeholder", look: Look::Grammar(texts::placeholder) },
    Rule { name: "one-space", look: Look::Grammar(texts::one_space) },
    Rule { name: "dash-in-prose", look: Look::Grammar(texts::dash_in_prose) },
    Rule { name: "tag-order", look: Look::Grammar(texts::tag_order) },
    Rule { name: "text-refused", look: Look::Grammar(texts::refused) },
    Rule { name: "tag-unknown", look: Look::Text(texts::tag_unknown) },
    Rule { name: "option-underscore", look: Look::Text(texts::option_underscore) },
    Rule { name: "line-too-long", look: Look::Text(texts::line_too_long) },
    Rule { name: "blanks", look: Look::Text(texts::blanks) },
    Rule { name: "non-printing", look: Look::Text(texts::non_printing) },
    Rule { name: "doubtful", look: Look::Manual(manuals::doubtful) },
    Rule { name: "title", look: Look::Manual(manuals::title) },
    Rule { name: "section-missing", look: Look::Manual(manuals::section_missing) },
    Rule { name: "approval-unknown", look: Look::Manual(manuals::approval_unknown) },
    Rule { name: "heading-unknown", look: Look::Manual(manuals::heading_unknown) },
    Rule { name: "option-undescribed", look: Look::Manual(manuals::option_undescribed) },
    Rule { name: "option-not-taken", look: Look::Manual(manuals::option_not_taken) },
    Rule { name: "option-not-listed", look: Look::Manual(manuals::option_not_listed) },
    Rule { name: "option-elsewhere", look: Look::Manual(manuals::option_elsewhere) },
    Rule { name: "option-twice", look: Look::Manual(manuals::option_twice) },
    Rule { name: "variables-collide", look: Look::Manual(manuals::variables_collide) },
    Rule { name: "name-unsafe", look: Look::Manual(manuals::name_unsafe) },
    Rule { name: "default-no-choice", look: Look::Manual(manuals::default_no_choice) },
    Rule { name: "default-unused", look: Look::Manual(manuals::default_unused) },
    Rule { name: "secret-choices", look: Look::Manual(manuals::secret_choices) },
    Rule { name: "secret-env", look: Look::Manual(manuals::secret_env) },
    Rule { name: "secret-open", look: Look::Manual(manuals::secret_open) },
    Rule { name: "env-case", look: Look::Manual(manuals::env_case) },
    Rule { name: "found-nowhere", look: Look::Manual(manuals::found_nowhere) },
    Rule { name: "format-missing", look: Look::Manual(manuals::format_missing) },
    Rule { name: "command-taken", look: Look::Manual(manuals::command_taken) },
    Rule { name: "exit-order", look: Look::Manual(manuals::exit_order) },
    Rule { name: "exit-unknown", look: Look::Manual(manuals::exit_unknown) },
    Rule { name: "example-refused", look: Look::Examples(manuals::example_refused) },
    Rule { name: "link-lost", look: Look::Stock(clone::link_lost) },
    Rule { name: "line-ends", look: Look::Stock(clone::line_ends) },
    Rule { name: "file-unreadable", look: Look::Stock(stock::unreadable) },
    Rule { name: "role-without-text", look: Look::Stock(roles::without_text) },
    Rule { name: "adopted-otherwise", look: Look::Stock(roles::otherwise) },
    Rule { name: "role-missing", look: Look::Stock(roles::missing) },
    Rule { name: "derived-stale", look: Look::Stock(roles::stale) },
    Rule { name: "derived-part", look: Look::Stock(roles::parts) },
    Rule { name: "template-wrong", look: Look::Stock(roles::templates) },
    Rule { name: "link-nowhere", look: Look::Stock(roles::links) },
    Rule { name: "file-not-copied", look: Look::Stock(roles::not_copied) },
    Rule { name: "playbook-role-unknown", look: Look::Stock(playbooks::role_unknown) },
    Rule { name: "playbook-without-role", look: Look::Stock(playbooks::without_role) },
    Rule { name: "yaml-broken", look: Look::Stock(stock::broken) },
    Rule { name: "yaml-key-twice", look: Look::Stock(stock::key_twice) },
    Rule { name: "inventory-empty", look: Look::Stock(inventories::empty) },
    Rule { name: "inventory-link", look: Look::Stock(inventories::link) },
    Rule { name: "variable-unknown", look: Look::Stock(inventories::unknown) },
    Rule { name: "variable-kind", look: Look::Stock(inventories::kind) },
    Rule { name: "variable-choice", look: Look::Stock(inventories::choice) },
    Rule { name: "variable-nowhere", look: Look::Stock(inventories::nowhere) },
    Rule { name: "secret-plain", look: Look::Stock(inventories::plain_secret) },
];

/// What is wrong in the toolkit's folder, by file and line.
///
/// # Errors
/// Where `root` is not the toolkit.
pub fn violations(root: &Path) -> anyhow::Result<Vec<Violation>> {
    Ok(look_at(&Stock::take(root)?))
}

/// The command `check`.
///
/// # Errors
/// Where `root` is not the toolkit.
pub fn checked(root: &Path) -> anyhow::Result<Finding> {
    let stock = Stock::take(root)?;
    let violations = look_at(&stock);
    let count = violations.len();
    let mut finding = if violations.is_empty() {
        Finding::new(Outcome::Done, format!("{stock}: nothing is wrong"))
    } else {
        let findings = if count == 1 { "finding" } else { "findings" };
        let message = format!("{count} {findings} in {stock}. Fix what is listed, then run `firebreak check` again");
        Finding::new(Outcome::Failed, message)
    };
    if count > 0 {
        let row = |violation: &Violation| {
            vec![
                Cell::from(format!("{}:{}", violation.file.display(), violation.line)),
                Cell::new(Tone::Bad, violation.finding.as_str()),
                Cell::from(violation.fix.as_str()),
                Cell::new(Tone::Quiet, violation.rule),
            ]
        };
        finding.tables.push(Table {
            head: ["place", "finding", "fix", "rule"].map(str::to_owned).to_vec(),
            rows: violations.iter().map(row).collect(),
            ..Table::default()
        });
    }
    Ok(finding.with("findings", &violations))
}

fn look_at(stock: &Stock) -> Vec<Violation> {
    let mut violations = Vec::new();
    let named = |rule: &Rule, found: Vec<Violation>| {
        found.into_iter().map(|violation| Violation { rule: rule.name, ..violation }).collect()
    };
    for text in &stock.texts {
        let found = look_at_text(text, &named);
        violations.extend(found);
    }
    for rule in RULES {
        let found: Vec<Violation> = match rule.look {
            Look::Stock(look) => look(stock),
            Look::Grammar(_) | Look::Text(_) | Look::Manual(_) | Look::Examples(_) => continue,
        };
        violations.extend(named(rule, found));
    }
    violations.sort();
    violations.dedup();
    violations
}

fn look_at_text(text: &Text, named: &impl Fn(&Rule, Vec<Violation>) -> Vec<Violation>) -> Vec<Violation> {
    let mut violations = Vec::new();
    let mut sound = true;
    for rule in RULES {
        let found = match (rule.look, &text.manual) {
            (Look::Grammar(look), _) if sound => look(text),
            (Look::Text(look), _) => look(text),
            (Look::Manual(look), Some(manual)) if sound => look(text, manual),
            (Look::Examples(look), Some(manual)) if violations.is_empty() => look(text, manual),
            _ => continue,
        };
        sound = sound && (found.is_empty() || !matches!(rule.look, Look::Grammar(_)));
        violations.extend(named(rule, found));
    }
    violations
}

/// What to do about a word that is not known: take the nearest, or else what is said.
fn meant<'a>(word: &str, known: impl IntoIterator<Item = &'a str>, otherwise: &str) -> String {
    nearest(word, known.into_iter()).map_or_else(|| otherwise.to_owned(), |near| format!("write `{near}`"))
}
