//! `echo`: a value, as it is for people, for `register`, or for a file.

use std::path::Path;

use async_trait::async_trait;

use super::definition::{Argument, Definition, Kind, Shape};
use super::{Call, Failure, Module};
use crate::pipeline::scope::Scope;
use crate::pipeline::template::Template;
use crate::pipeline::value::Value;
use crate::pipeline::world::{Settings, World};

/// See the head of this file.
pub struct Echo;

static DEFINITION: Definition = Definition {
    name: "echo",
    about: "Gives a value, to be registered, shown or written to a file.",
    short: Some("from"),
    shape: Shape::Arguments(&[
        Argument::may("from", Kind::Any, "The value."),
        Argument::may(
            "from_file",
            Kind::Resource,
            "A file in the resources, which is a template itself; in the place of `from`.",
        ),
        Argument::may("to", Kind::Text, "A file to write it to; folders on its way are made."),
    ]),
    output: "The value.",
};

#[async_trait]
impl Module for Echo {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    async fn act(&self, call: &Call<'_>, world: &mut World) -> Result<Value, Failure> {
        let value = match (call.text("from_file", world)?, call.value("from", world)?) {
            (Some(file), None) => Value::from(resource(&file, world)?),
            (None, Some(value)) => value,
            _ => return Err(Failure::wrong("one of `from` and `from_file` is expected")),
        };
        if let Some(to) = call.text("to", world)? {
            let path = world.settings.folder.join(&to);
            write(&path, &value).map_err(|error| Failure::failed(format!("failed to write {to}: {error}")))?;
        }
        Ok(value)
    }
}

/// The text of a file in the resources, which is a template itself.
///
/// # Errors
/// When there is no such file, or the template fails.
pub(super) fn resource(file: &str, world: &World) -> Result<String, Failure> {
    resource_with(file, &world.settings, world.scope())
}

/// The same, with other variables.
///
/// # Errors
/// As [`resource`].
pub(super) fn resource_with(file: &str, settings: &Settings, scope: &Scope) -> Result<String, Failure> {
    let path = settings.resources.join(file);
    let text = std::fs::read_to_string(&path);
    let text = text.map_err(|error| Failure::wrong(format!("failed to read {}: {error}", path.display())))?;
    if Template::is_one(&text) { rendered(file, &text, scope) } else { Ok(text) }
}

/// The text that a file's template gives.
///
/// # Errors
/// When it is none, or fails.
pub fn rendered(file: &str, text: &str, scope: &Scope) -> Result<String, Failure> {
    let template = Template::new(text).map_err(|why| Failure::wrong(format!("{file} is no template: {why}")))?;
    template.text(scope).map_err(|why| Failure::failed(format!("{file}: {why}")))
}

fn write(path: &Path, value: &Value) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    match value {
        Value::Bytes(bytes) => std::fs::write(path, bytes),
        other => std::fs::write(path, other.to_string()),
    }
}
