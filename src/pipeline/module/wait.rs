//! `wait`: a time, or until steps pass.

use async_trait::async_trait;

use super::definition::{Argument, Definition, Kind, Shape};
use super::{Call, Failure, Fault, Module, time};
use crate::pipeline::value::Value;
use crate::pipeline::world::World;

/// See the head of this file.
pub struct Wait;

/// Units, in seconds.
const UNITS: [(&str, f64); 7] = [
    ("days", 86_400.0),
    ("hours", 3_600.0),
    ("minutes", 60.0),
    ("seconds", 1.0),
    ("milliseconds", 1e-3),
    ("microseconds", 1e-6),
    ("nanoseconds", 1e-9),
];

/// Seconds between two tries where nothing is said.
const PAUSE: f64 = 0.5;

static DEFINITION: Definition = Definition {
    name: "wait",
    about: "Waits for a time; with `for`, at most that time until its steps pass.",
    short: None,
    shape: Shape::Arguments(&[
        Argument::may("days", Kind::Number, "Days to wait."),
        Argument::may("hours", Kind::Number, "Hours to wait."),
        Argument::may("minutes", Kind::Number, "Minutes to wait."),
        Argument::may("seconds", Kind::Number, "Seconds to wait."),
        Argument::may("milliseconds", Kind::Number, "Milliseconds to wait."),
        Argument::may("microseconds", Kind::Number, "Microseconds to wait."),
        Argument::may("nanoseconds", Kind::Number, "Nanoseconds to wait."),
        Argument::may(
            "for",
            Kind::Steps,
            "Steps that are tried again, all of them with the variables of the beginning, until all pass.",
        ),
        Argument::may("pause", Kind::Number, "Ours: seconds between two tries, 0.5 where nothing is said."),
    ]),
    output: "Nothing.",
};

#[async_trait]
impl Module for Wait {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    async fn act(&self, call: &Call<'_>, world: &mut World) -> Result<Value, Failure> {
        let mut seconds = 0.0;
        for (unit, length) in UNITS {
            seconds += call.number(unit, world)?.unwrap_or(0.0) * length;
        }
        let (limit, pause) = (time(seconds)?, time(call.number("pause", world)?.unwrap_or(PAUSE))?);
        let steps = call.steps("for");
        if steps.is_empty() {
            tokio::time::sleep(limit).await;
            return Ok(Value::Null);
        }
        let deadline = tokio::time::Instant::now() + limit;
        let before = world.here();
        loop {
            let at = world.records.len();
            let ended = tokio::time::timeout_at(deadline, world.within(steps, None)).await;
            let failure = match ended {
                Ok(Ok(())) => return Ok(Value::Null),
                Ok(Err(failure)) if matches!(failure.fault, Fault::Stopped | Fault::Wrong) => return Err(failure),
                Ok(Err(failure)) => failure,
                Err(_) => {
                    world.back(&before);
                    Failure::failed("a step was still under way")
                }
            };
            if tokio::time::Instant::now() + pause >= deadline {
                return Err(Failure { why: format!("not within {seconds} seconds: {}", failure.why), ..failure });
            }
            // The next try begins as the first did; only the last one is told of.
            world.scope = before.scope.clone();
            world.records.truncate(at);
            tokio::time::sleep(pause).await;
        }
    }
}
