//! The JSON Schema (draft 7, which editors know) of a test, made of the modules' definitions.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use super::module::MODULES;
use super::module::definition::{Argument, COMMON, Definition, Kind, Shape};
use crate::action::report::{Finding, Outcome, Table};

/// The schema on stdout, and nothing else.
#[must_use]
pub fn finding() -> Finding {
    let schema = schema();
    let text = serde_json::to_string_pretty(&schema).expect("a schema is plain data");
    let mut finding = Finding::new(Outcome::Done, String::new()).with("schema", schema);
    finding.tables = vec![Table::lines([text])];
    finding
}

/// The schema.
#[must_use]
pub fn schema() -> Value {
    let steps: Map<String, Value> =
        MODULES.iter().map(|module| (module.definition().name.to_owned(), step(module.definition()))).collect();
    let include = json!({
        "description": "A file whose steps and variables are had from it: by name alone, or with `as` to call it later by `run`.",
        "anyOf": [
            { "type": "string" },
            {
                "type": "object",
                "required": ["file"],
                "additionalProperties": false,
                "properties": {
                    "file": { "type": "string", "description": "The file." },
                    "as": { "type": "string", "description": "The name by which `run` calls it." },
                    "variables": { "type": "object", "description": "Variables for it, which win over its own." },
                    "run_on_include": { "description": "Whether it runs before the test: true unless it has `as`." },
                    "ignore_errors": { "description": "Taken as Catcher takes it: an include that fails fails the test." }
                }
            }
        ]
    });
    json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "A test of a data pipeline",
        "type": "object",
        "additionalProperties": false,
        "patternProperties": { "^x-": {} },
        "properties": {
            "include": { "anyOf": [include, { "type": "array", "items": include }] },
            "variables": { "type": "object", "description": "Variables, each of which sees those before it." },
            "steps": { "$ref": "#/definitions/steps", "description": "What is done, one after the other." },
            "finally": { "$ref": "#/definitions/steps", "description": "The clean-up: all of it, in this order, whatever becomes of the test." },
            "catch": { "$ref": "#/definitions/steps", "description": "What collects evidence where the test fails." },
            "ignore": { "$ref": "#/definitions/check", "description": "The test is left out where this holds." },
            "exclusive": { "type": "string", "description": "The name of what it shares: tests of one name do not run beside one another." }
        },
        "definitions": {
            "steps": { "anyOf": [{ "$ref": "#/definitions/step" }, { "type": "array", "items": { "$ref": "#/definitions/step" } }] },
            "step": { "type": "object", "minProperties": 1, "maxProperties": 1, "additionalProperties": false, "properties": steps },
            "check": check(),
        }
    })
}

fn check() -> Value {
    let pair = |yes: &str, no: &str| {
        json!({
            "type": "object",
            "required": ["the"],
            "additionalProperties": false,
            "properties": { "the": {}, yes: {}, no: {} },
        })
    };
    let list = json!({ "type": "array", "minItems": 1, "items": { "$ref": "#/definitions/check" } });
    let each = json!({
        "type": "object",
        "required": ["of"],
        "minProperties": 2,
        "maxProperties": 2,
        "properties": { "of": { "description": "A list, or a map; each item is ITEM." } },
    });
    json!({
        "anyOf": [
            { "type": ["string", "boolean", "number"] },
            {
                "type": "object",
                "minProperties": 1,
                "properties": {
                    "equals": { "description": "Both are the same: `{the, is}` or `{the, is_not}`; a template alone must be true.", "anyOf": [pair("is", "is_not"), { "type": ["string", "boolean", "number"] }] },
                    "contains": { "description": "One is in the other: `{the, in}` or `{the, not_in}`.", "anyOf": [pair("in", "not_in"), { "type": ["string", "number", "array"] }] },
                    "and": list,
                    "or": list,
                    "all": each,
                    "any": each,
                },
            },
        ]
    })
}

fn step(definition: &Definition) -> Value {
    let mut properties: Map<String, Value> = COMMON.iter().map(argument).collect();
    let own = match definition.shape {
        Shape::Arguments(arguments) => object(arguments),
        Shape::Commands(commands) => {
            let command = |command: &super::module::definition::Command| {
                let mut schema = object(command.arguments);
                schema["description"] = command.about.into();
                if !command.arguments.iter().any(|argument| argument.kind == Kind::Command) {
                    schema["additionalProperties"] = false.into();
                }
                (command.name.to_owned(), schema)
            };
            json!({ "properties": commands.iter().map(command).collect::<Map<_, _>>() })
        }
        Shape::Check => json!({ "properties": check()["anyOf"][1]["properties"] }),
    };
    if let Value::Object(own) = &own["properties"] {
        properties.extend(own.clone());
    }
    let body = json!({ "type": "object", "additionalProperties": false, "properties": properties });
    let mut any = vec![body];
    if definition.short.is_some() || matches!(definition.shape, Shape::Check) {
        any.push(json!({ "type": ["string", "number", "boolean"] }));
    }
    json!({ "description": format!("{} OUTPUT: {}", definition.about, definition.output), "anyOf": any })
}

fn object(arguments: &[Argument]) -> Value {
    // A command of a server has no key of its own.
    let named = || arguments.iter().filter(|argument| argument.kind != Kind::Command);
    let required: Vec<&str> = named().filter(|argument| argument.required).map(|argument| argument.name).collect();
    json!({ "type": "object", "required": required, "properties": named().map(argument).collect::<Map<_, _>>() })
}

/// An argument; a template is a text, and may stand for anything.
fn argument(argument: &Argument) -> (String, Value) {
    let mut schema = match argument.kind {
        Kind::Any | Kind::Command => json!({}),
        Kind::Text | Kind::Resource => json!({ "type": ["string", "number", "boolean"] }),
        Kind::Number => json!({ "type": ["number", "string"] }),
        Kind::Flag => json!({ "type": ["boolean", "string"] }),
        Kind::Map | Kind::Resources => json!({ "type": ["object", "string"] }),
        Kind::Members(members) => {
            let mut schema = object(members);
            schema["additionalProperties"] = false.into();
            schema["type"] = json!(["object", "string"]);
            schema
        }
        Kind::List => json!({ "type": ["array", "string"] }),
        Kind::Check => json!({ "allOf": [{ "$ref": "#/definitions/check" }] }),
        Kind::Steps => json!({ "allOf": [{ "$ref": "#/definitions/steps" }] }),
    };
    schema["description"] = argument.about.into();
    (argument.name.to_owned(), schema)
}

/// The modules with their arguments, as a page of the documentation shows them.
#[must_use]
pub fn markdown() -> String {
    let mut lines = Vec::new();
    for module in MODULES {
        let definition = module.definition();
        lines.push(format!("### `{}`\n\n{} `OUTPUT`: {}\n", definition.name, definition.about, definition.output));
        match definition.shape {
            Shape::Arguments(arguments) => lines.push(rows(arguments)),
            Shape::Commands(commands) => {
                let mut same: Vec<(Vec<&str>, &[Argument])> = Vec::new();
                for command in commands {
                    let known = same.iter_mut().find(|(_, arguments)| std::ptr::eq(*arguments, command.arguments));
                    match known {
                        Some((names, _)) => names.push(command.name),
                        None => same.push((vec![command.name], command.arguments)),
                    }
                }
                for (names, arguments) in same {
                    lines.push(format!("`{}`\n\n{}", names.join("`, `"), rows(arguments)));
                }
            }
            Shape::Check => {}
        }
    }
    lines.push(format!("### Every step\n\n{}", rows(COMMON)));
    lines.join("\n")
}

fn rows(arguments: &[Argument]) -> String {
    let row = |argument: &Argument| {
        let must = if argument.required { " (needed)" } else { "" };
        format!("| `{}`{must} | {} |\n", argument.name, argument.about.replace('|', "\\|"))
    };
    let mut text =
        format!("| argument | what it means |\n|---|---|\n{}", arguments.iter().map(row).collect::<String>());
    // What several take alike is told once.
    let mut told: Vec<(&[Argument], Vec<&str>)> = Vec::new();
    for argument in arguments {
        let Kind::Members(members) = argument.kind else { continue };
        match told.iter_mut().find(|(known, _)| *known == members) {
            Some((_, names)) => names.push(argument.name),
            None => told.push((members, vec![argument.name])),
        }
    }
    for (members, names) in told {
        let _ = write!(text, "\nEach of `{}` takes\n\n{}", names.join("`, `"), rows(members));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_of_the_documentation_has_what_the_definitions_say() {
        let page = include_str!("../../docs/pipelines.md");
        let (_, rest) = page.split_once("<!-- steps -->\n\n").expect("the beginning of the steps");
        let (steps, _) = rest.split_once("\n<!-- end -->").expect("their end");
        assert!(steps == markdown(), "docs/pipelines.md is to have between its marks:\n\n{}", markdown());
    }

    #[test]
    fn each_module_and_each_argument_is_in_the_schema_with_its_words() {
        let text = schema().to_string();
        for module in MODULES {
            let definition = module.definition();
            assert!(text.contains(&format!("\"{}\":{{\"description\"", definition.name)), "{}", definition.name);
        }
        assert!(COMMON.iter().all(|argument| text.contains(argument.name)));
    }
}
