//! What a command line that does not fit is told: what is wrong, and what to type.

use firebreak::action::arguments::{Arguments, Request, parse};

const TEXT: &str = "Mend a thing.

Usage:
  mend get --repo=<r> [options]
  mend run --date=<d> (--all | --one=<x>) [--fast | --slow] [-v]... [options]
  mend copy <from> <to> [-v]... [options]
  mend log [<file>]... [options]
  mend -h | --help

Positional arguments:
  <from>  Where the thing is.

Options of get:
  --repo=<r>    Repositories. [env: REPO]
  --keep=<n>    How many. [default: 10]
Options of run:
  --date=<d>    The day. [found: dates]
  --all         All of them.
  --one=<x>     This one.
  --keep=<n>    How long. [env: KEEP] [default: 3]
  --fast        At once. [env: FAST]
Options of copy, get and run:
  --pwd=<p>     The password. [env: PASSWORD] [secret]
  --pin=<p>     A secret of two. [choices: one two] [secret]
  --tag=<t> ...  A tag; may be repeated. [env: TAGS] [choices: red green]
General options:
  -o, --out=<f>  Where to. [choices: table json] [default: table]
  -q            Be quiet.
  -h, --help    This text.
";

fn read(words: &str, environment: &[(&str, &str)]) -> Result<Arguments, String> {
    let words: Vec<String> = words.split_whitespace().map(str::to_owned).collect();
    let lookup = |name: &str| environment.iter().find(|(known, _)| *known == name).map(|(_, v)| (*v).to_owned());
    match parse(TEXT, "1", &words, &lookup) {
        Ok(Request::Act(arguments)) => Ok(arguments),
        Ok(Request::Print(text)) => panic!("a text: {text}"),
        Err(error) => Err(error.to_string()),
    }
}

#[test]
fn each_refusal_names_what_is_wrong_and_what_to_type() {
    let expected = [
        // Missing.
        ("", "a command is missing, one of `get`, `run`, `copy`, `log`"),
        ("get", "`get` needs --repo=<r> (or REPO in the environment): Repositories."),
        ("run --all", "`run` needs --date: one of those that `mend get` prints"),
        ("run --date=1", "`run` needs one of --all, --one=<x>"),
        ("copy", "`copy` needs <from>: Where the thing is."),
        ("copy a", "`copy` needs <to>"),
        ("run --date=1 --one", "--one needs a value: --one=<x>"),
        ("run --date=1 --all -o", "--out needs a value: --out=<f>"),
        // Misplaced.
        ("get --repo=a --date=1", "`get` does not take --date: it belongs to `run`"),
        ("log --pwd=hunter2", "`log` does not take --pwd: it belongs to `get`, `run`, `copy`"),
        ("log --help-me", "there is no option --help-me: did you mean --help?"),
        ("copy a b c", "`copy` does not take 'c'"),
        ("run --date=1 --all now", "`run` does not take 'now'"),
        // Repeated.
        ("get --repo=a --repo=b", "--repo is given more than once: it is taken once"),
        ("run --date=1 --all -qq", "-q is given more than once: it is taken once"),
        // Conflicting.
        ("run --date=1 --all --one=x", "`run` takes --all or --one, not both: leave one of them out"),
        ("run --date=1 --all --fast --slow", "`run` takes --fast or --slow, not both: leave one of them out"),
        // Misspelt.
        ("gte", "there is no command 'gte' (there are `get`, `run`, `copy`, `log`): did you mean `get`?"),
        ("get --rpeo=a", "there is no option --rpeo: did you mean --repo?"),
        ("get --daet=1", "there is no option --daet: did you mean --date, which belongs to `run`?"),
        ("get -repo=a", "there is no option -r: did you mean --repo?"),
        ("get -qv --repo=a", "`get` does not take -v: it belongs to `run`, `copy`"),
        ("copy a b -qvxhunter2", "there is no option -x (in `-qvx…`)"),
        ("get --repo=a --out=jsn", "--out cannot be 'jsn': it is one of table, json: did you mean json?"),
        ("get --repo=a --tag=red --tag=blue", "--tag cannot be 'blue': it is one of red, green"),
        // What is typed wrongly.
        ("run --date=1 --all=yes", "--all takes no value: write --all alone"),
        (
            "copy -1 b",
            "there is no option -1: a word that begins with `-` goes behind `--`, and a value of an option behind `=`: \
             --option=-1",
        ),
        // Secrets are not shown.
        ("get --repo=a --pin=hunter2", "--pin cannot be that: it is one of one, two"),
        ("run --date=1 --all --pwd= hunter2", "`run` does not take the word behind an option that has an empty value"),
        ("get --repo=a --pdw=hunter2", "there is no option --pdw: did you mean --pwd?"),
    ];
    let told = expected.map(|(words, _)| (words, read(words, &[]).err().unwrap_or_default()));
    assert_eq!(told.each_ref().map(|(words, message)| (*words, message.as_str())), expected);
}

#[test]
fn an_option_that_is_described_twice_is_the_one_of_the_command_in_hand() {
    let keep = |words: &str, environment: &[(&str, &str)]| {
        read(words, environment).expect("a command line that fits").values.get_str("--keep").to_owned()
    };
    assert_eq!(keep("get --repo=a", &[("KEEP", "7")]), "10");
    assert_eq!(keep("run --date=1 --all", &[]), "3");
    assert_eq!(keep("run --date=1 --all", &[("KEEP", "7")]), "7");
    assert_eq!(keep("run --date=1 --all --keep=8", &[("KEEP", "7")]), "8");
    assert_eq!(keep("get --repo=a --keep=8", &[]), "8");
}

#[test]
fn the_environment_gives_one_value_and_yields_to_what_is_typed() {
    let tags = |words: &str| {
        let arguments =
            read(words, &[("TAGS", "red"), ("FAST", "1"), ("REPO", "a")]).expect("a command line that fits");
        let tags: Vec<String> = arguments.values.get_vec("--tag").into_iter().map(str::to_owned).collect();
        (tags, arguments.values.get_bool("--fast"))
    };
    assert_eq!(tags("get"), (vec!["red".to_owned()], false));
    assert_eq!(tags("get --tag=green --tag=red"), (vec!["green".to_owned(), "red".to_owned()], false));
    assert_eq!(tags("run --date=1 --all"), (vec!["red".to_owned()], true));
    assert_eq!(tags("run --date=1 --all --slow"), (vec!["red".to_owned()], false));
}

#[test]
fn a_value_goes_through_unchanged() {
    for value in ["a b", "a\nb", "--date", "-1", "a=b", "{{ x }}", "$(x)", "é\u{a0}\"'"] {
        let words = ["get".to_owned(), format!("--repo={value}")];
        match parse(TEXT, "1", &words, &|_| None) {
            Ok(Request::Act(arguments)) => assert_eq!(arguments.values.get_str("--repo"), value),
            other => panic!("{value:?}: {other:?}"),
        }
    }
}
