//! `check`: what must hold.

use async_trait::async_trait;

use super::definition::{Definition, Shape};
use super::{Call, Failure, Module};
use crate::pipeline::value::Value;
use crate::pipeline::world::World;

/// See the head of this file.
pub struct Check;

static DEFINITION: Definition = Definition {
    name: "check",
    about: "Fails unless something holds: a template that is true, `equals`, `contains`, `and`, `or`, `all` or `any`.",
    short: None,
    shape: Shape::Check,
    output: "Nothing.",
};

#[async_trait]
impl Module for Check {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    async fn act(&self, call: &Call<'_>, world: &mut World) -> Result<Value, Failure> {
        let condition = call.condition("check").ok_or_else(|| Failure::wrong("there is nothing to check"))?;
        match condition.refusal(world.scope()).map_err(Failure::failed)? {
            None => Ok(Value::Null),
            Some(why) => Err(Failure::failed(why)),
        }
    }
}
