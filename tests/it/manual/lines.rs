//! Command lines made from the pattern tree: docopt accepts and refuses them as the tree says.

use std::collections::BTreeMap;

use docopt::Docopt;
use firebreak::action::arguments::{Request, parse};
use firebreak::action::manual::{Atom, Manual, Opt, Pattern, Usage};
use proptest::prelude::*;

use super::{agrees, programs, suite};

/// One thing that is typed: an option with its value, or a word.
#[derive(Debug, Clone, PartialEq)]
enum Typed {
    Option(String, Option<String>),
    Word(String),
}

impl Typed {
    fn of(atom: &Atom, manual: &Manual) -> Self {
        match atom {
            Atom::Command(word) => Self::Word(word.clone()),
            Atom::Positional(_) => Self::Word("something".to_owned()),
            Atom::Option { name, .. } => Self::option(manual.option(name).expect("an option of the manual")),
        }
    }

    fn option(option: &Opt) -> Self {
        let value = option.choices.first().map_or("value", String::as_str);
        Self::Option(option.name.clone(), option.placeholder.as_ref().map(|_| value.to_owned()))
    }
}

fn words(line: &[Typed]) -> Vec<String> {
    let words = line.iter().flat_map(|typed| match typed {
        Typed::Option(name, value) => std::iter::once(name.clone()).chain(value.clone()).collect(),
        Typed::Word(word) => vec![word.clone()],
    });
    words.collect()
}

/// What is left of a command line that is held against a pattern.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Left<'a> {
    words: Vec<&'a str>,
    options: BTreeMap<&'a str, usize>,
}

/// The tree's own verdict.
fn fits(manual: &Manual, line: &[Typed]) -> bool {
    let mut left = Left { words: Vec::new(), options: BTreeMap::new() };
    for typed in line {
        match typed {
            Typed::Option(name, _) => *left.options.entry(name).or_default() += 1,
            Typed::Word(word) => left.words.push(word),
        }
    }
    left.words.reverse();
    let nothing = |left: &Left| left.words.is_empty() && left.options.values().all(|count| *count == 0);
    manual.usages.iter().any(|usage| after(manual, usage, &usage.pattern, vec![left.clone()]).iter().any(nothing))
}

fn after<'a>(manual: &Manual, usage: &Usage, pattern: &Pattern, from: Vec<Left<'a>>) -> Vec<Left<'a>> {
    let or_not = |part: &Pattern, from: Vec<Left<'a>>| {
        let mut both = after(manual, usage, part, from.clone());
        both.extend(from);
        both.sort();
        both.dedup();
        both
    };
    match pattern {
        Pattern::Sequence(parts) => parts.iter().fold(from, |from, part| after(manual, usage, part, from)),
        Pattern::Alternatives(parts) => {
            parts.iter().flat_map(|part| after(manual, usage, part, from.clone())).collect()
        }
        Pattern::Optional(parts) => parts.iter().fold(from, |from, part| or_not(part, from)),
        Pattern::Repeat(part) => {
            let mut all = after(manual, usage, part, from);
            loop {
                let count = all.len();
                all = or_not(part, all);
                if all.len() == count {
                    return all;
                }
            }
        }
        // No other part of the pattern takes these: what is there is taken.
        Pattern::Options => from
            .into_iter()
            .map(|mut left| {
                for option in others(manual, usage) {
                    if let Some(count) = left.options.get_mut(option.name.as_str()) {
                        *count = if option.repeats { 0 } else { count.saturating_sub(1) };
                    }
                }
                left
            })
            .collect(),
        Pattern::Atom(atom) => from.into_iter().filter_map(|left| take(atom, left)).collect(),
    }
}

fn take<'a>(atom: &Atom, mut left: Left<'a>) -> Option<Left<'a>> {
    match atom {
        Atom::Option { name, .. } => {
            let count = left.options.get_mut(name.as_str()).filter(|count| **count > 0)?;
            *count -= 1;
        }
        Atom::Positional(_) => drop(left.words.pop()?),
        Atom::Command(word) => drop(left.words.pop().filter(|given| given == word)?),
    }
    Some(left)
}

/// What `[options]` stands for in this line.
fn others<'a>(manual: &'a Manual, usage: &'a Usage) -> impl Iterator<Item = &'a Opt> {
    manual.options.iter().filter(|option| option.described && !usage.pattern.names(&option.name))
}

/// The smallest command lines, one for each choice of alternatives.
fn smallest(manual: &Manual, pattern: &Pattern) -> Vec<Vec<Typed>> {
    match pattern {
        Pattern::Sequence(parts) => parts.iter().fold(vec![Vec::new()], |lines, part| {
            let more = smallest(manual, part);
            let joined = lines.iter().flat_map(|line| more.iter().map(|more| [line.clone(), more.clone()].concat()));
            joined.take(50).collect()
        }),
        Pattern::Alternatives(parts) => parts.iter().flat_map(|part| smallest(manual, part)).collect(),
        Pattern::Optional(parts) => {
            let chosen = parts.iter().flat_map(|part| smallest(manual, part));
            std::iter::once(Vec::new()).chain(chosen).collect()
        }
        Pattern::Repeat(part) => smallest(manual, part),
        Pattern::Options => vec![Vec::new()],
        Pattern::Atom(atom) => vec![vec![Typed::of(atom, manual)]],
    }
}

/// A larger one, as `choose` draws a number below another.
fn larger(manual: &Manual, usage: &Usage, pattern: &Pattern, choose: &mut dyn FnMut(usize) -> usize) -> Vec<Typed> {
    match pattern {
        Pattern::Sequence(parts) => {
            parts.iter().flat_map(|part| larger(manual, usage, part, choose).into_iter()).collect()
        }
        Pattern::Alternatives(parts) => larger(manual, usage, &parts[choose(parts.len())], choose),
        Pattern::Optional(parts) => {
            let mut line = Vec::new();
            for part in parts {
                if choose(2) == 0 {
                    line.extend(larger(manual, usage, part, choose));
                }
            }
            line
        }
        Pattern::Repeat(part) => {
            (0..=choose(3)).flat_map(|_| larger(manual, usage, part, choose).into_iter()).collect()
        }
        Pattern::Options => others(manual, usage).filter(|_| choose(4) == 0).map(Typed::option).collect(),
        Pattern::Atom(atom) => vec![Typed::of(atom, manual)],
    }
}

struct Text {
    usage: String,
    manual: Manual,
    docopt: Docopt,
}

impl Text {
    fn new(text: String) -> Option<Self> {
        let docopt = Docopt::new(text.as_str()).ok()?.help(false);
        Some(Self { manual: Manual::read(&text).expect("a manual"), docopt, usage: text })
    }

    fn accepts(&self, words: &[String]) -> bool {
        let argv = std::iter::once("program").chain(words.iter().map(String::as_str));
        self.docopt.clone().argv(argv).parse().is_ok()
    }

    /// The command line, and all that differ from it in one thing, fit or not as the tree says.
    fn check(&self, line: &[Typed]) {
        let mut lines = vec![line.to_vec()];
        for place in 0..line.len() {
            let mut fewer = line.to_vec();
            let dropped = fewer.remove(place);
            lines.push(fewer);
            lines.push([line, &[dropped]].concat());
        }
        lines.extend(self.manual.options.iter().map(|option| [line, &[Typed::option(option)]].concat()));
        lines.push([line, &[Typed::Word("superfluous".to_owned())]].concat());
        for line in lines {
            let words = words(&line);
            assert_eq!(self.accepts(&words), fits(&self.manual, &line), "{words:?} for\n{}", self.usage);
        }
    }

    /// What the manual says that a command needs and takes is what docopt, with the headings, lets through.
    fn check_needs(&self, usage: &Usage, line: &[Typed]) {
        // A word of a line without a command could be anything.
        let bare = self.manual.usages_of("").any(|usage| !usage.positionals.is_empty());
        let Some(command) = usage.commands.first().filter(|_| usage.commands.len() == 1 && !bare) else { return };
        let accepts = |line: &[Typed]| matches!(parse(&self.usage, "1", &words(line), &|_| None), Ok(Request::Act(_)));
        for option in self.manual.needs(command) {
            let without: Vec<Typed> = line.iter().filter(|typed| **typed != Typed::option(option)).cloned().collect();
            assert!(!accepts(&without), "{without:?} though `{command}` needs {} in\n{}", option.name, self.usage);
        }
        for option in &self.manual.options {
            let with = [line, &[Typed::option(option)]].concat();
            let given = line.contains(&Typed::option(option));
            if self.manual.option_of(command, &option.name).is_none() {
                assert!(
                    !accepts(&with),
                    "{with:?} though `{command}` does not take {} in\n{}",
                    option.name,
                    self.usage
                );
            } else if !given
                && usage.any
                && !usage.pattern.names(&option.name)
                && option.name != "--version"
                && option.name != "--help"
            {
                assert!(accepts(&with), "{with:?} though `{command}` takes {} in\n{}", option.name, self.usage);
            }
        }
    }
}

fn own() -> Vec<Text> {
    programs().into_iter().filter_map(|(_, text)| Text::new(text)).collect()
}

fn check_smallest(texts: &[Text]) {
    for text in texts {
        for usage in &text.manual.usages {
            for line in smallest(&text.manual, &usage.pattern) {
                // docopt swallows a `--`.
                let line: Vec<Typed> =
                    line.into_iter().filter(|typed| *typed != Typed::Word("--".to_owned())).collect();
                assert!(fits(&text.manual, &line), "{line:?} does not fit\n{}", text.usage);
                text.check(&line);
                text.check_needs(usage, &line);
            }
        }
    }
}

fn check_larger(texts: &[Text], seed: u64) {
    let mut state = seed;
    let mut choose = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from((state >> 33) % below as u64).expect("a small number")
    };
    for text in texts {
        for usage in &text.manual.usages {
            let line = larger(&text.manual, usage, &usage.pattern, &mut choose);
            text.check(&line.into_iter().filter(|typed| *typed != Typed::Word("--".to_owned())).collect::<Vec<_>>());
        }
    }
}

#[test]
fn docopt_accepts_and_refuses_the_smallest_lines_of_each_program_as_its_manual_says() {
    check_smallest(&own());
}

#[test]
fn docopt_accepts_and_refuses_the_smallest_lines_of_its_own_suite_as_their_manuals_say() {
    let texts: Vec<Text> =
        suite("smallest command lines of docopt's own suite").into_iter().filter_map(Text::new).collect();
    check_smallest(&texts);
}

#[test]
fn docopt_accepts_and_refuses_larger_lines_as_the_manuals_say() {
    let mut texts = own();
    texts.extend(suite("larger command lines of docopt's own suite").into_iter().filter_map(Text::new));
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(12));
    let checked = runner.run(&any::<u64>(), |seed| {
        check_larger(&texts, seed);
        Ok(())
    });
    checked.expect("docopt and the manual to agree");
}

/// Texts of the kinds that there are, whose patterns docopt matches quickly.
const TEXTS: [&str; 6] = [
    "Usage: prog [options] <file>...\n\nOptions:\n  -a, --all  All.\n  -o <x>, --out=<x>  Out.\n  -q  Quiet.\n",
    "Usage:\n  prog get --repo=<r> [--keep=<n>]\n  prog run (--all | --one=<x>) [-v...]\n  prog --version\n",
    "Usage: prog (go <direction> --speed=<s>)... [-]\n",
    "Usage: prog [--in=<file name>]... [--] [NAME]\n\nOptions: --in=FILE  In.\n",
    "Usage: prog [-v | -vv | -vvv] (set|remove) <x> [<y>]\n",
    "Usage: prog\n       prog <a> <b>\n",
];

fn word() -> impl Strategy<Value = String> {
    let known = prop::sample::select(vec![
        "get",
        "run",
        "go",
        "set",
        "remove",
        "-",
        "--",
        "--all",
        "-a",
        "-ao",
        "-ofile",
        "-o",
        "--out",
        "--out=x",
        "-q",
        "--repo",
        "--repo=a b",
        "--repo=-1",
        "--keep=3",
        "--one=x",
        "--one",
        "-v",
        "-vvv",
        "--speed=1",
        "--in=x",
        "--in",
        "--version",
        "-1",
        "--al",
        "--all=x",
        "x",
        "-ax",
        "--=x",
        "- x",
        "--a b",
        "---",
        "-é",
    ]);
    prop_oneof![8 => known.prop_map(str::to_owned), 1 => "[-=a-z<> é\u{a0}]{1,6}"]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn whatever_is_typed_the_verdict_is_docopts(
        text in prop::sample::select(TEXTS.to_vec()),
        typed in prop::collection::vec(word(), 0..6),
    ) {
        // What we add to docopt: the help is always given, an empty value is none.
        let added = |word: &String| word == "-h" || word == "--help" || word.ends_with('=');
        prop_assume!(!typed.iter().any(added));
        let plain = Text::new(text.to_owned()).expect("a text");
        let expected = plain.accepts(&typed);
        // The second is read with the manual in any case, for it has a tag.
        for text in [text.to_owned(), format!("{text}\nA note. [secret]\n")] {
            if text.contains("[--]") {
                let _ = parse(&text, "1", &typed, &|_| None);
                continue;
            }
            let verdict = parse(&text, "1", &typed, &|_| None);
            prop_assert_eq!(verdict.is_ok(), expected, "{:?} for {}: {:?}", typed, text, verdict);
        }
    }

    #[test]
    fn whatever_text_is_read_the_manual_agrees_with_docopt(
        patterns in prop::collection::vec(prop::collection::vec(prop::sample::select(PIECES.to_vec()), 0..7), 1..4),
        lines in prop::collection::vec(prop::sample::select(LINES.to_vec()), 0..6),
    ) {
        let patterns: Vec<String> = patterns.iter().map(|pieces| format!("  prog {}\n", pieces.join(" "))).collect();
        let text = format!("Usage:\n{}\n{}\n", patterns.concat(), lines.join("\n"));
        // What docopt takes and the manual does not, and what docopt dies of.
        let only_here = ["described twice", "docopt dies"];
        let refused = Manual::read(&text).is_err_and(|error| only_here.iter().any(|why| error.why.contains(why)));
        if !refused {
            agrees(&text);
        }
    }
}

const PIECES: [&str; 32] = [
    "[",
    "]",
    "(",
    ")",
    "|",
    "...",
    "-a",
    "-b",
    "-ab",
    "-bX",
    "--long",
    "--long=<x>",
    "--in=FILE",
    "--in",
    "<x>",
    "FILE",
    "<FILE>",
    "cmd",
    "[options]",
    "[options]...",
    "<a b>",
    "-",
    "--",
    "[-a]",
    "[-b <x>]",
    "[--long=<x>]",
    "(cmd | <x>)",
    "<x>...",
    "[<x>]",
    "--in=<file name>",
    "DB_NAME",
    "--long=DB_NAME",
];

const LINES: [&str; 30] = [
    "Options:",
    "",
    "  -a",
    "  -a, --long  Text.",
    "  -a --long=<x>  Text. [default: 3]",
    "  -b <x>",
    "  -b X  [dEfAuLt: a b]",
    "  --in FILE ...",
    "  -a foo",
    "  --long <a b>  Text.",
    "    continued [default: 9]",
    "options: -b",
    "Options: --in=<f>  In.",
    "  <x>  The x. [default: 4]",
    "  FILE  The file.",
    "  -abc  Three.",
    "  --in=FILE [default: y]",
    "  --long  Text.  More.",
    "  -a -b  Two.",
    "  --in --long",
    "  -b, --in <x>  [choices: a b] [default: a] b]",
    "  -a one space",
    "-a, -b, --long",
    "  -- x",
    "  - a",
    "  -=x",
    "  --long=<x>...",
    "Prose with --long in it",
    "  --in=<x>  Text. [env: IN]",
    "  -b=<x> --in=<x>",
];
