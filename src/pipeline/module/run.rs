//! `run`: the steps of an include, by its name.

use std::sync::Arc;

use async_trait::async_trait;
use indexmap::IndexMap;

use super::definition::{Argument, Definition, Kind, Shape};
use super::{Call, Failure, Module};
use crate::action::arguments::nearest;
use crate::pipeline::file::Include;
use crate::pipeline::scope::Layer;
use crate::pipeline::value::Value;
use crate::pipeline::world::{Leaves, World};

/// See the head of this file.
pub struct Run;

static DEFINITION: Definition = Definition {
    name: "run",
    about: "Runs the steps of an include (`include: {file, as}`), which sees the variables of the test and leaves it what it registers.",
    short: Some("include"),
    shape: Shape::Arguments(&[
        Argument::must(
            "include",
            Kind::Text,
            "The include's name; `name.tag` for those of its steps that have the tag.",
        ),
        Argument::may("variables", Kind::Map, "Variables for it, which win over all others."),
    ]),
    output: "Nothing.",
};

#[async_trait]
impl Module for Run {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    async fn act(&self, call: &Call<'_>, world: &mut World) -> Result<Value, Failure> {
        let name = call.required("include", world)?.to_string();
        let file = Arc::clone(&world.file);
        let aliases = file.aliases();
        let (include, tag) = match (aliases.get(name.as_str()), name.rsplit_once('.')) {
            (Some(include), _) => (*include, None),
            (None, Some((alias, tag))) => (*aliases.get(alias).ok_or_else(|| unknown(alias, &aliases))?, Some(tag)),
            (None, None) => return Err(unknown(&name, &aliases)),
        };
        if let Some(tag) = tag.filter(|tag| !include.test.steps.iter().any(|step| step.tag.as_deref() == Some(*tag))) {
            return Err(Failure::wrong(format!("no step of {} has the tag '{tag}'", include.test.file)));
        }
        let given = match call.value("variables", world)? {
            Some(Value::Map(map)) => map.0.into_iter().map(|(key, value)| (key.to_string(), value)).collect(),
            Some(Value::Null) | None => IndexMap::new(),
            Some(other) => return Err(Failure::wrong(format!("`variables` is {}: a map is expected", other.kind()))),
        };
        world.include(include, given, tag).await.map(|()| Value::Null)
    }
}

fn unknown(name: &str, aliases: &IndexMap<&str, &Include>) -> Failure {
    let near =
        nearest(name, aliases.keys().copied()).map(|near| format!("; the nearest is '{near}'")).unwrap_or_default();
    let known: Vec<&str> = aliases.keys().copied().collect();
    let known = if known.is_empty() { "there are none".to_owned() } else { format!("there are {}", known.join(", ")) };
    Failure::wrong(format!("no include has the name '{name}' (`include: {{file, as}}`){near}: {known}"))
}

impl World {
    /// Runs an include by name: it has its own variables, below those of the test, and what is given to it, above all others.
    async fn include(
        &mut self,
        include: &Include,
        given: IndexMap<String, Value>,
        tag: Option<&str>,
    ) -> Result<(), Failure> {
        let outer = self.scope.layer(Layer::Test).clone();
        self.enter(&include.test, Leaves::Registered(given.clone()));
        let prepared = self.prepare(include);
        for (name, value) in outer {
            self.scope.set(Layer::Test, &name, value);
        }
        for (name, value) in given {
            self.give(Layer::Registered, &name, value);
        }
        let ended = match prepared {
            Ok(()) => self.within(&include.test.steps, tag).await,
            Err(failure) => Err(failure),
        };
        self.leave();
        ended
    }
}
