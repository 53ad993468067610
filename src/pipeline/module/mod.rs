//! The modules: what a step can be.
//!
//! # How to add one
//!
//! A module is one file in this folder, behind the trait [`Module`], and one line in [`MODULES`]. It has
//!
//! 1. a `static DEFINITION: Definition`: its key, what it does, its commands and arguments. The loader refuses what is not in it,
//!    `schema` and `get` tell of it, and the page in docs is held against it: there is no second list.
//! 2. `act`: asks the [`Call`] for the arguments ([`Call::text`], [`Call::value`], [`Call::number`], ...), which are rendered with the
//!    variables of the test at that moment, does what it is for, and gives the value that becomes `OUTPUT`.
//! 3. errors that say whose they are ([`Failure`]): `failed` where what is tested is not as it should be, `unreachable` where it could
//!    not be asked, `wrong` where the file says what cannot be. That decides the exit code.
//!
//! What a module keeps for the length of a test (a connection, a session) is a type of its own behind [`World::state`]: it is
//! made on first use and dropped with the test. What came from outside is data: hand it on as a [`Value`], by
//! [`from_json`](super::value::from_json) where it is JSON. Texts that may hold a secret need no care: what is reported is
//! masked in one place. What acts with a driver takes addresses from `http::Names`, never from the C library.

mod check;
pub mod definition;
mod echo;
mod expect;
mod http;
mod iterate;
mod prepare;
mod rabbit;
mod redis;
mod request;
mod run;
mod s3;
mod settings;
mod sh;
mod stop;
mod wait;

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;

use super::file::{Condition, Data, Field, Place, Step};
use super::value::Value;
use super::world::World;
use crate::action::arguments::nearest;
use definition::{Definition, LEFT_OUT};
pub use echo::rendered;

/// No time that a test names is longer: nobody waits so long, and clocks cannot reckon with any number.
const LONGEST: Duration = Duration::from_hours(365 * 24);

/// What a step can be: see the head of this file.
#[async_trait]
pub trait Module: Send + Sync {
    /// What it is called and what it takes.
    fn definition(&self) -> &'static Definition;

    /// Does it, and gives what `OUTPUT` is then.
    ///
    /// # Errors
    /// How it ended otherwise than well.
    async fn act(&self, call: &Call<'_>, world: &mut World) -> Result<Value, Failure>;
}

/// All of them, in the order in which they are told of.
pub static MODULES: [&dyn Module; 16] = [
    &check::Check,
    &echo::Echo,
    &expect::Expect,
    &http::Http,
    &iterate::Loop,
    &request::MYSQL,
    &request::POSTGRES,
    &prepare::Prepare,
    &rabbit::Rabbit,
    &redis::Redis,
    &run::Run,
    &s3::S3,
    &sh::Shell,
    &request::SQLITE,
    &stop::Stop,
    &wait::Wait,
];

/// The module of this name.
///
/// # Errors
/// There is none: what there is instead.
pub fn named(name: &str) -> Result<&'static dyn Module, String> {
    let found = MODULES.iter().find(|module| module.definition().name == name);
    found.copied().ok_or_else(|| {
        let names: Vec<&str> = MODULES.iter().map(|module| module.definition().name).collect();
        if let Some((_, instead)) = LEFT_OUT.iter().find(|(left_out, _)| *left_out == name) {
            return format!("{name}: this module is left out: {instead}");
        }
        // Of so short a word something is always near.
        let near = nearest(name, names.iter().copied()).filter(|_| name.len() > 3);
        let near = near.map(|near| format!("the nearest is '{near}'; ")).unwrap_or_default();
        format!("{name}: no module of this name yet; {near}modules: {}", names.join(", "))
    })
}

/// A step that is about to act: which command, and with what.
#[derive(Debug)]
pub struct Call<'a> {
    /// The command; empty for a module without any.
    pub command: &'a str,
    /// Where the step stands.
    pub place: &'a Place,
    pub(super) fields: &'a [(&'static str, Field)],
}

impl Call<'_> {
    fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|(key, _)| *key == name).map(|(_, field)| field)
    }

    /// An argument as it stands in the file; none where it is not given.
    #[must_use]
    pub fn data(&self, name: &str) -> Option<&Data> {
        if let Some(Field::Data(data)) = self.field(name) { Some(data) } else { None }
    }

    /// The steps of an argument of that kind; none where it is not given.
    #[must_use]
    pub fn steps(&self, name: &str) -> &[Step] {
        if let Some(Field::Steps(steps)) = self.field(name) { steps } else { &[] }
    }

    /// The check of an argument of that kind.
    #[must_use]
    pub fn condition(&self, name: &str) -> Option<&Condition> {
        if let Some(Field::Check(condition)) = self.field(name) { Some(condition) } else { None }
    }

    /// The value of an argument with the variables of now; none where it is not given.
    ///
    /// # Errors
    /// When a template in it fails.
    pub fn value(&self, name: &str, world: &World) -> Result<Option<Value>, Failure> {
        self.data(name).map(|data| data.render(world.scope()).map_err(Failure::failed)).transpose()
    }

    /// The value of an argument that must be there.
    ///
    /// # Errors
    /// When it is not there, or a template in it fails.
    pub fn required(&self, name: &str, world: &World) -> Result<Value, Failure> {
        self.value(name, world)?.ok_or_else(|| Failure::wrong(format!("'{name}' is missing")))
    }

    /// A text; a number is taken as one. None where it is not given, or is nothing.
    ///
    /// # Errors
    /// When it is a list or a map, or a template in it fails.
    pub fn text(&self, name: &str, world: &World) -> Result<Option<String>, Failure> {
        match self.value(name, world)? {
            None | Some(Value::Null) => Ok(None),
            Some(value @ (Value::List(_) | Value::Map(_))) => {
                Err(Failure::wrong(format!("'{name}' is {}: a text is expected", value.kind())))
            }
            Some(value) => Ok(Some(value.to_string())),
        }
    }

    /// A number, as a text or not.
    ///
    /// # Errors
    /// When it is none, or a template in it fails.
    pub fn number(&self, name: &str, world: &World) -> Result<Option<f64>, Failure> {
        let Some(value) = self.value(name, world)? else { return Ok(None) };
        let number = value.number().or_else(|| Value::literal(value.text()?)?.number());
        let number = number.and_then(|number| number.to_string().parse().ok());
        number.map(Some).ok_or_else(|| Failure::wrong(format!("'{name}' is {}: a number is expected", value.repr())))
    }

    /// True or false, as a text or not; false where it is not given.
    ///
    /// # Errors
    /// When it is neither, or a template in it fails.
    pub fn flag(&self, name: &str, default: bool, world: &World) -> Result<bool, Failure> {
        let Some(value) = self.value(name, world)? else { return Ok(default) };
        match (value.same(&true.into()), value.same(&false.into())) {
            (true, _) => Ok(true),
            (_, true) => Ok(false),
            _ => Err(Failure::wrong(format!("'{name}' is {}: true or false is expected", value.repr()))),
        }
    }
}

/// A time of so many seconds, which a test can wait for.
///
/// # Errors
/// When it is below zero, or longer than a year.
pub fn time(seconds: f64) -> Result<Duration, Failure> {
    let time = Duration::try_from_secs_f64(seconds).ok().filter(|time| *time <= LONGEST);
    time.ok_or_else(|| {
        Failure::wrong(format!("{seconds} is no number of seconds, 0 to {} (a year)", LONGEST.as_secs()))
    })
}

/// How a step ended otherwise than well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Whose fault it is.
    pub fault: Fault,
    /// What happened, in a sentence.
    pub why: String,
    /// More lines to it: the rows that differ, what a program said.
    pub details: Vec<String>,
    /// The innermost step that it happened in, with its place; empty until that is known.
    pub at: String,
}

/// Whose fault a failure is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// What is tested is not as it should be.
    Failed,
    /// What is tested could not be asked.
    Unreachable,
    /// The file says what cannot be.
    Wrong,
    /// Nobody's: the test ends here, as passed.
    Stopped,
}

impl Failure {
    /// What is tested is not as it should be.
    #[must_use]
    pub fn failed(why: impl Into<String>) -> Self {
        Self { fault: Fault::Failed, why: why.into(), details: Vec::new(), at: String::new() }
    }

    /// What is tested could not be asked.
    #[must_use]
    pub fn unreachable(why: impl Into<String>) -> Self {
        Self { fault: Fault::Unreachable, ..Self::failed(why) }
    }

    /// The file says what cannot be.
    #[must_use]
    pub fn wrong(why: impl Into<String>) -> Self {
        Self { fault: Fault::Wrong, ..Self::failed(why) }
    }

    /// The test ends here, as passed.
    #[must_use]
    pub fn stopped(why: impl Into<String>) -> Self {
        Self { fault: Fault::Stopped, ..Self::failed(why) }
    }

    /// With more lines to it.
    #[must_use]
    pub fn with(mut self, details: impl IntoIterator<Item = String>) -> Self {
        self.details.extend(details);
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.at.as_str() {
            "" => f.write_str(&self.why),
            at => write!(f, "{} ({at})", self.why),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_not_below_zero_and_not_longer_than_a_year() {
        assert_eq!(time(0.5), Ok(Duration::from_millis(500)));
        for seconds in [-1.0, 4e7, 1e19, 1e300, f64::NAN] {
            let error = time(seconds).expect_err("a refusal");
            assert!(error.fault == Fault::Wrong && error.why.contains("(a year)"), "{error}");
        }
    }

    #[test]
    fn a_module_that_is_not_there_is_refused_by_name() {
        let error = |name: &str| named(name).err().expect("a refusal");
        assert_eq!(
            error("mongo"),
            "mongo: no module of this name yet; modules: check, echo, expect, http, loop, mysql, postgres, prepare, rabbit, redis, run, s3, sh, sqlite, stop, wait"
        );
        assert!(error("ecoh").contains("the nearest is 'echo'"), "{}", error("ecoh"));
        assert_eq!(error("oracle"), "oracle: this module is left out: use `sh` with sqlplus");
    }

    #[test]
    fn no_argument_is_named_twice_and_each_says_what_it_means() {
        use definition::{Argument, COMMON, Shape};
        for module in MODULES {
            let definition = module.definition();
            let own: Vec<&[Argument]> = match &definition.shape {
                Shape::Arguments(arguments) => vec![arguments, COMMON],
                Shape::Commands(commands) => commands.iter().map(|command| command.arguments).collect(),
                Shape::Check => vec![COMMON],
            };
            for arguments in
                own.iter().filter(|arguments| matches!(definition.shape, Shape::Commands(_)) || !arguments.is_empty())
            {
                for (at, argument) in arguments.iter().enumerate() {
                    assert!(argument.about.ends_with('.'), "{} {}", definition.name, argument.name);
                    assert!(arguments[at + 1..].iter().all(|other| other.name != argument.name), "{}", argument.name);
                }
            }
            assert!(definition.about.ends_with('.') && definition.output.ends_with('.'), "{}", definition.name);
        }
    }
}
