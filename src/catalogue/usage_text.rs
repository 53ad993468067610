//! The usage text of an adopted program: its own, in our grammar. From then on it is a person's to improve.

use super::Adopted;
use super::new::Brief;
use super::render::wrap;
use crate::action::arguments::UsageError;
use crate::action::manual::{Manual, Opt};

/// What an option is for, until a person says it.
const UNDESCRIBED: &str = "Not described yet.";

/// A tag that an option gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tag {
    /// The option.
    pub option: String,
    /// The tag, with its brackets.
    pub text: String,
}

/// The usage text: title, problem and solution, then the program's own text with tags, then what is known of it.
///
/// # Errors
/// Where a tag cannot be added.
pub fn usage_text(
    brief: &Brief,
    help: &str,
    manual: &Manual,
    adopted: &Adopted,
    tags: &[Tag],
) -> Result<String, UsageError> {
    let mut lines: Vec<String> = help.lines().map(str::to_owned).collect();
    let tags_of = |name: &str| -> Vec<&str> {
        tags.iter().filter(|tag| tag.option == name).map(|tag| tag.text.as_str()).collect()
    };
    let (described, missing): (Vec<&Opt>, Vec<&Opt>) = manual.options.iter().partition(|option| option.described);
    for option in &described {
        for tag in tags_of(&option.name) {
            add(&mut lines, option.line - 1, tag);
        }
    }
    let begin = lines.iter().position(|line| line.trim().to_lowercase().starts_with("usage:")).unwrap_or(0);
    let mut parts = vec![format!("{}.\n", brief.title)];
    for (heading, words) in [("Problem", &brief.problem), ("Solution", &brief.solution)] {
        parts.push(format!("\n{heading}:\n  {}\n", wrap(words, 110, Some(2))));
    }
    for part in [own_words(&lines[..begin], brief), lines[begin..].join("\n")] {
        if !part.trim().is_empty() {
            parts.push(format!("\n{}\n", part.trim_end().trim_start_matches('\n')));
        }
    }
    if !missing.is_empty() {
        parts.push(if described.is_empty() { "\nOptions:\n" } else { "\nMore options:\n" }.to_owned());
    }
    for option in missing {
        let spelling = format!("  {}  ", option.typed());
        let words = match option.name.as_str() {
            "-h" | "--help" => "Show this text.",
            "--version" => "Show the version.",
            _ => UNDESCRIBED,
        };
        let words = std::iter::once(words).chain(tags_of(&option.name)).collect::<Vec<_>>();
        parts.push(format!("{spelling:<24}{}\n", words.join(" ")));
    }
    parts.push(section(adopted));
    let text = parts.concat();
    check(&text, tags)?;
    Ok(text)
}

/// What stands above the usage lines and is not said already: neither the title nor a problem or solution.
fn own_words(lines: &[String], brief: &Brief) -> String {
    let mut kept = Vec::new();
    let mut skipping = false;
    let title = lines.iter().position(|line| !line.trim().is_empty());
    for (index, line) in lines.iter().enumerate() {
        let words = line.trim();
        if Some(index) == title && words.trim_end_matches('.') == brief.title {
            continue;
        }
        if !line.starts_with(' ') && !words.is_empty() {
            skipping = ["problem:", "solution:"].contains(&words.to_lowercase().as_str());
        }
        if !skipping {
            kept.push(line.as_str());
        }
    }
    kept.join("\n")
}

/// Adds a tag to the description that begins in this line: at its end, but before a default, which docopt wants last.
fn add(lines: &mut [String], first: usize, tag: &str) {
    let goes_on =
        |line: &&String| line.starts_with([' ', '\t']) && !line.trim().is_empty() && !line.trim().starts_with('-');
    let last = first + lines[first + 1..].iter().take_while(goes_on).count();
    for line in &mut lines[first..=last] {
        if let Some(at) = line.find("[default:") {
            line.insert_str(at, &format!("{tag} "));
            return;
        }
    }
    let line = &mut lines[last];
    let gap = if last == first && !line.trim().contains("  ") { "  " } else { " " };
    *line = format!("{}{gap}{tag}", line.trim_end());
}

fn section(adopted: &Adopted) -> String {
    let Adopted { program, requirements, beside, language, get, run, check } = adopted;
    let beside = Some(beside.join(" ")).filter(|names| !names.is_empty());
    // A line without a command is named by the program.
    let named =
        |words: &Option<String>| words.clone().map(|words| if words.is_empty() { program.clone() } else { words });
    let (get, run) = (&named(get), &named(run));
    let lines = [
        ("requirements", requirements),
        ("beside", &beside),
        ("language", language),
        ("get", get),
        ("run", run),
        ("check", check),
    ];
    let lines = lines.into_iter().filter_map(|(name, value)| Some(format!("  {name}: {}\n", value.as_ref()?)));
    format!("\nAdopted:\n  program: {program}\n{}", lines.collect::<String>())
}

/// Every tag must be read as one.
fn check(text: &str, tags: &[Tag]) -> Result<(), UsageError> {
    let manual = Manual::read(text).map_err(|error| UsageError(format!("the usage text would be wrong: {error}")))?;
    for Tag { option, text } in tags {
        if !manual.option(option).is_some_and(|option| option.tags().contains(text)) {
            let why = "its description in the program's help has words behind its default, or tags of its own";
            return Err(UsageError(format!("{text} cannot be added to {option}: {why}")));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn brief() -> Brief {
        Brief { title: "Mend".to_owned(), problem: "It is broken.".to_owned(), solution: "Mend it.".to_owned() }
    }

    fn tag(option: &str, text: &str) -> Tag {
        Tag { option: option.to_owned(), text: text.to_owned() }
    }

    #[test]
    fn a_text_of_usage_lines_alone_gets_a_section_of_options() {
        let help = "Usage:\n  mend.py get --repo=<r> [--dump=<dr>]\n  mend.py run --pwd=<p> [--all]\n";
        let manual = Manual::read(help).expect("a manual");
        let adopted = Adopted {
            program: "mend.py".to_owned(),
            requirements: Some("requirements.txt".to_owned()),
            beside: vec!["words.py".to_owned(), "lib".to_owned()],
            check: Some("--dry-run".to_owned()),
            language: Some("python".to_owned()),
            get: Some("get all".to_owned()),
            run: Some(String::new()),
        };
        let tags = [tag("--pwd", "[secret]"), tag("--dump", "[keeps: rollback.json]")];
        assert_eq!(
            usage_text(&brief(), help, &manual, &adopted, &tags).expect("a text"),
            "Mend.

Problem:
  It is broken.

Solution:
  Mend it.

Usage:
  mend.py get --repo=<r> [--dump=<dr>]
  mend.py run --pwd=<p> [--all]

Options:
  --repo=<r>            Not described yet.
  --dump=<dr>           Not described yet. [keeps: rollback.json]
  --pwd=<p>             Not described yet. [secret]
  --all                 Not described yet.

Adopted:
  program: mend.py
  requirements: requirements.txt
  beside: words.py lib
  language: python
  get: get all
  run: mend.py
  check: --dry-run
"
        );
    }

    #[test]
    fn a_described_option_keeps_its_words_and_gets_its_tags_before_the_default() {
        let help = "Mend.

It is careful.

Problem:
  Another one.

Usage: mend [options] [--more]

Options:
  --pwd=<p>   The word, in
              two lines.
  --key=<k>   A key. [default: none]
  --bare=<b>
";
        let manual = Manual::read(help).expect("a manual");
        let tags = [tag("--pwd", "[secret]"), tag("--key", "[secret]"), tag("--bare", "[secret]")];
        let text =
            usage_text(&brief(), help, &manual, &Adopted { program: "mend".to_owned(), ..Adopted::default() }, &tags);
        assert_eq!(
            text.expect("a text"),
            "Mend.

Problem:
  It is broken.

Solution:
  Mend it.

It is careful.

Usage: mend [options] [--more]

Options:
  --pwd=<p>   The word, in
              two lines. [secret]
  --key=<k>   A key. [secret] [default: none]
  --bare=<b>  [secret]

More options:
  --more                Not described yet.

Adopted:
  program: mend
"
        );
    }

    #[test]
    fn a_tag_that_would_not_be_read_is_refused() {
        let help = "Usage: mend [options]\n\nOptions:\n  --key=<k>  A key [default: x] that opens.\n";
        let manual = Manual::read(help).expect("a manual");
        let tags = [tag("--key", "[secret]")];
        let refusal = usage_text(&brief(), help, &manual, &Adopted::default(), &tags).expect_err("a refusal");
        assert_eq!(
            refusal.to_string(),
            "[secret] cannot be added to --key: its description in the program's help has words behind its default, or \
             tags of its own"
        );
    }
}
