//! The filters that Catcher has beside Jinja's own.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest as _, Md5};
use minijinja::{Environment, Error, ErrorKind, Value as Jinja};
use sha1::Sha1;
use sha2::{Sha224, Sha256, Sha384, Sha512};

use super::convert::{from_jinja, to_jinja};
use crate::pipeline::value::{Decimal, Value};
use crate::words::hexadecimal as hex;

/// Adds them.
pub(super) fn add(jinja: &mut Environment<'_>) {
    jinja.add_filter("hash", |value: Jinja, algorithm: Option<&str>| hash(&value, algorithm));
    jinja.add_filter("b64encode", |value: Jinja| STANDARD.encode(bytes(&value)));
    jinja.add_filter("b64decode", |text: &str| {
        let bytes = STANDARD.decode(text.trim()).map_err(|error| wrong(format!("this is no base64: {error}")))?;
        String::from_utf8(bytes).map_err(|_| wrong("what is in this base64 is no text".to_owned()))
    });
    jinja.add_filter("asint", |value: Jinja| as_integer(&said(&value)));
    jinja.add_filter("asfloat", |value: Jinja| as_decimal(&said(&value)));
    jinja.add_filter("aslist", |value: Jinja| as_list(&said(&value)));
    jinja.add_filter("astuple", |value: Jinja| as_list(&said(&value)));
    jinja.add_filter("asdict", |value: Jinja| match said(&value) {
        map @ Value::Map(_) => Ok(to_jinja(&map)),
        other => Err(no(&other, "a map")),
    });
    jinja.add_filter("asstr", |value: Jinja| said(&value).to_string());
    // Jinja's own escapes what HTML would take for its marks; what is sent is JSON.
    jinja.add_filter("tojson", |value: Jinja| crate::pipeline::value::to_json(&from_jinja(&value)));
}

fn wrong(what: String) -> Error {
    Error::new(ErrorKind::InvalidOperation, what)
}

fn no(value: &Value, what: &str) -> Error {
    wrong(format!("{} is not {what}", value.repr()))
}

/// What a value says: a text that says a number, list or map is that.
fn said(value: &Jinja) -> Value {
    match from_jinja(value) {
        Value::Text(text) => Value::read(&text),
        other => other,
    }
}

fn bytes(value: &Jinja) -> Vec<u8> {
    match from_jinja(value) {
        Value::Bytes(bytes) => bytes,
        other => other.to_string().into_bytes(),
    }
}

fn as_integer(value: &Value) -> Result<Jinja, Error> {
    match value {
        Value::Integer(_) => Ok(to_jinja(value)),
        Value::Bool(is) => Ok(Jinja::from(i64::from(*is))),
        // Python cuts off what stands behind the point.
        Value::Decimal(number) => {
            let text = number.to_string();
            let whole = text.split_once('.').filter(|(_, rest)| !rest.contains('e')).map(|(whole, _)| whole);
            whole.and_then(Value::literal).map(|value| to_jinja(&value)).ok_or_else(|| no(value, "an integer"))
        }
        Value::Text(text) => {
            // `007` is a text, and 7 where a number is asked for.
            let digits = text.trim().trim_start_matches('+');
            let number = digits.parse::<num_bigint::BigInt>().map_err(|_| no(value, "an integer"))?;
            Ok(to_jinja(&Value::Integer(number)))
        }
        other => Err(no(other, "an integer")),
    }
}

fn as_decimal(value: &Value) -> Result<Jinja, Error> {
    let number = value.number().or_else(|| {
        let number = value.text()?.trim().trim_start_matches('+').parse::<f64>().ok()?;
        Decimal::of(number)
    });
    number.map(|number| to_jinja(&Value::Decimal(number))).ok_or_else(|| no(value, "a number"))
}

fn as_list(value: &Value) -> Result<Jinja, Error> {
    match value {
        Value::List(_) => Ok(to_jinja(value)),
        Value::Map(map) => Ok(to_jinja(&Value::List(map.0.keys().cloned().collect()))),
        Value::Text(text) => Ok(to_jinja(&Value::List(text.chars().map(|c| Value::from(c.to_string())).collect()))),
        other => Err(no(other, "a list")),
    }
}

fn hash(value: &Jinja, algorithm: Option<&str>) -> Result<String, Error> {
    let bytes = bytes(value);
    Ok(match algorithm.unwrap_or("md5") {
        "md5" => hex(&Md5::digest(bytes)),
        "sha1" => hex(&Sha1::digest(bytes)),
        "sha224" => hex(&Sha224::digest(bytes)),
        "sha256" => hex(&Sha256::digest(bytes)),
        "sha384" => hex(&Sha384::digest(bytes)),
        "sha512" => hex(&Sha512::digest(bytes)),
        other => {
            return Err(wrong(format!("'{other}' is no hash: known are md5, sha1, sha224, sha256, sha384 and sha512")));
        }
    })
}
