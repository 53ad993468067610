//! Files with what they include: read whole, each once on its way, with no circle.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::read::Reader;
use super::{Include, Place, Problem, TestFile};
use crate::pipeline::scope::{BUILT_IN, Scope};
use crate::pipeline::value::Value;
use crate::yaml::{self, Node};

/// What a test file can have.
const ROOT: [&str; 7] = ["include", "variables", "steps", "finally", "ignore", "catch", "exclusive"];

/// What an include can have.
const INCLUDE: [&str; 5] = ["file", "as", "variables", "run_on_include", "ignore_errors"];

/// How deep files may include one another.
const DEEPEST: usize = 32;

/// Reads a test with all that it includes. Files are named from `folder`; `scope` has the variables that all tests have, and
/// `resources` is where resources are.
///
/// # Errors
/// All that is wrong with it, in the order of the files and lines: what the files say wrongly, and apart from that the variables that
/// nobody gives.
pub fn load(file: &str, folder: &Path, resources: &Path, scope: &Scope) -> Result<TestFile, Refused> {
    let mut loader = Loader { folder, above: Vec::new(), readers: Vec::new(), given: BTreeSet::new() };
    let place = Place { file: file.into(), line: 0, column: 0 };
    let (test, mut wrong) = match loader.file(file, &folder.join(file), &place) {
        Ok(test) => (Some(test), Vec::new()),
        Err(problem) => (None, vec![problem]),
    };
    let registered = test.as_ref().map(TestFile::registers).unwrap_or_default();
    let known = registered.iter().chain(&loader.given).map(String::as_str).chain(BUILT_IN);
    let known: BTreeSet<&str> = known.chain(scope.all().into_keys()).collect();
    let mut unknown = Vec::new();
    // What a step of any of the files writes may be what another one reads.
    if !loader.readers.iter().any(|reader| reader.writes) {
        let named = loader.readers.iter().flat_map(|reader| &reader.resources);
        wrong.extend(named.filter(|(name, _)| !resources.join(name).is_file()).map(|(name, place)| Problem {
            place: place.clone(),
            what: format!("there is no file {name} in the resources, {}", resources.display()),
        }));
    }
    for reader in &loader.readers {
        wrong.extend(reader.problems.iter().cloned());
        for (name, place) in reader.unknown_variables(&known) {
            let mut scope = scope.clone();
            scope.expect(loader.given.iter().chain(&registered).cloned());
            unknown.push(Problem { place, what: scope.unknown(&name) });
        }
    }
    wrong.sort();
    wrong.dedup();
    unknown.sort();
    unknown.dedup();
    match test {
        // One that is not to be run need not be right: what it includes or needs may not be there yet.
        Some(test) if is_ignored(&test) => Ok(TestFile { includes: Vec::new(), ..test }),
        Some(test) if wrong.is_empty() && unknown.is_empty() => Ok(test),
        _ => Err(Refused { wrong, unknown }),
    }
}

/// Whether it says by itself that it is not to be run, whatever the variables are.
fn is_ignored(test: &TestFile) -> bool {
    let Some(super::Condition::True(data)) = &test.ignore else { return false };
    data.fixed().is_some_and(|value| value.same(&true.into()))
}

/// What a text says wrongly, taken for a test that includes nothing that is there.
#[must_use]
pub fn inspect(text: &str) -> Vec<Problem> {
    let nowhere = Path::new("/nonexistent");
    let mut loader = Loader { folder: nowhere, above: Vec::new(), readers: Vec::new(), given: BTreeSet::new() };
    let mut reader = Reader::new("test.yaml");
    if let Some(node) = reader.document(text) {
        loader.test(&mut reader, &node, "test.yaml");
    }
    reader.problems
}

/// Why a test cannot be run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Refused {
    /// What the files say wrongly.
    pub wrong: Vec<Problem>,
    /// Variables that are used and that nobody gives: neither the files nor the inventory, the command line or the environment.
    pub unknown: Vec<Problem>,
}

struct Loader<'a> {
    folder: &'a Path,
    /// The files that are being read, the outermost first.
    above: Vec<PathBuf>,
    readers: Vec<Reader>,
    /// The variables that the files give.
    given: BTreeSet<String>,
}

impl Loader<'_> {
    /// Reads one file; the problem where it cannot be read at all stands where it is asked for.
    fn file(&mut self, shown: &str, path: &Path, asked: &Place) -> Result<TestFile, Problem> {
        let problem = |what: String| Problem { place: asked.clone(), what };
        let text = std::fs::read(path).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => problem(format!("there is no file {shown}")),
            _ => problem(format!("failed to read {shown}: {error}")),
        })?;
        let text = String::from_utf8(text).map_err(|_| problem(format!("{shown} is not UTF-8")))?;
        let real = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        if self.above.contains(&real) || self.above.len() >= DEEPEST {
            let names =
                self.above.iter().chain([&real]).map(|path| path.file_name().unwrap_or_default().to_string_lossy());
            let names: Vec<_> = names.collect();
            return Err(problem(format!("the includes go in a circle: {}", names.join(" → "))));
        }
        self.above.push(real);
        let mut reader = Reader::new(shown);
        let document = reader.document(&text);
        let parsed = document.map(|node| self.test(&mut reader, &node, shown));
        self.above.pop();
        self.readers.push(reader);
        Ok(parsed.unwrap_or_else(|| TestFile::empty(shown)))
    }

    fn test(&mut self, reader: &mut Reader, node: &Node, shown: &str) -> TestFile {
        let mut test = TestFile::empty(shown);
        for (name, key, value) in reader.members(node) {
            match name {
                "include" => test.includes = self.includes(reader, value),
                "variables" => test.variables = reader.variables(value),
                "steps" => test.steps = reader.steps(value),
                "finally" => test.finally = reader.steps(value),
                "catch" => test.catch = reader.steps(value),
                "ignore" => test.ignore = reader.condition(value),
                "exclusive" => test.exclusive = reader.plain_text(value, "`exclusive`"),
                name if name.starts_with("x-") => {}
                _ => reader.unknown(key, &ROOT, "a test"),
            }
        }
        if test.steps.is_empty() && test.includes.is_empty() && test.ignore.is_none() && reader.problems.is_empty() {
            reader.wrong(reader.whole(), "the file has no steps: a test that does nothing cannot pass");
        }
        self.given.extend(test.variables.iter().map(|(name, _)| name.clone()));
        let mut given = Vec::new();
        test.each_step(&mut |step| {
            for (name, field) in &step.fields {
                // What `run` gives to an include.
                if let (&"variables", super::Field::Data(super::Data { form: super::Form::Map(members), .. })) =
                    (name, field)
                {
                    given.extend(members.iter().filter_map(|(key, _)| key.fixed()?.text().map(str::to_owned)));
                }
            }
        });
        self.given.extend(given);
        test
    }

    fn includes(&mut self, reader: &mut Reader, node: &Node) -> Vec<Include> {
        let single = [node];
        let nodes: Vec<&Node> = match &node.value {
            yaml::Value::List(items) => items.iter().collect(),
            _ if node.is_null() => Vec::new(),
            _ => single.to_vec(),
        };
        let mut includes: Vec<Include> = Vec::new();
        for node in nodes {
            let Some(include) = self.include(reader, node) else { continue };
            if let Some(alias) = &include.alias
                && includes.iter().any(|other| other.alias.as_ref() == Some(alias))
            {
                reader.wrong(reader.place(node), format!("two includes have the name '{alias}'"));
            }
            includes.push(include);
        }
        includes
    }

    fn include(&mut self, reader: &mut Reader, node: &Node) -> Option<Include> {
        let (mut file, mut alias, mut variables, mut runs) = (None, None, Vec::new(), None);
        if matches!(node.value, yaml::Value::Map(_)) {
            for (name, key, value) in reader.members(node) {
                match name {
                    "file" => file = Some(value),
                    "as" => alias = reader.plain_text(value, "`as`"),
                    "variables" => variables = reader.variables(value),
                    "run_on_include" => runs = flag(reader, value),
                    "ignore_errors" => drop(flag(reader, value)),
                    _ => reader.unknown(key, &INCLUDE, "an include"),
                }
            }
        } else {
            file = Some(node);
        }
        let Some(file) = file else {
            reader.wrong(reader.place(node), "an include needs `file`");
            return None;
        };
        let place = reader.place(file);
        let name = reader.plain_text(file, "the file of an include")?;
        self.given.extend(variables.iter().map(|(name, _)| name.clone()));
        // From where the program runs, as ever; where nothing is there, beside the file that includes it.
        let beside = Path::new(&*reader.file).parent().map(|parent| parent.join(&name)).unwrap_or_default();
        let (shown, path) = match self.folder.join(&name) {
            path if path.exists() || !self.folder.join(&beside).exists() => (name, path),
            _ => (beside.display().to_string(), self.folder.join(&beside)),
        };
        match self.file(&shown, &path, &place) {
            Ok(test) => {
                let runs = runs.unwrap_or(alias.is_none());
                Some(Include { alias, variables, runs, test: Arc::new(test) })
            }
            Err(problem) => {
                reader.problems.push(problem);
                None
            }
        }
    }
}

fn flag(reader: &mut Reader, node: &Node) -> Option<bool> {
    if let Value::Bool(is) = super::scalar::value(node.text().unwrap_or_default(), true, None) {
        return Some(is);
    }
    reader.wrong(reader.place(node), "true or false is expected here");
    None
}
