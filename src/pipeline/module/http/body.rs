//! The body of a request: a text, JSON, a form, or files.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::super::echo::resource;
use super::super::{Call, Failure};
use super::header;
use crate::pipeline::template::uuid;
use crate::pipeline::value::{Map, Value, to_json};
use crate::pipeline::world::World;

/// The kind of a form.
const FORM: &str = "application/x-www-form-urlencoded";

/// The body and its kind.
pub(super) fn body(
    call: &Call<'_>,
    world: &World,
    headers: &[(String, String)],
) -> Result<(Option<Vec<u8>>, Option<String>), Failure> {
    let value = match (call.value("body", world)?, call.text("body_from_file", world)?, call.value("files", world)?) {
        (None, None, None) => return Ok((None, None)),
        (Some(value), None, None) => value,
        (None, Some(file), None) => Value::from(resource(&file, world)?),
        (fields, None, Some(files)) => return upload(fields.as_ref(), &files, world),
        _ => return Err(Failure::wrong("one of `body`, `body_from_file` and `files` is expected")),
    };
    let is_json = header(headers, "content-type").is_some_and(|kind| kind.contains("json"));
    Ok(match value {
        Value::Map(map) if !is_json => (Some(form(&map).into_bytes()), Some(FORM.to_owned())),
        value @ (Value::Map(_) | Value::List(_)) => {
            (Some(to_json(&value).into_bytes()), Some("application/json".to_owned()))
        }
        Value::Bytes(bytes) => (Some(bytes), None),
        Value::Null => (None, None),
        value => (Some(value.to_string().into_bytes()), None),
    })
}

/// A form, as a browser sends it; a list is its name several times.
fn form(map: &Map) -> String {
    let encode =
        |value: &Value| utf8_percent_encode(&value.to_string(), NON_ALPHANUMERIC).to_string().replace("%20", "+");
    let mut parts = Vec::new();
    for (key, value) in &map.0 {
        let values = if let Value::List(items) = value { items.as_slice() } else { std::slice::from_ref(value) };
        parts.extend(
            values
                .iter()
                .filter(|value| **value != Value::Null)
                .map(|value| format!("{}={}", encode(key), encode(value))),
        );
    }
    parts.join("&")
}

/// A form with files (RFC 7578), each as it lies there, byte by byte.
fn upload(fields: Option<&Value>, files: &Value, world: &World) -> Result<(Option<Vec<u8>>, Option<String>), Failure> {
    let boundary = uuid();
    let mut body = Vec::new();
    match fields {
        None | Some(Value::Null) => {}
        Some(Value::Map(map)) => {
            for (key, value) in &map.0 {
                let head = format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{}\"\r\n\r\n", quoted(key));
                body.extend_from_slice(head.as_bytes());
                match value {
                    Value::Bytes(bytes) => body.extend_from_slice(bytes),
                    other => body.extend_from_slice(other.to_string().as_bytes()),
                }
                body.extend_from_slice(b"\r\n");
            }
        }
        Some(other) => {
            let what = other.kind();
            return Err(Failure::wrong(format!("`body` is {what}: beside `files` it is a map of fields and values")));
        }
    }
    let single = std::slice::from_ref(files);
    for file in if let Value::List(items) = files { items.as_slice() } else { single } {
        let Value::Map(map) = file else {
            return Err(Failure::wrong("`files` is a map of a field and a file, or a list of them"));
        };
        let kind = map.get("type").map_or_else(|| "text/plain".to_owned(), Value::to_string);
        let found: Vec<_> = map.0.iter().filter(|(key, _)| key.text() != Some("type")).collect();
        let [(field, path)] = found.as_slice() else {
            return Err(Failure::wrong("each of `files` has one field with its file, and may have a `type`"));
        };
        let path = world.settings.resources.join(path.to_string());
        let content = std::fs::read(&path);
        let content = content.map_err(|error| Failure::wrong(format!("failed to read {}: {error}", path.display())))?;
        let name = Value::from(path.file_name().unwrap_or_default().to_string_lossy().into_owned());
        let (field, name, kind) = (quoted(field), quoted(&name), kind.replace(['\r', '\n'], " "));
        let head = format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"{field}\"; filename=\"{name}\"\r\nContent-Type: {kind}\r\n\r\n"
        );
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(&content);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    Ok((Some(body), Some(format!("multipart/form-data; boundary={boundary}"))))
}

/// A name between quotes, as browsers write it there (HTML, "multipart form data").
fn quoted(name: &Value) -> String {
    name.to_string().replace('"', "%22").replace('\r', "%0D").replace('\n', "%0A")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_is_a_form_and_a_list_its_name_several_times() {
        let Some(Value::Map(map)) = Value::parse("{'a': 'x y&', 'b': [1, 2], 'c': None}") else { panic!("a map") };
        assert_eq!(form(&map), "a=x+y%26&b=1&b=2");
    }

    #[test]
    fn a_name_ends_no_header() {
        assert_eq!(quoted(&Value::from("a\"b\r\nc")), "a%22b%0D%0Ac");
    }
}
