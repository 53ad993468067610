//! `sh`: a program on this host.

use async_trait::async_trait;

use super::definition::{Argument, Definition, Kind, Shape};
use super::{Call, Failure, Module};
use crate::pipeline::value::{Value, from_json};
use crate::pipeline::world::World;
use crate::process;

/// See the head of this file.
pub struct Shell;

/// A variable that is longer is not handed on: the system refuses a program with too large an environment.
const LONGEST: usize = 100_000;

static DEFINITION: Definition = Definition {
    name: "sh",
    about: "Runs a program, with the variables of the test as its environment. Words are split as a shell splits them; there is no shell, so for pipes write `sh -c '...'`.",
    short: Some("command"),
    shape: Shape::Arguments(&[
        Argument::must("command", Kind::Text, "The program and its words."),
        Argument::may("path", Kind::Text, "The folder that it runs in."),
        Argument::may("return_code", Kind::Number, "The exit code that it must have, 0 where nothing is said."),
    ]),
    output: "What it printed: JSON as what it says, any other text as it is.",
};

#[async_trait]
impl Module for Shell {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    async fn act(&self, call: &Call<'_>, world: &mut World) -> Result<Value, Failure> {
        let command = call.required("command", world)?.to_string();
        let words = shlex::split(&command).filter(|words| !words.is_empty());
        let words =
            words.ok_or_else(|| Failure::wrong(format!("'{command}' is no command line: is a quote not closed?")))?;
        let folder = call
            .text("path", world)?
            .map_or_else(|| world.settings.folder.clone(), |path| world.settings.folder.join(path));
        let expected = call.number("return_code", world)?.unwrap_or(0.0);
        let mut variables = world.settings.environment.clone();
        for (name, value) in world.scope().all() {
            let text = value.to_string();
            let is_name = !name.is_empty() && !name.contains(['=', '\0']);
            if is_name && text.len() < LONGEST && !text.contains('\0') {
                variables.push((name.to_owned(), text));
            }
        }
        let ended = process::run_with(&words[0], &words[1..], &variables, &folder).await;
        let ended = ended.map_err(|error| Failure::failed(format!("{error:#}")))?;
        let code = ended.code.map_or_else(|| "a signal".to_owned(), |code| code.to_string());
        if ended.code.map(f64::from) != Some(expected) {
            let said = ended.stderr.lines().chain(ended.stdout.lines()).map(str::to_owned).collect::<Vec<_>>();
            let last = ended.stderr.trim().lines().last().map(|line| format!(": {line}")).unwrap_or_default();
            let tail = said.len().saturating_sub(20);
            return Err(Failure::failed(format!("`{command}` ended with {code}, not {expected}{last}"))
                .with(said.into_iter().skip(tail)));
        }
        Ok(from_json(&ended.stdout).unwrap_or(Value::Text(ended.stdout)))
    }
}
