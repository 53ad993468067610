//! What a step can be given: one definition, of which the loader, the documentation and the schema for editors are made.

/// What a module is, and what it takes.
#[derive(Debug)]
pub struct Definition {
    /// The key of a step: `http`.
    pub name: &'static str,
    /// What it does, in a sentence.
    pub about: &'static str,
    /// The argument that a text alone stands for (`echo: 'x'`), if one does.
    pub short: Option<&'static str>,
    /// How its arguments are laid out.
    pub shape: Shape,
    /// What `OUTPUT` is afterwards, in a few words.
    pub output: &'static str,
}

/// How the arguments of a module are laid out.
#[derive(Debug)]
pub enum Shape {
    /// They stand beside `name` and `register`: `echo: {from: x, to: y}`.
    Arguments(&'static [Argument]),
    /// They stand below one of these keys: `http: {get: {url: x}}`.
    Commands(&'static [Command]),
    /// A check stands there: `check: {equals: {the: x, is: y}}`.
    Check,
}

/// One of the things that a module can do.
#[derive(Debug)]
pub struct Command {
    /// Its key: `get`.
    pub name: &'static str,
    /// What it does, in a sentence.
    pub about: &'static str,
    /// What it takes.
    pub arguments: &'static [Argument],
}

/// An argument.
#[derive(Debug, PartialEq, Eq)]
pub struct Argument {
    /// Its key.
    pub name: &'static str,
    /// What it means, in a sentence; with its default and unit.
    pub about: &'static str,
    /// What may stand there.
    pub kind: Kind,
    /// Whether it must be there.
    pub required: bool,
}

/// What may stand in the place of an argument. A template may stand for each of them but [`Kind::Steps`] and [`Kind::Check`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Anything.
    Any,
    /// A text, or a number that is taken as one.
    Text,
    /// A number.
    Number,
    /// True or false.
    Flag,
    /// Keys and values.
    Map,
    /// A list, or one value in its place.
    List,
    /// Keys and values, with these keys.
    Members(&'static [Argument]),
    /// A file in the folder of resources, which must be there.
    Resource,
    /// Names, each with such a file.
    Resources,
    /// A check.
    Check,
    /// Steps: one or a list.
    Steps,
    /// A command of a server, by its own name: the one key that is none of the other arguments, and what stands there. A map of the two.
    Command,
}

impl Argument {
    /// An argument that may be left out.
    #[must_use]
    pub const fn may(name: &'static str, kind: Kind, about: &'static str) -> Self {
        Self { name, about, kind, required: false }
    }

    /// An argument that must be there.
    #[must_use]
    pub const fn must(name: &'static str, kind: Kind, about: &'static str) -> Self {
        Self { name, about, kind, required: true }
    }
}

/// What every step takes beside the arguments of its module.
pub const COMMON: &[Argument] = &[
    Argument::may("name", Kind::Text, "What the step is called in reports."),
    Argument::may(
        "register",
        Kind::Map,
        "Variables to set afterwards: a name and a value each, in which OUTPUT is what came out.",
    ),
    Argument::may("ignore_errors", Kind::Flag, "The test goes on where this step fails."),
    Argument::may("tag", Kind::Text, "A word by which `run` of an include (`alias.tag`) and --tag choose steps."),
    Argument::may("skip_if", Kind::Check, "The step is left out where this holds."),
    Argument::may("run_if", Kind::Text, "In `finally`: `pass`, `fail` or `always`, which is the default."),
    Argument::may(
        "until",
        Kind::Map,
        "Ours: the step is tried again until it passes: `timeout` and `pause` in seconds (30 and 0.5), `factor` by which the pause grows (1.5), `fail_if` a check under which waiting is in vain.",
    ),
    Argument::may("actions", Kind::List, "Several of these steps, one after the other, each with its own arguments."),
];

/// Modules of Catcher that are left out for good, and what to use in their place.
pub const LEFT_OUT: [(&str, &str); 6] = [
    ("couchbase", "use `http` with its REST and query service"),
    ("oracle", "use `sh` with sqlplus"),
    ("salesforce", "use `http` with its REST API"),
    ("marketo", "use `http` with its REST API"),
    ("selenium", "use `sh` with the browser test's own runner"),
    ("compose", "start the services before the tests, or use `sh` with docker compose"),
];
