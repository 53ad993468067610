//! From templates to texts. The folder `templates` is laid out as the repository is: `ROLE` in a path stands for every
//! role, `ACT` behind it for every entry point of that role which acts, `PROGRAM` for every program; a template without
//! them is rendered once, one whose name or folder begins with `_` only where another includes it or a command asks for it.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Serde, Value, ValueKind};
use minijinja::{Environment, UndefinedBehavior, context};
use serde::Serialize;

use super::cli::Cli;
use super::facts::{Command, Role};
use super::{Toolkit, entries, quote};

/// A file that is derived, and what it should hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Derived {
    /// The file, below the toolkit's folder.
    pub path: PathBuf,
    /// Its text. Where it has marked parts, a person may write around them.
    pub text: String,
}

/// Renders every template for all that it stands for. What comes out empty is no file.
///
/// # Errors
/// Where a template is wrong: with its file and line.
pub fn render(toolkit: &Toolkit) -> anyhow::Result<Vec<Derived>> {
    let folder = toolkit.root.join("templates");
    let mut environment = environment();
    for path in files_below(&folder)? {
        let name = path.strip_prefix(&folder).unwrap_or(&path).display().to_string();
        let text = std::fs::read_to_string(&path).with_context(|| format!("failed to read templates/{name}"))?;
        environment.add_template_owned(name.clone(), text).map_err(|error| wrong(&name, &error))?;
    }
    let roles: Vec<Role> = toolkit.roles().map(Role::of).collect();
    let programs: Vec<Cli> = toolkit.programs.iter().map(Cli::of).collect();
    let environments = toolkit.environments()?;
    let shared = context! { environments => seen(&environments), roles => seen(&roles), programs => seen(&programs) };

    let mut derived = Vec::new();
    for (name, template) in environment.templates().filter(|(name, _)| !is_part(name)) {
        for (path, own) in stands_for(name, &roles, &programs) {
            let text = template.render(context! { ..own, ..shared.clone() }).map_err(|error| wrong(name, &error))?;
            if !text.trim().is_empty() {
                derived.push(Derived { path: PathBuf::from(path), text });
            }
        }
    }
    derived.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(derived)
}

/// What a template sees of this.
fn seen<T: Clone + Serialize + Send + Sync + 'static>(thing: &T) -> Value {
    Value::from(Serde(thing.clone()))
}

/// The paths that a template stands for, each with what it alone sees.
fn stands_for(name: &str, roles: &[Role], programs: &[Cli]) -> Vec<(String, Value)> {
    if name.contains("ROLE") {
        let files = roles.iter().flat_map(|role| {
            let path = name.replace("ROLE", &role.name);
            if !name.contains("ACT") {
                return vec![(path, context! { role => seen(role) })];
            }
            let file = |act: &Command| {
                (path.replace("ACT", &act.entry), context! { role => seen(role), command => seen(act) })
            };
            role.acts.iter().map(file).collect()
        });
        return files.collect();
    }
    if name.contains("PROGRAM") {
        let file = |program: &Cli| (name.replace("PROGRAM", &program.name), context! { program => seen(program) });
        return programs.iter().map(file).collect();
    }
    vec![(name.to_owned(), Value::UNDEFINED)]
}

fn is_part(name: &str) -> bool {
    name.split('/').any(|part| part.starts_with('_'))
}

/// One template with values of its own: for what is written once, and belongs to people from then on.
///
/// # Errors
/// Where the template is missing or wrong.
pub fn render_once(root: &Path, name: &str, values: &Value) -> anyhow::Result<String> {
    let path = root.join("templates").join(name);
    let text = std::fs::read_to_string(path).with_context(|| format!("failed to read templates/{name}"))?;
    environment().render_named_str(name, &text, values).map_err(|error| wrong(name, &error))
}

fn wrong(name: &str, error: &minijinja::Error) -> anyhow::Error {
    let place = error.name().unwrap_or(name);
    let line = error.line().map_or(String::new(), |line| format!(":{line}"));
    anyhow::anyhow!("templates/{place}{line}: {error:#}")
}

fn files_below(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in entries(folder)? {
        if path.is_dir() {
            files.extend(files_below(&path)?);
        } else {
            files.push(path);
        }
    }
    Ok(files)
}

/// The delimiters are `<< >>`, `<% %>` and `<# #>`, since what is rendered is full of Ansible's and Groovy's own.
fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    let syntax = SyntaxConfig::builder()
        .variable_delimiters("<<", ">>")
        .block_delimiters("<%", "%>")
        .comment_delimiters("<#", "#>")
        .trim_blocks(true)
        .lstrip_blocks(true)
        .keep_trailing_newline(true)
        .build()
        .expect("the delimiters differ");
    environment.set_syntax(syntax);
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
    quote::add_to(&mut environment);
    environment.add_filter("yaml", yaml);
    environment.add_filter("ansible", ansible);
    environment.add_filter("literal", literal);
    environment.add_filter("wrap", wrap);
    environment.add_filter("groovy", groovy);
    environment.add_filter("cell", cell);
    environment.add_filter("rust", rust);
    environment
}

/// A text, number or list as a YAML scalar or flow list: JSON is YAML, and plain words are left plain.
fn yaml(value: &Value) -> String {
    let plain = value.as_str().filter(|text| {
        let word = |c: char| c.is_alphanumeric() || " ,;()'/_-".contains(c);
        let first = |c: char| c.is_alphabetic();
        let other = ["true", "false", "yes", "no", "on", "off", "null", "y", "n"];
        text.starts_with(first)
            && text.chars().all(word)
            && !other.contains(&text.to_lowercase().as_str())
            && *text == text.trim()
    });
    plain.map_or_else(|| serde_json::to_string(value).unwrap_or_default(), str::to_owned)
}

/// A value of an Ansible variable, which is not evaluated: as YAML.
fn ansible(value: &Value) -> String {
    let text = match value.kind() {
        ValueKind::Seq => {
            let items = value.try_iter().into_iter().flatten();
            format!(
                "[{}]",
                items.map(|item| serde_json::to_string(&item).unwrap_or_default()).collect::<Vec<_>>().join(", ")
            )
        }
        _ => yaml(value),
    };
    if literal(&text) == text { text } else { format!("!unsafe {text}") }
}

/// A text in which Ansible finds nothing to evaluate, for places that are documentation.
fn literal(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        shown.push(letter);
        if letter == '{' && letters.peek().is_some_and(|next| "{%#".contains(*next)) {
            shown.push(' ');
        }
    }
    shown
}

/// A text in lines of at most `width` columns, all but the first behind `indent` spaces.
pub(super) fn wrap(text: &str, width: usize, indent: Option<usize>) -> String {
    let options = textwrap::Options::new(width)
        .word_separator(textwrap::WordSeparator::AsciiSpace)
        .word_splitter(textwrap::WordSplitter::NoHyphenation)
        .break_words(false);
    let paragraphs = text.split("\n\n").map(|paragraph| textwrap::wrap(paragraph, &options).join("\n"));
    let lines = paragraphs.collect::<Vec<_>>().join("\n\n");
    let indent = " ".repeat(indent.unwrap_or(0));
    lines.replace("\n\n", "\u{0}").replace('\n', &format!("\n{indent}")).replace('\u{0}', &format!("\n\n{indent}"))
}

/// A text in a cell of a Markdown table, which ends at the next bar or line.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace("\n\n", "<br>").replace('\n', "<br>")
}

/// A text as a Groovy literal in which nothing is evaluated.
fn groovy(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'").replace('\n', "\\n"))
}

/// A text as it stands between the quotes of a Rust literal.
fn rust(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scalar_stays_what_it_is() {
        for (value, text) in [
            (Value::from("Plain words, and (more)"), "Plain words, and (more)"),
            (Value::from("a: b"), "\"a: b\""),
            (Value::from("yes"), "\"yes\""),
            (Value::from(""), "\"\""),
            (Value::from("{{ x }}"), "\"{{ x }}\""),
            (Value::from(10), "10"),
            (Value::from(false), "false"),
        ] {
            assert_eq!(yaml(&value), text);
        }
    }

    #[test]
    fn ansible_finds_no_template_whatever_the_number_of_braces() {
        for (text, shown) in [
            ("{{ x }} {% if %} {# no #} {x}", "{ { x }} { % if %} { # no #} {x}"),
            ("{{{ x }}}", "{ { { x }}}"),
            ("{{{{ x }}}}", "{ { { { x }}}}"),
            ("{{% x %}}", "{ { % x %}}"),
            ("{", "{"),
        ] {
            assert_eq!(literal(text), shown);
        }
    }

    #[test]
    fn groovy_evaluates_nothing() {
        assert_eq!(groovy("it's ${x}\n\\"), "'it\\'s ${x}\\n\\\\'");
    }

    #[test]
    fn wraps_between_words_and_keeps_paragraphs() {
        assert_eq!(wrap("one two three\n\nfour", 8, Some(2)), "one two\n  three\n\n  four");
    }
}
