//! A set of the smallest kind: every file of a folder gets the same content, or every file keeps its own.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use firebreak::action::context::Context;
use firebreak::action::report::{Finding, Outcome};
use firebreak::action::runner::{
    Execution, Found, OneByOne, PLAIN, Recorded, Recovery, SetPlan, UNDOES, ValueChange, Values, Vocabulary, end_run,
};
use firebreak::action::{self, standard::Standard};
use firebreak::port::NoRemoteLock;

const USAGE: &str = include_str!("set_files.txt");
const WORDS: Vocabulary =
    Vocabulary { one: "file", many: "files", row: "file", value: "content", changed: "set", place: "folder", ..PLAIN };

#[derive(Debug, serde::Deserialize)]
struct Args {
    cmd_get: bool,
    cmd_undo: bool,
    cmd_resume: bool,
    arg_standard: Standard,
    flag_folder: PathBuf,
    flag_to: Option<String>,
    flag_run: Option<String>,
    flag_pace: u64,
}

struct Files(PathBuf, Duration);

#[async_trait]
impl Values for Files {
    async fn read(&self, name: &str) -> anyhow::Result<Option<String>> {
        Ok(std::fs::read_to_string(self.0.join(name)).ok())
    }
    async fn write(&self, name: &str, content: &str) -> anyhow::Result<()> {
        tokio::time::sleep(self.1).await;
        let new = self.0.join(format!(".{name}"));
        std::fs::write(&new, content)?;
        tokio::time::sleep(self.1).await;
        Ok(std::fs::rename(new, self.0.join(name))?)
    }
    async fn trouble(&self, _: &str, content: &str) -> Option<String> {
        (content == "sick").then(|| "it is sick".to_owned())
    }
    fn by_hand(&self, name: &str, content: &str) -> String {
        format!("printf %s '{content}' >'{}'", self.0.join(name).display())
    }
    fn look_into(&self, name: &str) -> String {
        format!("cat '{}'", self.0.join(name).display())
    }
}

async fn go(args: Args, context: Context) -> anyhow::Result<Finding> {
    let files = Files(args.flag_folder.clone(), Duration::from_millis(args.flag_pace));
    let files = OneByOne::new(files, context.journal.clone());
    let (folder, notifier) = (NoRemoteLock(args.flag_folder.display().to_string()), args.arg_standard.notifier()?);
    let scope = args.arg_standard.scope(&folder, WORDS, &notifier, &context)?;
    let (mut back, mut purpose) = (BTreeMap::new(), "to what is asked".to_owned());
    if args.cmd_undo || args.cmd_resume {
        let recovery = if args.cmd_undo { Recovery::Undo } else { Recovery::Resume };
        match recovery.find(args.flag_run.as_deref(), &scope).await? {
            Found::Nothing(finding) => return Ok(*finding),
            Found::Died(run) => return end_run(&scope, &files, &run, recovery).await,
            Found::Ended(run) => {
                let changes = Recorded::<ValueChange>::read(&run)?.changes().into_iter();
                (back, purpose) = (changes.map(|it| (it.id, it.before)).collect(), format!("{UNDOES}{}", run.id));
            }
        }
    }
    let to = args.flag_to.unwrap_or_default();
    let entries = std::fs::read_dir(&args.flag_folder)?.collect::<Result<Vec<_>, _>>()?;
    let names = entries.into_iter().map(|entry| entry.file_name().to_string_lossy().into_owned());
    // An undo is about the files of its run alone.
    let is_meant = |name: &String| if back.is_empty() { !name.starts_with('.') } else { back.contains_key(name) };
    let mut names: Vec<_> = names.filter(is_meant).collect();
    names.sort();
    let rows = files.rows(names, |name| back.get(name).unwrap_or(&to).clone()).await?;
    let announcement = format!("{} sets the files {purpose}", context.who);
    let plan = SetPlan::of(rows, purpose.clone(), format!("The plan: {purpose}"), announcement, WORDS);
    if args.cmd_get {
        let finding = Finding::new(Outcome::Done, WORDS.count(plan.rows.len()));
        return Ok(Finding { tables: vec![plan.table], ..finding });
    }
    context.journal.begin()?;
    if let Some(refusal) = scope.refusal()? {
        return Ok(refusal);
    }
    let execution = Execution { scope, port: &files, plan };
    execution.go(|| Finding::new(Outcome::NothingToDo, "every file is so already: nothing to do")).await
}

fn main() -> std::process::ExitCode {
    action::run(USAGE, go)
}
