//! `redis`: any command of a Redis.

use std::collections::HashMap;

use async_trait::async_trait;
use num_bigint::BigInt;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::definition::{Argument, Command, Definition, Kind, Shape};
use super::settings::Settings;
use super::{Call, Failure, Module};
use crate::http::Address;
use crate::pipeline::value::{Value, from_json};
use crate::pipeline::world::World;
use crate::queue::{Commands, Reply};

/// See the head of this file.
pub struct Redis;

/// What has no single answer, or changes how answers are written.
const NO_STEP: [&str; 10] =
    ["SUBSCRIBE", "PSUBSCRIBE", "SSUBSCRIBE", "MONITOR", "SYNC", "PSYNC", "HELLO", "RESET", "QUIT", "CLIENT REPLY"];

static DEFINITION: Definition = Definition {
    name: "redis",
    about: "Has a Redis do a command, and gives its answer. The steps of a test share a connection, so that `multi` and `select` last.",
    short: None,
    shape: Shape::Commands(&[Command {
        name: "request",
        about: "Has it do a command.",
        arguments: &[
            Argument::may(
                "conf",
                Kind::Any,
                "The server: a map of `host`, `port`, `db`, `username`, `password`, or a URL (`rediss://` for TLS); `localhost:6379` where nothing is said.",
            ),
            Argument::must(
                "<command>",
                Kind::Command,
                "One command by its name, such as `get: key`, `set: {key: value}` or `lrange: [key, 0, -1]`; `config_get` is CONFIG GET, `delete` is DEL. Maps and lists within print as Python prints them.",
            ),
        ],
    }]),
    output: "The answer: JSON as what it says, a map or list as Python prints it likewise, nothing where there is no such key, true for OK.",
};

/// The connections of a test, by the URLs of their servers.
#[derive(Default)]
struct Connections(HashMap<String, Commands>);

#[async_trait]
impl Module for Redis {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    async fn act(&self, call: &Call<'_>, world: &mut World) -> Result<Value, Failure> {
        let Value::Map(command) = call.required("<command>", world)? else {
            return Err(Failure::wrong("a command is a key with what it takes"));
        };
        let (name, arguments) = command.0.first().ok_or_else(|| Failure::wrong("there is no command"))?;
        let (words, name) = words(&name.to_string(), arguments)?;
        let conf = call.value("conf", world)?.unwrap_or(Value::Null);
        world.confide("conf", &conf);
        let url = url(&conf)?;
        let kept = world.state::<Connections>().0.get(&url).cloned();
        let server = if let Some(server) = kept {
            server
        } else {
            let server = Commands::open(&Address::from(url.as_str()), &world.settings.trust).await?;
            world.state::<Connections>().0.insert(url, server.clone());
            server
        };
        Ok(value(server.ask(&words).await?, &name))
    }
}

/// The words of a command, and its name as the server knows it.
fn words(name: &str, arguments: &Value) -> Result<(Vec<Vec<u8>>, String), Failure> {
    let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
    if !is_name {
        return Err(Failure::wrong(format!("'{name}' is no command of Redis")));
    }
    let upper = name.to_ascii_uppercase();
    let name = match upper.strip_suffix("_RO") {
        Some(_) => upper,
        None if upper == "DELETE" => "DEL".to_owned(),
        None => upper.replace('_', " "),
    };
    if NO_STEP.contains(&name.as_str()) {
        return Err(Failure::wrong(format!("{name} is no command for a step: it has no answer of its own")));
    }
    let mut words: Vec<Vec<u8>> = name.split(' ').map(|word| word.as_bytes().to_vec()).collect();
    let items = if let Value::List(items) = arguments { items.as_slice() } else { std::slice::from_ref(arguments) };
    for item in items {
        match item {
            Value::Null => {}
            Value::Map(map) => {
                for (key, value) in &map.0 {
                    // As the client of Python takes it: of a sorted set each member with its score.
                    let pair = if name == "ZADD" { [value, key] } else { [key, value] };
                    words.extend(pair.map(bytes));
                }
            }
            Value::List(items) => words.extend(items.iter().map(bytes)),
            item => words.push(bytes(item)),
        }
    }
    Ok((words, name))
}

fn bytes(value: &Value) -> Vec<u8> {
    if let Value::Bytes(bytes) = value { bytes.clone() } else { value.to_string().into_bytes() }
}

/// What an answer is in a test.
fn value(answer: Reply, name: &str) -> Value {
    match answer {
        Reply::Nothing => Value::Null,
        Reply::Okay => true.into(),
        Reply::Integer(number) => Value::Integer(BigInt::from(number)),
        Reply::Text(text) => Value::Text(text),
        Reply::Bytes(bytes) => match String::from_utf8(bytes) {
            Ok(text) => from_json(&text)
                .or_else(|| Value::parse(&text).filter(|value| matches!(value, Value::List(_) | Value::Map(_))))
                .unwrap_or(Value::Text(text)),
            Err(error) => Value::Bytes(error.into_bytes()),
        },
        Reply::List(items) if ["HGETALL", "CONFIG GET"].contains(&name) => {
            let mut items = items.into_iter().map(|item| match item {
                // A name of a field is a text, whatever it reads like.
                Reply::Bytes(bytes) => Reply::Text(String::from_utf8_lossy(&bytes).into_owned()),
                other => other,
            });
            let mut members = Vec::new();
            while let (Some(key), Some(member)) = (items.next(), items.next()) {
                members.push((value(key, ""), value(stored(member), "")));
            }
            Value::map(members)
        }
        Reply::List(items) => Value::List(items.into_iter().map(|item| value(item, "")).collect()),
    }
}

fn stored(reply: Reply) -> Reply {
    if let Reply::Text(text) = reply { Reply::Bytes(text.into_bytes()) } else { reply }
}

/// The URL of a server.
fn url(conf: &Value) -> Result<String, Failure> {
    match conf {
        Value::Null => return Ok("redis://localhost:6379/0".to_owned()),
        Value::Text(url) if url.contains("://") => return Ok(url.clone()),
        Value::Text(text) => {
            let shown = crate::http::printable(text);
            return Err(Failure::wrong(format!("`conf` is '{shown}': a map, or redis://HOST:PORT/DB, is expected")));
        }
        _ => {}
    }
    let settings = Settings::read("conf", conf, &["host", "port", "db", "username", "password"])?;
    let encoded =
        |key: &str| utf8_percent_encode(&settings.text(key).unwrap_or_default(), NON_ALPHANUMERIC).to_string();
    let text = |key: &str, default: &str| settings.text(key).unwrap_or_else(|| default.to_owned());
    let user = match (settings.text("username"), settings.text("password")) {
        (None, None) => String::new(),
        _ => format!("{}:{}@", encoded("username"), encoded("password")),
    };
    Ok(format!("redis://{user}{}:{}/{}", text("host", "localhost"), text("port", "6379"), text("db", "0")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_its_words_however_they_are_written() {
        let of = |name: &str, arguments: &str| {
            let arguments = Value::parse(arguments).expect(arguments);
            let (words, _) = words(name, &arguments).map_err(|failure| failure.why)?;
            Ok::<_, String>(words.iter().map(|word| String::from_utf8_lossy(word)).collect::<Vec<_>>().join("|"))
        };
        for (name, arguments, expected) in [
            ("get", "'key'", "GET|key"),
            ("delete", "['a', 'b']", "DEL|a|b"),
            ("set", "{'key': {'a': 1, 'b': 'c'}}", "SET|key|{'a': 1, 'b': 'c'}"),
            ("mset", "{'a': 1, 'b': True}", "MSET|a|1|b|True"),
            ("zadd", "['z', {'a': 1, 'b': 2}]", "ZADD|z|1|a|2|b"),
            ("lrange", "['l', 0, -1]", "LRANGE|l|0|-1"),
            ("config_get", "'maxmemory'", "CONFIG|GET|maxmemory"),
            ("eval_ro", "['return 1', 0]", "EVAL_RO|return 1|0"),
            ("ping", "None", "PING"),
        ] {
            assert_eq!(of(name, arguments).as_deref(), Ok(expected), "{name}");
        }
        assert!(of("subscribe", "'x'").expect_err("a refusal").contains("no command for a step"));
        assert!(of("get key", "'x'").expect_err("a refusal").contains("no command of Redis"));
    }

    #[test]
    fn a_server_is_a_map_a_url_or_the_one_of_this_host() {
        let of = |conf: &str| url(&Value::parse(conf).expect(conf)).map_err(|failure| failure.why);
        assert_eq!(of("None").as_deref(), Ok("redis://localhost:6379/0"));
        assert_eq!(of("{'host': 'h', 'port': 1, 'db': 2}").as_deref(), Ok("redis://h:1/2"));
        assert_eq!(of("{'password': 'p@/w'}").as_deref(), Ok("redis://:p%40%2Fw@localhost:6379/0"));
        assert_eq!(of("'rediss://u:p@h/3'").as_deref(), Ok("rediss://u:p@h/3"));
        let error = of("{'hst': 'h'}").expect_err("a refusal");
        assert!(error.starts_with("'hst' is not known in `conf`: the nearest is 'host'"), "{error}");
        assert!(!of("'u:hunter2@h'").expect_err("a refusal").contains("hunter2"));
    }
}
