//! Rules over what a usage text says: options, sections, exit codes and examples.

use super::stock::Text;
use super::texts::{Block, blocks};
use super::{Violation, meant};
use crate::action::arguments;
use crate::action::manual::{Manual, Opt, Usage};
use crate::action::report::Outcome;
use crate::catalogue::approval::Approval;
use crate::catalogue::facts::Command;
use crate::catalogue::name::{self, is_secret};

/// The longest title that fits a table.
const TITLE: usize = 80;

/// The options that are described: the manual may know more from the usage lines.
fn described<'a>(text: &Text, manual: &'a Manual) -> Vec<&'a Opt> {
    let blocks = blocks(text);
    manual.options.iter().filter(|option| blocks.iter().any(|block| block.line == option.line)).collect()
}

fn is_named(usage: &Usage, option: &Opt) -> bool {
    let is = |name: &String| *name == option.name || option.short.as_ref() == Some(name);
    usage.needs.iter().chain(&usage.takes).any(is)
}

/// Whether the heading above an option lets this usage line have it.
fn is_for(usage: &Usage, option: &Opt) -> bool {
    option.commands.is_empty() || option.commands.iter().any(|command| usage.commands.contains(command))
}

fn first_line(text: &Text) -> usize {
    text.lines().find(|(_, line)| !line.trim().is_empty()).map_or(1, |(number, _)| number)
}

/// The lines below a heading, up to the next line at the margin.
fn section<'a>(text: &'a Text, manual: &Manual, heading: &str) -> Vec<(usize, &'a str)> {
    let found = manual.sections.iter().find(|section| section.heading.eq_ignore_ascii_case(heading));
    let Some(found) = found else { return Vec::new() };
    let below = text.lines().skip(found.line).take_while(|(_, line)| line.trim().is_empty() || line.starts_with(' '));
    below.filter(|(_, line)| !line.trim().is_empty()).collect()
}

/// No title, or one that fits no table.
pub fn title(text: &Text, manual: &Manual) -> Vec<Violation> {
    let title = manual.title.as_str();
    let fix = "begin the text with one line of at most 80 characters that says what the program does";
    let starts_usage = title.get(..6).is_some_and(|start| start.eq_ignore_ascii_case("usage:"));
    if title.is_empty() || title.ends_with(':') || starts_usage {
        vec![text.violation(first_line(text), "the title is missing", fix)]
    } else if title.chars().count() > TITLE {
        vec![text.violation(first_line(text), format!("the title has {} characters", title.chars().count()), fix)]
    } else {
        Vec::new()
    }
}

/// What a button is to ask for, in words that nobody understands.
pub fn approval_unknown(text: &Text, manual: &Manual) -> Vec<Violation> {
    let lines = section(text, manual, "Approval");
    let (Some(said), Some((line, _))) = (manual.section("Approval"), lines.first()) else { return Vec::new() };
    let fix = "write for example: typed name; second person in production";
    Approval::read(said).err().map(|why| text.violation(*line, why, fix)).into_iter().collect()
}

/// A section that every reader needs. What others wrote has its exit codes and examples in other places.
pub fn section_missing(text: &Text, manual: &Manual) -> Vec<Violation> {
    let needed = [("Problem", true), ("Solution", true), ("Exit status", text.own), ("Examples", text.own)];
    let missing = needed
        .iter()
        .filter(|(name, needed)| *needed && manual.section(name).is_none_or(|section| section.trim().is_empty()));
    let violation = |(name, _): &(&str, bool)| {
        text.violation(
            first_line(text),
            format!("the section {name} is missing"),
            format!("write `{name}:` and what belongs there"),
        )
    };
    missing.map(violation).collect()
}

/// `Options of <command>:` with a command that there is not.
pub fn heading_unknown(text: &Text, manual: &Manual) -> Vec<Violation> {
    let commands = manual.commands();
    let mut violations = Vec::new();
    for section in &manual.sections {
        let Some(names) = section.heading.strip_prefix("Options of ") else { continue };
        let words = names.split([' ', ',', '`']).filter(|word| !word.is_empty() && *word != "and");
        for word in words.filter(|word| !commands.contains(word)) {
            let fix = meant(word, commands.iter().copied(), "name a command of the usage lines");
            violations.push(text.violation(section.line, format!("there is no command '{word}'"), fix));
        }
    }
    violations
}

/// An option of which nothing is said.
pub fn option_undescribed(text: &Text, manual: &Manual) -> Vec<Violation> {
    let silent = described(text, manual).into_iter().filter(|option| option.description.trim().is_empty());
    let violation =
        |option: &Opt| text.violation(option.line, format!("{} has no description", option.name), "say what it is for");
    silent.map(violation).collect()
}

/// An option that no usage line takes.
pub fn option_not_taken(text: &Text, manual: &Manual) -> Vec<Violation> {
    let taken = |option: &Opt| {
        manual.usages.iter().any(|usage| is_named(usage, option) || (usage.any && is_for(usage, option)))
    };
    let loose = described(text, manual).into_iter().filter(|option| !taken(option));
    let violation = |option: &Opt| {
        let fix = "name it in a usage line, or write `[options]` there";
        text.violation(option.line, format!("{} is described, but no usage line takes it", option.name), fix)
    };
    loose.map(violation).collect()
}

/// An option that stands in a usage line and is not described.
pub fn option_not_listed(text: &Text, manual: &Manual) -> Vec<Violation> {
    let blocks = blocks(text);
    let known: Vec<&str> = blocks.iter().flat_map(Block::names).collect();
    let mut violations: Vec<Violation> = Vec::new();
    for usage in &manual.usages {
        for name in usage.needs.iter().chain(&usage.takes) {
            // Everybody knows these two, and the parser itself serves them.
            let common = ["-h", "--help", "--version", "--", "-"].contains(&name.as_str());
            if common || known.contains(&name.as_str()) {
                continue;
            }
            let fix = meant(name, known.iter().copied(), "describe it below the usage lines");
            violations.push(text.violation(usage.line, format!("{name} is not described"), fix));
        }
    }
    violations
}

/// An option that the usage line of one command names, and the heading gives to another.
pub fn option_elsewhere(text: &Text, manual: &Manual) -> Vec<Violation> {
    let described = described(text, manual);
    let mut violations = Vec::new();
    for usage in manual.usages.iter().filter(|usage| !usage.commands.is_empty()) {
        for option in described.iter().filter(|option| is_named(usage, option)) {
            let mut same = described.iter().filter(|other| other.name == option.name);
            if same.any(|other| is_for(usage, other)) {
                continue;
            }
            let command = usage.commands.join(" ");
            let finding = format!("`{command}` names {}, which stands under '{}'", option.name, option.group);
            violations.push(text.violation(
                usage.line,
                finding,
                format!("describe it under `Options of {command}:` too"),
            ));
        }
    }
    violations.dedup();
    violations
}

/// An option that is described twice and means the same both times.
pub fn option_twice(text: &Text, manual: &Manual) -> Vec<Violation> {
    let described = described(text, manual);
    let mut violations = Vec::new();
    for (at, option) in described.iter().enumerate() {
        let same = |other: &&&Opt| other.name == option.name && other.placeholder == option.placeholder;
        if let Some(first) = described[..at].iter().find(same) {
            let line = text.source.line_of(first.line);
            let finding = format!("{} is described in line {line} already, with the same placeholder", option.name);
            let fix = "describe it once, under a heading that names both commands; or give it a placeholder of its own";
            violations.push(text.violation(option.line, finding, fix));
        }
    }
    violations
}

/// Two options, or an option and an argument, that would be one variable of the role.
pub fn variables_collide(text: &Text, _: &Manual) -> Vec<Violation> {
    let Some(role) = &text.role else { return Vec::new() };
    let mut violations = Vec::new();
    for (at, variable) in role.variables.iter().enumerate() {
        let other =
            role.variables[..at].iter().find(|other| other.name == variable.name && other.option != variable.option);
        if let Some(other) = other {
            let called = |option: &Option<String>| option.clone().unwrap_or_else(|| "an argument".to_owned());
            let option = called(&variable.option);
            let line =
                blocks(text).iter().find(|block| block.names().contains(&option.as_str())).map(|block| block.line);
            let finding = format!("{option} and {} are both the variable {}", called(&other.option), variable.name);
            let line = line.unwrap_or_else(|| first_line(text));
            violations.push(text.violation(line, finding, "give one of them another name"));
        }
    }
    violations
}

/// A name that stands in shell code as it is, and could mean something there.
pub fn name_unsafe(text: &Text, manual: &Manual) -> Vec<Violation> {
    let mut found = name::unsafe_in(manual);
    if let Some(role) = text.role.as_ref().filter(|role| !role.native) {
        let line = manual.sections.iter().find(|section| section.heading.eq_ignore_ascii_case("Adopted"));
        let line = line.map_or_else(|| first_line(text), |section| section.line);
        let beside = role.beside.iter().map(|file| ("file", file));
        for (kind, file) in std::iter::once(("program", &role.program)).chain(beside) {
            let why = name::check_file(file).err();
            found.extend(why.map(|why| (line, format!("the {kind} '{file}': {why}"))));
        }
    }
    found.into_iter().map(|(line, finding)| text.violation(line, finding, "give it another name")).collect()
}

/// A default that is not among the choices.
pub fn default_no_choice(text: &Text, manual: &Manual) -> Vec<Violation> {
    let mut violations = Vec::new();
    for option in described(text, manual) {
        let Some(default) = option.default.as_ref().filter(|_| !option.choices.is_empty()) else { continue };
        if !option.choices.contains(default) {
            let finding = format!("the default '{default}' of {} is none of its choices", option.name);
            let otherwise = format!("take one of {}", option.choices.join(", "));
            let fix = meant(default, option.choices.iter().map(String::as_str), &otherwise);
            violations.push(text.violation(option.line, finding, fix));
        }
    }
    violations
}

/// A default of an option that every usage line needs.
pub fn default_unused(text: &Text, manual: &Manual) -> Vec<Violation> {
    let unused = described(text, manual).into_iter().filter(|option| {
        let mut naming =
            manual.usages.iter().filter(|usage| is_for(usage, option) && is_named(usage, option)).peekable();
        option.default.is_some() && naming.peek().is_some() && naming.all(|usage| usage.needs.contains(&option.name))
    });
    let violation = |option: &Opt| {
        let finding = format!("{} must be given, so its default is never used", option.name);
        text.violation(option.line, finding, "put it in brackets in the usage line, or remove the default")
    };
    unused.map(violation).collect()
}

/// Choices of a secret: Ansible prints a wrong one.
pub fn secret_choices(text: &Text, manual: &Manual) -> Vec<Violation> {
    let shown = described(text, manual).into_iter().filter(|option| option.secret && !option.choices.is_empty());
    let violation = |option: &Opt| {
        let finding = format!("{} is a secret with choices, and a wrong value of those is printed", option.name);
        text.violation(option.line, finding, "remove [choices]")
    };
    shown.map(violation).collect()
}

/// A secret that can only be given on a command line, where everybody sees it.
pub fn secret_env(text: &Text, manual: &Manual) -> Vec<Violation> {
    let open = described(text, manual).into_iter().filter(|one| text.own && one.secret && one.environment.is_none());
    let violation = |option: &Opt| {
        let name = format!("FIREBREAK_{}", option.name.trim_matches('-').replace('-', "_").to_uppercase());
        let finding = format!("the secret {} can only be given on the command line, where others see it", option.name);
        text.violation(option.line, finding, format!("add [env: {name}] before [secret]"))
    };
    open.map(violation).collect()
}

/// An option of a role that is called like a secret, and is none.
pub fn secret_open(text: &Text, manual: &Manual) -> Vec<Violation> {
    if text.role.is_none() {
        return Vec::new();
    }
    let value = |option: &&Opt| option.placeholder.is_some() && option.choices.is_empty() && !option.secret;
    let open = described(text, manual).into_iter().filter(value).filter(|option| is_secret(&option.name));
    let violation = |option: &Opt| {
        let finding = format!("{} is called like a secret, and its value would be seen", option.name);
        text.violation(option.line, finding, "add [secret], or call it otherwise")
    };
    open.map(violation).collect()
}

/// A variable of the environment that is not in capitals.
pub fn env_case(text: &Text, manual: &Manual) -> Vec<Violation> {
    let mut violations = Vec::new();
    for option in described(text, manual) {
        let Some(name) = &option.environment else { continue };
        let fits = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
        if name.is_empty() || !name.chars().all(fits) || name.starts_with(|c: char| c.is_ascii_digit()) {
            let capitals = name.replace(|c: char| !c.is_ascii_alphanumeric(), "_").to_uppercase();
            let finding = format!("'{name}' is no name for a variable of the environment");
            violations.push(text.violation(option.line, finding, format!("write [env: {capitals}]")));
        }
    }
    violations
}

/// Values that were found, and no file to find them in.
pub fn found_nowhere(text: &Text, manual: &Manual) -> Vec<Violation> {
    if manual.options.iter().any(|option| option.keeps.is_some()) {
        return Vec::new();
    }
    let lost = described(text, manual).into_iter().filter(|option| option.found.is_some());
    let violation = |option: &Opt| {
        let finding = format!("{} has [found], but no option has [keeps], which names the file", option.name);
        text.violation(option.line, finding, "add [keeps: file.json] to the option of the folder")
    };
    lost.map(violation).collect()
}

/// A command of a role without `--format`: Ansible and Jenkins read the report as JSON.
pub fn format_missing(text: &Text, manual: &Manual) -> Vec<Violation> {
    let silent = entries(text).filter(|command| text.own && !command.json);
    let violation = |command: &Command| {
        let finding = format!("`{}` cannot report in JSON, which Ansible and Jenkins read", command.entry);
        let fix = "describe --format=<f> with [choices: table json] [default: table]";
        text.violation(usage_line(manual, &command.entry), finding, fix)
    };
    silent.map(violation).collect()
}

/// A command of a role that is called like something else where its name becomes a tag and a file of tasks.
pub fn command_taken(text: &Text, manual: &Manual) -> Vec<Violation> {
    let taken = entries(text).filter(|command| name::TAKEN.contains(&command.entry.as_str()));
    let violation = |command: &Command| {
        let finding = format!("`{}` would be a tag and a file of tasks, and there is one of that name", command.entry);
        text.violation(usage_line(manual, &command.entry), finding, "give it another name")
    };
    taken.map(violation).collect()
}

/// What a role can be told to do.
fn entries(text: &Text) -> impl Iterator<Item = &Command> {
    text.role.iter().flat_map(|role| Some(&role.get).filter(|get| get.word.is_some()).into_iter().chain(&role.acts))
}

/// The first usage line of a command.
fn usage_line(manual: &Manual, command: &str) -> usize {
    let mut usages = manual.usages.iter();
    usages.find(|usage| usage.commands.iter().any(|word| word == command)).map_or(1, |usage| usage.line)
}

/// The exit codes with their lines.
fn codes(text: &Text, manual: &Manual) -> Vec<(usize, u8)> {
    let lines = section(text, manual, "Exit status");
    let indent = |line: &str| line.len() - line.trim_start().len();
    let least = lines.iter().map(|(_, line)| indent(line)).min().unwrap_or(0);
    let code = |line: &str| line.split_whitespace().next().and_then(|word| word.parse().ok());
    lines
        .iter()
        .filter(|(_, line)| indent(line) == least)
        .filter_map(|(number, line)| Some((*number, code(line)?)))
        .collect()
}

/// Exit codes out of order.
pub fn exit_order(text: &Text, manual: &Manual) -> Vec<Violation> {
    let codes = codes(text, manual);
    let wrong = codes.windows(2).filter(|pair| pair[0].1 >= pair[1].1);
    let violation = |pair: &[(usize, u8)]| {
        text.violation(
            pair[1].0,
            format!("exit code {} stands behind {}", pair[1].1, pair[0].1),
            "order the codes, each once",
        )
    };
    wrong.map(violation).collect()
}

/// An exit code that our actions do not end with.
pub fn exit_unknown(text: &Text, manual: &Manual) -> Vec<Violation> {
    if !text.own || text.role.is_none() {
        return Vec::new();
    }
    let mut known: Vec<u8> = Outcome::ALL.iter().map(|outcome| outcome.exit_code()).collect();
    known.dedup();
    let list = known.iter().map(u8::to_string).collect::<Vec<_>>().join(", ");
    let strange = codes(text, manual).into_iter().filter(|(_, code)| !known.contains(code));
    let violation = |(line, code)| {
        text.violation(
            line,
            format!("no action ends with {code}"),
            format!("the codes are {list}; see action::report::Outcome"),
        )
    };
    strange.map(violation).collect()
}

/// An example that the usage text does not take.
pub fn example_refused(text: &Text, manual: &Manual) -> Vec<Violation> {
    let mut violations = Vec::new();
    let mut joined: Vec<(usize, String)> = Vec::new();
    for (number, line) in section(text, manual, "Examples") {
        match joined.last_mut().filter(|(_, before)| before.ends_with('\\')) {
            Some((_, before)) => {
                before.pop();
                before.push_str(line.trim());
            }
            None => joined.push((number, line.trim().trim_start_matches("$ ").to_owned())),
        }
    }
    for (number, line) in joined {
        if let Some(why) = refusal(text, manual, &line) {
            let finding = format!("the example is refused: {}", why.lines().next().unwrap_or_default());
            violations.push(text.violation(number, finding, "write a command line that the usage lines allow"));
        }
    }
    violations
}

fn refusal(text: &Text, manual: &Manual, line: &str) -> Option<String> {
    let is_set = |word: &str| {
        word.split_once('=').is_some_and(|(name, _)| name.chars().all(|c| c.is_ascii_uppercase() || c == '_'))
    };
    let call = line.split_whitespace().find(|word| !is_set(word));
    if call != Some(manual.program.as_str()) {
        // Another command, or words between two examples.
        return None;
    }
    let Some(words) = shlex::split(line) else { return Some("a quote in it is not closed".to_owned()) };
    let shell = |word: &String| word.starts_with(['|', '>', '<', '&']) || word == "2>" || word == ";";
    let own = words.into_iter().skip_while(|word| *word != manual.program).skip(1).take_while(|word| !shell(word));
    // The file that `@path` names is not here.
    let words: Vec<String> = own.map(|word| word.replacen("=@", "=", 1).trim_start_matches('@').to_owned()).collect();
    let read = |lookup: arguments::Lookup<'_>| arguments::parse(&text.whole, "", &words, lookup);
    // What the environment would give may be left out, but need not be.
    let given = |name: &str| {
        let option = manual.options.iter().find(|option| option.environment.as_deref() == Some(name))?;
        Some(option.choices.first().cloned().unwrap_or_else(|| "given".to_owned()))
    };
    let refused = read(&|_| None).err()?;
    read(&given).err().map(|_| refused.0)
}

/// What docopt takes otherwise than it was meant.
pub fn doubtful(text: &Text, manual: &Manual) -> Vec<Violation> {
    let fix = "write it so that it can be read in one way only";
    manual.doubts.iter().map(|doubt| text.violation(doubt.line, &doubt.why, fix)).collect()
}
