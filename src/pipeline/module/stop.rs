//! `stop`: the end of a test that has nothing more to do.

use async_trait::async_trait;

use super::definition::{Argument, Definition, Kind, Shape};
use super::{Call, Failure, Module};
use crate::pipeline::value::Value;
use crate::pipeline::world::World;

/// See the head of this file.
pub struct Stop;

static DEFINITION: Definition = Definition {
    name: "stop",
    about: "Ends the test as passed where a check holds.",
    short: None,
    shape: Shape::Arguments(&[Argument::must("if", Kind::Check, "The check.")]),
    output: "Nothing.",
};

#[async_trait]
impl Module for Stop {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    async fn act(&self, call: &Call<'_>, world: &mut World) -> Result<Value, Failure> {
        let condition = call.condition("if").ok_or_else(|| Failure::wrong("`if` is missing"))?;
        if condition.holds(world.scope()).map_err(Failure::failed)? {
            return Err(Failure::stopped("stopped here"));
        }
        Ok(Value::Null)
    }
}
