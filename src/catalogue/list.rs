//! `list` and `show`: what there is, for who chooses a role.

use std::path::Path;

use super::facts::{Role, exits, paragraph};
use super::find::{RankedRole, find};
use super::{Program, Toolkit};
use crate::action::arguments::{UsageError, nearest};
use crate::action::manual::Opt;
use crate::action::report::{Cell, Finding, Outcome, Table, Tone};

const WIDTH: usize = 78;

/// What is said of a role that fits little of what was asked.
const WEAK: &str = "  weak    little of that says what is wrong: look before you act, or say more";

/// Every program, and whether it is a role.
#[must_use]
pub fn list(toolkit: &Toolkit) -> Finding {
    let row = |program: &Program| {
        let kind = if program.is_role() { "role" } else { "program" };
        vec![
            Cell::from(program.name.as_str()),
            Cell::from(kind),
            Cell::from(program.manual.title.trim_end_matches('.')),
        ]
    };
    let head = ["name", "kind", "what it does"].map(str::to_owned).to_vec();
    let rows = toolkit.programs.iter().map(row).collect();
    let entry = |program: &Program| {
        serde_json::json!({
            "name": program.name, "title": program.manual.title.trim_end_matches('.'), "role": program.is_role(),
            "usage": usages(program),
        })
    };
    let programs: Vec<_> = toolkit.programs.iter().map(entry).collect();
    let message = "`firebreak show <name>` tells more, `firebreak find <words>` which role fixes a symptom";
    let mut finding = Finding::new(Outcome::Done, message).with("programs", programs);
    finding.tables = vec![Table { head, rows, ..Table::default() }];
    finding
}

/// The program of this name.
///
/// # Errors
/// A [`UsageError`] where there is none: with the nearest.
pub fn named<'a>(toolkit: &'a Toolkit, name: &str) -> Result<&'a Program, UsageError> {
    let names: Vec<_> = toolkit.programs.iter().map(|program| program.name.as_str()).collect();
    toolkit.program(name).ok_or_else(|| {
        let near = nearest(name, names.iter().copied()).map(|near| format!(": did you mean `{near}`?"));
        let hint = near.unwrap_or_else(|| format!(" (there are {})", names.join(", ")));
        UsageError(format!("there is no program or role '{name}'{hint}"))
    })
}

/// All that its usage text says of a program.
#[must_use]
pub fn show(program: &Program) -> Finding {
    let manual = &program.manual;
    let mut tables = vec![Table::lines([format!("{}: {}", program.name, manual.title.trim_end_matches('.'))])];
    let prose = |heading: &str| match paragraph(manual.section(heading).unwrap_or_default()) {
        text if text.is_empty() => Vec::new(),
        text => text.split("\n\n").flat_map(|text| textwrap::wrap(text, WIDTH)).map(|line| line.to_string()).collect(),
    };
    let lines = |text: &str| text.lines().map(|line| line.trim().to_owned()).collect::<Vec<_>>();
    tables.extend(section("Problem", &prose("Problem")));
    tables.extend(section("Solution", &prose("Solution")));
    tables.extend(section("Symptoms", &lines(manual.section("Symptoms").unwrap_or_default())));
    tables.extend(section("Usage", &usages(program)));
    if program.is_role() {
        tables.extend(section("Ansible", &plays(program)));
        tables.extend(section("Jenkins", &[button(program)]));
    }
    let rows = manual.options.iter().flat_map(described).collect();
    tables.push(Table {
        title: "Options".to_owned(),
        head: ["  option", "for", "what it does"].map(str::to_owned).to_vec(),
        rows,
        ..Table::default()
    });
    tables.extend(section("Verify", &prose("Verify")));
    tables.extend(section("Undo", &prose("Undo")));
    let codes = exits(manual.section("Exit status").unwrap_or_default());
    let codes: Vec<_> = codes.iter().map(|exit| format!("{:<4} {}", exit.code, exit.meaning)).collect();
    tables.extend(section("Exit codes", &codes));
    let mut finding = Finding::new(Outcome::Done, "").with("name", &program.name).with("usage", usages(program));
    if program.is_role() {
        finding =
            finding.with("role", Role::of(program)).with("playbooks", plays(program)).with("button", button(program));
    }
    finding.tables = tables;
    finding
}

/// Lines below a heading, if there are any.
fn section(title: &str, lines: &[String]) -> Option<Table> {
    let indented = lines.iter().map(|line| format!("  {line}"));
    (!lines.is_empty()).then(|| Table { title: title.to_owned(), ..Table::lines(indented) })
}

/// The roles that fix what the caller says.
#[must_use]
pub fn found(toolkit: &Toolkit, words: &[String]) -> Finding {
    let asked = words.join(" ");
    let roles: Vec<Role> = toolkit.roles().map(Role::of).collect();
    let roles = find(&asked, &roles);
    if roles.is_empty() {
        let shown: String = asked.chars().take(60).collect();
        let more = if shown.len() < asked.len() { "…" } else { "" };
        let message = format!(
            "no role fits '{shown}{more}': say what users see in other words, or read `firebreak list` for all there is"
        );
        return Finding::new(Outcome::Failed, message).with("roles", Vec::<RankedRole>::new());
    }
    let mut tables = Vec::new();
    let mut details = Vec::new();
    for (role, program) in roles.iter().filter_map(|role| Some((role, toolkit.program(&role.role)?))) {
        let why = role.why.iter().map(|it| match &it.found {
            found if *found == it.said => format!("{} ({})", it.said, it.place),
            found => format!("{} → {found} ({})", it.said, it.place),
        });
        let title = format!("{}: {}", program.name, program.manual.title.trim_end_matches('.'));
        let mut lines = vec![Cell::new(Tone::Quiet, format!("  why     {}", why.collect::<Vec<_>>().join(", ")))];
        if role.weak {
            lines.push(Cell::new(Tone::Bad, WEAK));
        }
        let look = looks(program);
        lines.extend(look.iter().map(|line| Cell::from(format!("  look    {line}"))));
        lines.push(format!("  button  {}", button(program)).into());
        tables.push(Table { title, ..Table::lines(lines) });
        details.push(serde_json::json!({
            "name": program.name, "title": program.manual.title.trim_end_matches('.'), "why": role.why, "weak": role.weak,
            "look": look, "button": button(program),
        }));
    }
    let best = &roles[0].role;
    let message = format!("`firebreak show {best}` tells more of the first");
    let mut finding = Finding::new(Outcome::Done, message).with("roles", details);
    finding.tables = tables;
    finding
}

fn usages(program: &Program) -> Vec<String> {
    program.manual.usages.iter().map(|usage| usage.text.clone()).collect()
}

/// How a role looks without acting: its own command, and the play; nothing where it has no look.
fn looks(program: &Program) -> Vec<String> {
    let get = program.adopted.as_ref().map_or(Some("get"), |adopted| adopted.get.as_deref());
    let own = get.into_iter().flat_map(|get| program.manual.usages_of(get)).filter(|usage| !usage.is_about_itself());
    own.map(|usage| usage.text.clone()).chain(plays(program).into_iter().take(usize::from(has_look(program)))).collect()
}

/// The plays that look and act.
fn plays(program: &Program) -> Vec<String> {
    let look = format!("ansible-playbook -i inventories/<environment> playbooks/{}.yml", program.name);
    let acts = Role::of(program).acts.into_iter().map(|act| format!("{look} --tags {}", act.entry));
    Some(look.clone()).filter(|_| has_look(program)).into_iter().chain(acts).collect()
}

/// Whether its playbook without tags calls the program: an adopted one says its help at least.
fn has_look(program: &Program) -> bool {
    program.adopted.is_some() || program.manual.commands().contains(&"get")
}

fn button(program: &Program) -> String {
    format!("firebreak/{}", program.name)
}

/// An option as rows: its description wrapped, with what the tags say.
fn described(option: &Opt) -> Vec<Vec<Cell>> {
    let value = option.placeholder.as_ref().map_or(String::new(), |placeholder| format!("={placeholder}"));
    let short = option.short.as_ref().map_or(String::new(), |short| format!("{short}, "));
    let mut text = option.description.clone();
    for (label, value) in [
        ("one of", (!option.choices.is_empty()).then(|| option.choices.join(", "))),
        ("environment", option.environment.clone()),
        ("default", option.default.clone()),
    ] {
        text += &value.map_or(String::new(), |value| format!(" [{label}: {value}]"));
    }
    let mut name = format!("  {short}{}{value}", option.name);
    let mut commands = option.commands.join(", ");
    let wrapped = textwrap::wrap(text.trim(), WIDTH);
    let wrapped = if wrapped.is_empty() { vec!["".into()] } else { wrapped };
    let row = |line: std::borrow::Cow<'_, str>| {
        vec![std::mem::take(&mut name).into(), std::mem::take(&mut commands).into(), line.into_owned().into()]
    };
    wrapped.into_iter().map(row).collect()
}

/// The lines of all derived files below this folder, in the order of their names; of one file where it is one.
///
/// # Errors
/// Where a template is wrong, or nothing is derived there.
pub fn printed(toolkit: &Toolkit, place: &Path) -> anyhow::Result<Finding> {
    let derived = super::render::render(toolkit)?;
    let texts: Vec<_> =
        derived.iter().filter(|file| file.path.starts_with(place)).map(|file| file.text.as_str()).collect();
    anyhow::ensure!(
        !texts.is_empty(),
        "templates/{} is missing: nothing is derived there; look with `git status templates`",
        place.display()
    );
    let text = texts.join("\n");
    let mut finding = Finding::new(Outcome::Done, "");
    finding.tables = vec![Table::lines(text.lines())];
    Ok(finding)
}
