//! The options that every action has are described in the same words in every usage text: those of one file.

use std::path::Path;

use anyhow::Context as _;

use super::new::described;
use super::sync::Stale;
use super::{Program, Toolkit};
use crate::action::manual::{Manual, Opt};

/// The file with the words, a usage text itself; a toolkit without it leaves the words to each text.
const WORDS: &str = "templates/_standard.txt";

/// The Rust files whose usage texts word a standard option otherwise. The texts of adopted programs are their own.
///
/// # Errors
/// When the words or a file cannot be read.
pub fn stale(toolkit: &Toolkit) -> anyhow::Result<Vec<Stale>> {
    let words = toolkit.root.join(WORDS);
    if !words.is_file() {
        return Ok(Vec::new());
    }
    let read = |path: &Path| {
        std::fs::read_to_string(toolkit.root.join(path)).with_context(|| format!("failed to read {}", path.display()))
    };
    let standard = Manual::read(&read(WORDS.as_ref())?).with_context(|| format!("{WORDS} is no usage text"))?.options;
    let mut stale = Vec::new();
    for program in toolkit.programs.iter().filter(|program| program.adopted.is_none()) {
        let path = program.source.path.clone();
        let old = read(&path)?;
        let new = renewed(&old, program, &standard);
        if new != old {
            stale.push(Stale { path, old: Some(old), new: Some(new) });
        }
    }
    Ok(stale)
}

/// The code of a program with the standard options described in the words of the standard.
fn renewed(code: &str, program: &Program, standard: &[Opt]) -> String {
    let mut lines: Vec<String> = code.split('\n').map(str::to_owned).collect();
    let mut options: Vec<&Opt> =
        program.manual.options.iter().filter(|option| option.described && is_of_run(option)).collect();
    // From the last line to the first, so that a text that grows moves no line that is still to be read.
    options.sort_by_key(|option| std::cmp::Reverse(option.line));
    for option in options {
        let meant = |one: &&Opt| one.name == option.name && one.placeholder == option.placeholder;
        let Some(standard) = standard.iter().find(meant) else { continue };
        if (&option.description, option.tags()) == (&standard.description, standard.tags()) {
            continue;
        }
        let first = program.source.line_of(option.line) - 1;
        let begin = description_column(&lines[first]);
        let is_more = |line: &String| line.len() > begin && line[..begin].trim().is_empty();
        let more = lines[first + 1..].iter().take_while(|line| is_more(line)).count();
        lines.splice(first..=first + more, described(standard, begin).split('\n').map(str::to_owned));
    }
    lines.join("\n")
}

/// Whether an option is one of the command that acts: of another command it may mean something else.
fn is_of_run(option: &Opt) -> bool {
    option.commands.is_empty() || option.commands.iter().any(|command| command == "run")
}

/// Where the description begins in the line of an option: behind the first two spaces after its spelling.
fn description_column(line: &str) -> usize {
    let indent = line.len() - line.trim_start().len();
    let spelling = line[indent..].find("  ").map_or(line.len(), |at| indent + at);
    spelling + (line[spelling..].len() - line[spelling..].trim_start().len())
}

#[cfg(test)]
mod tests {
    use super::*;

    const STANDARD: &str = "X.\n\nUsage:\n  x run [options]\n\nOptions:\n  --check  Plan and stop: change nothing.\n  \
                            --timeout=<s>  Seconds that one step, such as the deployment of a whole set of services or \
                            the replacement of a leader, may take at most. [default: 600]\n";

    fn code(options: &str) -> String {
        format!(
            "//! Mend.\n\nconst USAGE: &str = \"\nMend.\n\nUsage:\n  mend get [options]\n  mend run [options]\n\n{options}\";\n"
        )
    }

    fn renewed(options: &str) -> String {
        renewed_code(&code(options))
    }

    fn renewed_code(code: &str) -> String {
        let path = Path::new("src/bin/mend.rs");
        let program = Program::from_text(path, code.to_owned()).expect("a text").expect("a program");
        super::renewed(code, &program, &Manual::read(STANDARD).expect("a text").options)
    }

    #[test]
    fn a_standard_option_gets_the_standard_words_in_its_own_columns() {
        let own = "Options of run:\n  --check          Change\n                   nothing.\n  --timeout=<s>    How long. [default: 9]\n  \
                   --host=<h>       The host.\n\nMore.\n";
        let kept = "Options of run:\n  --check          Plan and stop: change nothing.\n  --timeout=<s>    Seconds that one step, such \
                    as the deployment of a whole set of services or the replacement of a\n                   leader, may take at most. \
                    [default: 600]\n  --host=<h>       The host.\n\nMore.\n";
        assert_eq!(renewed(own), code(kept));
        assert_eq!(renewed(kept), code(kept), "and stays");
    }

    #[test]
    fn an_option_of_another_command_or_with_another_value_is_left_alone() {
        let bare = code("").replace("mend run [options]", "mend run [--check]");
        assert_eq!(renewed_code(&bare), bare, "one that only a usage line names has no description");
        let own = "Options of get:\n  --check          Look twice.\n\nOptions of run:\n  --timeout=<min>  Minutes.\n";
        assert_eq!(renewed(own), code(own));
    }

    #[test]
    fn what_new_writes_has_the_standard_words() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let words = std::fs::read_to_string(root.join(WORDS)).expect("the words");
        let template = std::fs::read_to_string(root.join("templates/_new/action.rs")).expect("the template");
        let (_, options) = words.split_once("Options:\n").expect("options");
        for line in options.lines() {
            assert!(template.contains(&format!("\n{line}\n")), "{line}");
        }
    }
}
