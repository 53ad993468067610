//! Texts that are wrong, one for each error of docopt's parser and each of its traps: the line, and words.

use docopt::Docopt;
use firebreak::action::manual::Manual;

/// What docopt refuses as well: the text, the line and why.
const REFUSED: [(&str, usize, &str); 30] = [
    ("", 1, "there is no `Usage:` in it, which tells how to call the program"),
    ("Mend a thing.\n\nmend [options]\n", 1, "there is no `Usage:` in it, which tells how to call the program"),
    ("Mend a thing.\n\nUsage:\n", 3, "the program's name is missing behind `Usage:`"),
    ("Usage: m ... <a>", 1, "`...` must stand right behind what repeats: `<file>...`"),
    ("Usage:\n  m | <a>", 2, "`|` needs something on both sides: `(--a | --b)`"),
    ("Usage:\n  m <a>\n  m <a> |", 3, "`|` needs something on both sides: `(--a | --b)`"),
    ("Usage: m (<a> |)", 1, "nothing stands before `)`: an empty group means nothing"),
    ("Usage: m []", 1, "nothing stands before `]`: an empty group means nothing"),
    ("Usage: m <a>]", 1, "`]` closes nothing: its `[` is missing"),
    ("Usage: m [(<a>])", 1, "`]` stands where `)` should: `(` is open"),
    ("Usage: m <a> (", 1, "the line ends right behind `(`: a usage line cannot be wrapped"),
    (
        "Usage:\n  m --in=<i> [--out=<o>\n    --all]\n",
        2,
        "`[` is not closed on this line: a usage line cannot be wrapped",
    ),
    (
        "Usage: m --db=DB_NAME",
        1,
        "'DB_NAME' is no name for the value of --db: write `<name>`, or upper-case letters alone",
    ),
    (
        "Usage: m --db=<d>\n\nOptions:\n  --db  The database.\n",
        1,
        "--db has a value here and none elsewhere: write its value in its description as well",
    ),
    (
        "Usage: m --db\n\nOptions:\n  --db=<d>  The database.\n",
        1,
        "--db has a value by its description, and none here: write `--db=<value>`",
    ),
    (
        "Usage: m -d get\n\nOptions:\n  -d <d>  The database.\n",
        1,
        "-d has a value by its description, but 'get' follows here: write `-d <value>`",
    ),
    (
        "Usage: m -dget\n\nOptions:\n  -d <d>  The database.\n",
        1,
        "'get' is no name for the value of -d: write `<name>`, or upper-case letters alone",
    ),
    (
        "Usage: m [options]\n\nOptions:\n  --in The input.\n",
        4,
        "'The' is no name for the value of --in: write `<name>` and put two spaces before the description",
    ),
    (
        "Usage: m [options]\n\nOptions:\n  --in=<i> The input.\n",
        4,
        "'The input.' is read as part of the option's name: two spaces must stand before the description, and a line \
         of prose cannot begin with `-`",
    ),
    (
        "Usage: m [options]\n\nOptions:\n  --in=<input file>  The input.\n",
        4,
        "'<input' is no name for the value of --in: write `<name>` without a space in it and nothing behind it",
    ),
    (
        "Usage: m [options]\n\nOptions:\n  --in=<i>...  The inputs.\n",
        4,
        "'<i>...' is no name for the value of --in: write `<name>` without a space in it and nothing behind it",
    ),
    (
        "Usage: m [options]\n\nOptions:\n  --all   All of them, as with\n          --every or so.\n",
        5,
        "'or' is no name for the value of --every: write `<name>` and put two spaces before the description",
    ),
    (
        "Usage: m [options]\n\nExamples:\n  --all -- x\n",
        4,
        "'x' is no name for the value of --: write `<name>` and put two spaces before the description",
    ),
    (
        "Usage: m [options]\n\nOptions:\n  -a, -b  Both.\n",
        4,
        "an option has one short name, and here are two, -a and -b: two spaces must stand before the description",
    ),
    (
        "Usage: m [options]\n\nOptions:\n  --all, --every  All.\n",
        4,
        "an option has one long name, and here are two, --all and --every: two spaces must stand before the description",
    ),
    (
        "Usage: m [options]\n\nIt is [default: 3].\n\nOptions:\n  --in=<i>  The input.\n",
        3,
        "the default '3' stands before the first option: docopt gives a default to the option above it",
    ),
    (
        "Usage: m [options]\n\nOptions:\n  --all  All. [default: no]\n",
        4,
        "--all has no value, so it can have no default: write `--all=<value>`",
    ),
    (
        "Usage: m [options]\n\nOptions:\n  --in=<i>  The input. [default: a]\n\nBy the way, [default: b].\n",
        6,
        "--in has two defaults, 'a' and 'b'",
    ),
    (
        "Usage: m <a>\n  See usage: m | x\n\nOptions:\n  --in=<i> x\n",
        5,
        "'x' is read as part of the option's name: two spaces must stand before the description, and a line of prose \
         cannot begin with `-`",
    ),
    ("Usage: m (<a>", 1, "`(` is not closed on this line: a usage line cannot be wrapped"),
];

/// What docopt dies of, or takes for nonsense: the text, the line and why.
const DEADLY: [(&str, usize, &str); 6] = [
    (
        "Usage: m [options]\n\nOptions:\n  --in\u{a0}<i>  The input.\n",
        4,
        "'--in\u{a0}<i>' holds a space that is none to docopt: type plain spaces",
    ),
    (
        "Usage: m [options]\n\nOptions:\n  -a, --all  All.\n  -a         All of them.\n",
        5,
        "-a is the short name of --all: write `-a, --all` here too, or docopt dies of it",
    ),
    ("Usage: m -é", 1, "'-é' is no short option: docopt dies of letters that are not ASCII"),
    (
        "Usage: m [options]\n\nOptions of get:\n  --in=<i>  The input.\nOptions of run:\n  --in  From stdin.\n",
        6,
        "--in is described twice, with a value and without (line 4): docopt knows only one",
    ),
    ("Usage: m --in=", 1, "the value is missing behind '--in=': write `--in=<value>`"),
    ("Usage: m --=<x>", 1, "'--=<x>' is an option without a name"),
];

/// What docopt takes, though it was hardly meant: the text, the line and why.
const DOUBTFUL: [(&str, usize, &str); 5] = [
    (
        "Usage: m [options] <a>\n\nOptions:\n  --in=<i>  The input.\n\n  <a>  The thing. [default: 4]\n",
        6,
        "docopt gives this default to --in, the option above: a default stands with its option",
    ),
    (
        "Usage: m [options]\n\nOptions:\n  --in=<i>  The input. [default: a] [choices: a b]\n",
        4,
        "the default of --in is 'a] [choices: a b' to docopt: `[default: …]` must be the last tag",
    ),
    (
        "Usage: m [options]\n\nOptions:\n  -in=<i>  The input.\n",
        4,
        "docopt passes over -in: a short name is one letter, a long one begins with `--`",
    ),
    (
        "Usage: m [<a> <b>]... [<c>]...",
        1,
        "docopt tries every split of several things that repeat, which takes for ever: let one repeat",
    ),
    (
        "Usage: m [options]\n\nOptions:\n  -b, --bee=<b>  Bee.\n\nThe day is [default: today].\n",
        6,
        "docopt gives this default to --bee, the option above: a default stands with its option",
    ),
];

fn found(text: &str) -> (usize, String) {
    let error = Manual::read(text).expect_err(text);
    (error.line, error.why)
}

#[test]
fn what_docopt_refuses_is_refused_with_the_line_and_why() {
    for (text, line, why) in REFUSED {
        assert_eq!(found(text), (line, why.to_owned()), "{text}");
        assert!(Docopt::new(text).is_err(), "docopt takes it: {text}");
    }
}

#[test]
fn what_docopt_dies_of_is_refused_with_the_line_and_why() {
    for (text, line, why) in DEADLY {
        assert_eq!(found(text), (line, why.to_owned()), "{text}");
    }
}

#[test]
fn what_docopt_takes_though_it_was_hardly_meant_is_noted() {
    for (text, line, why) in DOUBTFUL {
        let manual = Manual::read(text).expect(text);
        let doubts: Vec<_> = manual.doubts.iter().map(|doubt| (doubt.line, doubt.why.as_str())).collect();
        assert_eq!(doubts, [(line, why)], "{text}");
        assert!(Docopt::new(text).is_ok(), "docopt refuses it: {text}");
    }
}
