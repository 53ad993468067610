//! The embedded Marathon against the real one's own descriptions (RAML, JSON schema, examples), where they are at
//! hand: `../shared/compat/marathon` beside the crate. They are not part of it; what is left out without them is told.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::PathBuf;

use firebreak::drill::marathon::fields;
use serde_json::{Value, json};

use super::{Api, start};

/// A file of Marathon's descriptions. None: they are not here, and `case` is left out.
fn description(file: &str, case: &str) -> Option<String> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/compat/marathon").join(file);
    let text = std::fs::read_to_string(&path).ok();
    if text.is_none() {
        // Straight to stderr: what a passing test prints would be swallowed, and nobody would know.
        let _ = writeln!(std::io::stderr(), "left out, for {} is not here: {case}", path.display());
    }
    text
}

fn example(file: &str, case: &str) -> Option<Value> {
    let text = description(&format!("examples/{file}"), case)?;
    Some(serde_json::from_str(&text).expect("an example that is JSON"))
}

fn keys(value: &Value) -> BTreeSet<&str> {
    value.as_object().expect("an object").keys().map(String::as_str).collect()
}

/// Everything in `part` stands in `whole` as well.
fn contains(whole: &Value, part: &Value, place: &str) {
    match part {
        Value::Object(part) => {
            for (name, value) in part {
                contains(&whole[name], value, &format!("{place}/{name}"));
            }
        }
        Value::Array(part) => {
            assert_eq!(whole.as_array().map(Vec::len), Some(part.len()), "{place}");
            for (index, value) in part.iter().enumerate() {
                contains(&whole[index], value, &format!("{place}/{index}"));
            }
        }
        part => assert_eq!(whole, part, "{place}"),
    }
}

/// The fields that the RAML gives a type.
fn raml(text: &str, from: &str) -> BTreeSet<String> {
    let body = text.split(&format!("\n  {from}:\n")).nth(1).expect("the type");
    let body = body.lines().take_while(|line| line.is_empty() || line.starts_with("   "));
    let fields = body.filter_map(|line| line.strip_prefix("      ").filter(|rest| !rest.starts_with(' ')));
    fields.filter_map(|line| Some(line.split_once(':')?.0.trim_end_matches('?').to_owned())).collect()
}

#[test]
fn it_knows_the_fields_that_marathon_knows() {
    let Some(text) = description("raml/types/app.raml", "the names of an application's fields") else { return };
    let mut known: BTreeSet<String> = fields().into_iter().map(str::to_owned).collect();
    // Read only.
    known.insert("versionInfo".to_owned());
    assert_eq!(known, raml(&text, "App"));
}

#[tokio::test]
async fn it_takes_marathons_own_examples() {
    let Some(mut app) = example("app.json", "PUT of the example of an application") else { return };
    let drill = start(&[]).await;
    let api = Api::marathon(&drill);
    app["container"]["docker"]["image"] = json!(format!("{}/billing:1.0.0-develop", drill.registry.address()));
    // The example holds both, which Marathon's own schema forbids.
    let both = api.put("/v2/apps/foo", &app).await;
    assert_eq!(
        (both.status, &both.body["details"][0]["errors"][0]),
        (422, &json!("must not specify both cmd and args"))
    );
    app.as_object_mut().expect("an application").remove("args");
    assert_eq!(api.put("/v2/apps/foo", &app).await.status, 201);
    let read = api.app("/foo").await;
    contains(&read, &app, "");

    let result = example("deployments_result.json", "the fields of a result").expect("as the first one");
    let changed = api.put("/v2/apps/bar", &json!({"cmd": "true"})).await;
    assert_eq!(keys(&changed.body), keys(&result));
    let list = example("app_list.json", "the fields of a list").expect("as the first one");
    let older = BTreeSet::from([
        "args",
        "cmd",
        "constraints",
        "container",
        "dependencies",
        "env",
        "healthChecks",
        "ports",
        "uris",
        "user",
    ]);
    let missing: BTreeSet<&str> = keys(&list["apps"][0]).difference(&keys(&read)).copied().collect();
    assert!(missing.is_subset(&older), "{missing:?}");
    let info = example("info.json", "the fields of /v2/info").expect("as the first one");
    assert_eq!(keys(&api.get("/v2/info").await.body), keys(&info));

    api.quiet().await;
    let create = example("apps_create.json", "PUT of an array").expect("as the first one");
    drill.faults.order("hang".parse().expect("a fault"));
    assert_eq!(api.put("/v2/apps", &create).await.status, 200);
    let running = api.get("/v2/deployments").await.body;
    let deployments = example("deployments.json", "the fields of a deployment").expect("as the first one");
    assert_eq!(running.as_array().map(Vec::len), Some(1));
    assert_eq!(keys(&running[0]), keys(&deployments[0]));
    assert_eq!(keys(&running[0]["currentActions"][0]), keys(&deployments[0]["currentActions"][0]));
    let first = |step: usize| running[0]["steps"][step]["actions"][0]["app"].as_str().expect("an id").to_owned();
    assert_eq!((first(0), first(1)), ("/test/sleep120".to_owned(), "/test/sleep60".to_owned()));
    let patch = example("apps_patch.json", "PATCH of an array").expect("as the first one");
    assert_eq!(api.patch("/v2/apps?force=true", &patch).await.status, 200);
    assert_eq!(api.app("/test/sleep60").await["cpus"], json!(0.3));
}

#[tokio::test]
async fn what_it_answers_fits_marathons_schema() {
    let case = "answers against the schema of an application";
    let Some(text) = description("json-schema/AppDefinition.json", case) else { return };
    let mut app = example("app.json", case).expect("beside the schema");
    app.as_object_mut().expect("an application").remove("args");
    let schema: Value = serde_json::from_str(&text).expect("a schema");
    let drill = start(&[]).await;
    let api = Api::marathon(&drill);
    assert_eq!(api.put("/v2/apps/foo", &app).await.status, 201);
    let read = api.app("/foo").await;
    let mut wrong = Vec::new();
    for (name, value) in read.as_object().expect("an application") {
        // Fields newer than the schema are not in it; the RAML knows those. Since 1.5 an unreachable strategy of 0 is
        // allowed; a secret of an older form and the fetcher's `destPath` are the example's own slips.
        if !["unreachableStrategy", "secrets", "fetch"].contains(&name.as_str()) {
            check(&schema["properties"][name], value, name, &mut wrong);
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[tokio::test]
async fn what_the_schema_forbids_is_refused() {
    let case = "values of a wrong type against the schema of an application";
    let Some(text) = description("json-schema/AppDefinition.json", case) else { return };
    let schema: Value = serde_json::from_str(&text).expect("a schema");
    let drill = start(&[]).await;
    let api = Api::marathon(&drill);
    for (name, field) in schema["properties"].as_object().expect("properties") {
        let wrong = match field["type"].as_str() {
            Some("string" | "number" | "integer" | "boolean") => json!([]),
            Some(_) => json!(1),
            None => continue,
        };
        let answer = api.put("/v2/apps/wrong", &json!({"cmd": "true", name: wrong})).await;
        assert!([400, 422].contains(&answer.status), "{name}: {answer:?}");
    }
    assert_eq!(api.get("/v2/apps/wrong").await.status, 404);
}

/// As much of JSON Schema as the schema of an application uses.
fn check(schema: &Value, value: &Value, place: &str, wrong: &mut Vec<String>) {
    let mut expect = |holds: bool, what: &str| {
        if !holds {
            wrong.push(format!("{place}: {what}: {value}"));
        }
    };
    let fits = match schema["type"].as_str() {
        Some("string") => value.is_string(),
        Some("number") => value.is_number(),
        Some("integer") => value.is_i64() || value.is_u64(),
        Some("boolean") => value.is_boolean(),
        Some("array") => value.is_array(),
        Some("object") => value.is_object(),
        _ => true,
    };
    expect(fits, "another type");
    if let Some(choices) = schema["enum"].as_array() {
        expect(choices.contains(value), "none of the choices");
    }
    for (bound, holds) in [("minimum", 1.0), ("maximum", -1.0)] {
        if let (Some(bound), Some(number)) = (schema[bound].as_f64(), value.as_f64()) {
            expect((number - bound) * holds >= 0.0, "out of bounds");
        }
    }
    for required in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        expect(value.get(required).is_some(), required);
    }
    for (name, field) in value.as_object().into_iter().flatten() {
        match schema["properties"].get(name) {
            Some(schema) => check(schema, field, &format!("{place}/{name}"), wrong),
            None if schema["additionalProperties"] == json!(false) => {
                wrong.push(format!("{place}/{name} is not known"));
            }
            None => {}
        }
    }
    if schema["items"].is_object() {
        for (index, item) in value.as_array().into_iter().flatten().enumerate() {
            check(&schema["items"], item, &format!("{place}/{index}"), wrong);
        }
    }
}
