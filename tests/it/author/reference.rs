//! What `adopt` reads, held against docopt's reference implementation: Python's, of `requirements.txt`.

use std::io::Write as _;
use std::process::{Command, Stdio};

use docopt::Value as Given;
use firebreak::action::arguments::{Request, parse};
use firebreak::action::manual::Manual;
use firebreak::catalogue::reference::rewritten;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::Workshop;
use crate::support::ansible::tool;

/// What the reference implementation says of each text and command line: its values, or none where it refuses them.
const REFERENCE: &str = r"
import json, sys, docopt
def read(text, words):
    try:
        return dict(docopt.docopt(text, words, help=False))
    except docopt.DocoptLanguageError as error:
        return 'no text: %s' % error
    except SystemExit:
        return None
print(json.dumps([read(text, words) for text, words in json.load(sys.stdin)]))
";

/// Texts that the two read otherwise unless they are rewritten, and command lines that tell them apart.
const TEXTS: &[(&str, &[&str])] = &[
    (
        "Copy things.\n\nUsage:\n  copy [--word=<w> |\n        --word-file=<f>] <from>\n  copy --list\n       [--long]\n",
        &[
            "a",
            "--word=x a",
            "--word-file=x a",
            "--word=x --word-file=y a",
            "--list",
            "--list --long",
            "--long",
            "",
            "a b",
        ],
    ),
    (
        "Usage: run [options] HOST\n\nOptions:\n  --option SSHOPT=VAL  One of ssh's own.\n  --ignore <dirs>...  Not these.\n  \
         --user=<u> Whose name it is.\n  -m msg  What to say. [default: none]\n  --loud Say more.\n",
        &[
            "h",
            "--option a=b h",
            "--option=a=b h",
            "--ignore a h",
            "--ignore a b h",
            "--ignore a --ignore b h",
            "--user=u h",
            "--user h",
            "-m x h",
            "-mx h",
            "--loud h",
            "--loud x h",
            "--all h",
        ],
    ),
    (
        "Usage: load DB_NAME --into=OTHER_DB [-o OUT_FILE] [--level=high]\n\n  -o OUT_FILE  Where to.\n",
        &["a --into=b", "a --into b", "DB_NAME --into=b -o c", "a", "a --into=b -oc --level=low", "a b --into=c"],
    ),
    (
        "Usage:\n  set [options] <x>\n\nArguments:\n  <x>  One of them. [default: 2]\n\nOptions:\n  --all  All. [default: no]\n  \
         --n=<n>  How many, [default: 10].\n  --m=<m>  How often. [default:3]\n  --twice=<t>  [default: 1] or [default: 2]\n  \
         --lines=<l>  The lines\n    that are kept. [default: 5]\n",
        &["a", "", "--all a", "--n=1 a", "--m=1 a", "--lines=6 a"],
    ),
    (
        "Usage: tabs [options] [--named]\n\nOptions:\n\t--tab  By a tab.\n\t--named  By a tab, and named.\n  --space  By spaces.\n",
        &["", "--tab", "--space", "--named", "--named --space"],
    ),
    (
        "Usage: odd [options]\n\nOptions:\n  --old, --new  Two.\n  --all  All.\n  -----------\n  --x=<x>  As with\n    --all of them.\n  \
         - a list\n  -abc  Nothing.\nOptions: --late  Behind a heading.\n",
        &["", "--new", "--old", "--x=1", "-a", "--late"],
    ),
    (
        "Usage: many options <file>\n       many list many show (-v | --verbose)\n       many\n\n-q  Less.\n",
        &["f", "-q f", "-v f", "show --verbose", "list", "show -v", "show", "", "-q list"],
    ),
    (
        "Usage: flags [-oFILE] [-vq] [--in IN_FILE]\n\n  -o FILE  Out.\n  -v  More.\n  --in=IN_FILE  In.\n",
        &["", "-ox", "-o x", "-vq", "-v", "--in=x", "--in x", "-vqox"],
    ),
    ("Usage: put <box>/<thing> [--to=<box>/<place>]\n", &["a/b", "a/b --to=c/d", "a b", ""]),
    ("Usage: wrapped [-v]\n               -o OUT <x>\n", &["-o a b", "-oa b", "-v -o a b", "a", "-o a"]),
    (
        "Usage: late [options]\n\nOptions:\n  --quiet\n\nExamples of its use are:\n  late --quiet\n",
        &["", "--quiet", "--quiet x", "--quiet=x"],
    ),
    (
        "Usage:\n  mine (-h | --help)\n  mine set <x> <y> [--moored | --drifting]\n  mine remove <x>... [--speed=<kn>]\n\n\
         Options:\n  -h --help     This.\n  --speed=<kn>  In knots\n                [default: 10].\n  --moored      At\n",
        &["set 1 2", "set 1 2 --moored", "set 1", "remove 1 2 --speed=3", "remove", "set 1 2 --moored --drifting"],
    ),
];

/// What the reference implementation says.
fn asked(calls: &[(&str, Vec<&str>)]) -> Vec<Value> {
    let mut python = Command::new(tool("python"));
    python.args(["-W", "ignore", "-c", REFERENCE]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut python = python.spawn().expect("Python starts");
    let mut stdin = python.stdin.take().expect("its stdin");
    stdin.write_all(json!(calls).to_string().as_bytes()).expect("to write");
    drop(stdin);
    let output = python.wait_with_output().expect("Python ends");
    assert!(output.status.success(), "this test needs docopt in .venv: run `make tools`");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// What docopt says here of the rewritten text; an argument as the reference implementation names it.
fn read(text: &str, words: &[&str], names: &Value) -> Value {
    let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
    let Ok(Request::Act(arguments)) = parse(text, "", &words, &|_| None) else { return Value::Null };
    let Some(names) = names.as_object() else { return json!("it is taken") };
    let value = |name: &str| {
        // Two placeholders in one word are one here.
        let own = format!("<{}>", name.trim_matches(['<', '>']).replace(['<', '>'], "-"));
        let found = arguments.values.find(name).or_else(|| arguments.values.find(&own));
        match found {
            Some(Given::Switch(given)) => json!(given),
            Some(Given::Counted(count)) => json!(count),
            Some(Given::Plain(text)) => json!(text),
            Some(Given::List(texts)) => json!(texts),
            // A line that describes nothing that can be typed.
            None => Value::Null,
        }
    };
    given(&names.keys().map(|name| (name.clone(), value(name))).collect::<serde_json::Map<_, _>>().into())
}

/// Only what is given, or has a default.
fn given(values: &Value) -> Value {
    let Some(values) = values.as_object() else { return values.clone() };
    let nothing = [json!(null), json!(false), json!(0), json!([])];
    let some = values.iter().filter(|(_, value)| !nothing.contains(value));
    some.map(|(name, value)| (name.clone(), value.clone())).collect::<serde_json::Map<_, _>>().into()
}

#[test]
fn a_rewritten_text_says_what_the_reference_implementation_reads() {
    let lines = TEXTS.iter().flat_map(|(text, lines)| lines.iter().map(move |line| (*text, *line)));
    let calls: Vec<(&str, Vec<&str>)> = lines.map(|(text, line)| (text, line.split_whitespace().collect())).collect();
    let mut wrong = Vec::new();
    for ((text, words), expected) in calls.iter().zip(asked(&calls)) {
        let own = rewritten(text).text;
        if let Err(error) = Manual::read(&own) {
            panic!("{error} in\n{own}");
        }
        assert!(!expected.is_string(), "the reference implementation refuses the text: {expected}\n{text}");
        let (here, expected) = (read(&own, words, &expected), given(&expected));
        if here != expected {
            wrong.push(format!("{words:?}: there {expected}, here {here}, for\n{own}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), calls.len(), wrong.join("\n"));
}

#[test]
fn a_text_that_only_the_reference_implementation_reads_makes_a_role_with_a_warning() {
    let workshop = Workshop::copied();
    let text = "Copy things.\n\nUsage:\n  copy.py get\n  copy.py run [--word=<w> |\n               --word-file=<f>] DB_NAME \
                [options]\n\nOptions:\n  --loud Say more.\n  --user=<u> Whose it is.\n";
    workshop.write("copy.py", &format!("print({text:?})\n"));
    let made = workshop.firebreak(&["adopt", "copy.py", "--problem=A thing is lost.", "--solution=Copy it."]);
    let warning = "firebreak warning: line 9 of what `copy.py --help` prints: --loud takes a value to docopt, since only one \
                   space stands before its description\n";
    assert_eq!((made.code, made.stderr.as_str()), (0, warning), "{}", made.stdout);
    assert_eq!(
        workshop.read("roles/copy/usage.txt"),
        "Copy things.

Problem:
  A thing is lost.

Solution:
  Copy it.

Usage:
  copy.py get
  copy.py run [--word=<w> | --word-file=<f>] <DB_NAME> [options]

Options:
  --loud=<value>  Say more.
  --user=<u>  Whose it is.

More options:
  --word=<w>            Not described yet.
  --word-file=<f>       Not described yet.

Adopted:
  program: copy.py
  language: python
  get: get
  run: run
"
    );
    assert_eq!(workshop.firebreak(&["check"]).code, 0);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(500) })]

    #[test]
    fn whatever_text_it_is_it_is_rewritten_to_its_end(
        pieces in prop::collection::vec(prop::sample::select(PIECES.to_vec()), 0..24),
    ) {
        let text = pieces.concat();
        let _ = Manual::read(&rewritten(&text).text);
    }
}

const PIECES: [&str; 30] = [
    "Usage:",
    "usage: x ",
    "\n",
    "\n\n",
    "  ",
    " ",
    "\t",
    "--a",
    "-b",
    "-",
    "--",
    "--c=",
    "<d e>",
    "<f>",
    "FILE",
    "DB_NAME",
    "=",
    "...",
    "[",
    "]",
    "(",
    "|",
    "é",
    "[default: 1]",
    "[default:2] ]",
    "options",
    "Options:",
    "words of prose",
    ", ",
    "--a=<é>",
];
