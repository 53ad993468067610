//! `loop`: steps again and again.

use async_trait::async_trait;

use super::definition::{Argument, Command, Definition, Kind, Shape};
use super::{Call, Failure, Module};
use crate::pipeline::file::items;
use crate::pipeline::scope::Layer;
use crate::pipeline::value::Value;
use crate::pipeline::world::World;

/// See the head of this file.
pub struct Loop;

static DEFINITION: Definition = Definition {
    name: "loop",
    about: "Does steps again and again.",
    short: None,
    shape: Shape::Commands(&[
        Command {
            name: "while",
            about: "As long as a check holds.",
            arguments: &[
                Argument::must("if", Kind::Check, "The check, made anew before each turn."),
                Argument::must("do", Kind::Steps, "The steps."),
                Argument::may(
                    "max_cycle",
                    Kind::Number,
                    "How often the turn may come again: at most so many turns and one more.",
                ),
            ],
        },
        Command {
            name: "foreach",
            about: "Once for each item, which is ITEM; of a map for each pair of key and value.",
            arguments: &[
                Argument::must("in", Kind::Any, "The items: a list or a map."),
                Argument::must("do", Kind::Steps, "The steps."),
            ],
        },
    ]),
    output: "Nothing.",
};

#[async_trait]
impl Module for Loop {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    async fn act(&self, call: &Call<'_>, world: &mut World) -> Result<Value, Failure> {
        let steps = call.steps("do");
        if call.command == "foreach" {
            let items = items(&call.required("in", world)?).map_err(Failure::failed)?;
            let before = world.scope.layer(Layer::Step).get("ITEM").cloned();
            let mut ended = Ok(());
            for item in items {
                world.set("ITEM", item);
                ended = world.within(steps, None).await;
                if ended.is_err() {
                    break;
                }
            }
            match before {
                Some(before) => world.set("ITEM", before),
                None => world.scope.remove(Layer::Step, "ITEM"),
            }
            return ended.map(|()| Value::Null);
        }
        let condition = call.condition("if").ok_or_else(|| Failure::wrong("`if` is missing"))?;
        let most = call.number("max_cycle", world)?;
        let mut again = 0.0;
        while condition.holds(world.scope()).map_err(Failure::failed)? {
            world.within(steps, None).await?;
            if most.is_some_and(|most| again >= most) {
                break;
            }
            again += 1.0;
            // A turn that waits for nothing must not keep others from theirs, nor an interrupt from being heard.
            tokio::task::yield_now().await;
        }
        Ok(Value::Null)
    }
}
