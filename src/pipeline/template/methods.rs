//! Python's methods on texts, beside those that minijinja's own `pycompat` has.

use minijinja::value::{Kwargs, ValueKind, from_args};
use minijinja::{Error, ErrorKind, State, Value};

/// Calls a method that Jinja does not know by itself.
pub(super) fn call(state: &mut State<'_, '_>, value: &Value, method: &str, args: &[Value]) -> Result<Value, Error> {
    if value.is_undefined() {
        return Err(Error::from(ErrorKind::UndefinedError));
    }
    if value.kind() == ValueKind::String
        && let Some(text) = value.as_str()
        && let Some(result) = on_text(text, method, args)
    {
        return result;
    }
    if let (Some(bytes), "decode") = (value.as_bytes(), method) {
        let text = std::str::from_utf8(bytes);
        return text.map(Value::from).map_err(|_| wrong("these bytes are no text in UTF-8".to_owned()));
    }
    minijinja_contrib::pycompat::unknown_method_callback(state, value, method, args).map_err(|error| {
        if error.kind() == ErrorKind::UnknownMethod {
            return wrong(format!("{} has no method '{method}' here", value.kind()));
        }
        error
    })
}

fn wrong(what: String) -> Error {
    Error::new(ErrorKind::InvalidOperation, what)
}

/// How long a text may become.
const LONGEST: usize = 1_000_000;

fn on_text(text: &str, method: &str, args: &[Value]) -> Option<Result<Value, Error>> {
    let padded = |place: fn(usize) -> usize| {
        let (width, fill): (usize, Option<&str>) = from_args(args)?;
        let fill = fill.unwrap_or(" ").chars().next().unwrap_or(' ');
        let missing = width.min(LONGEST).saturating_sub(text.chars().count());
        let left = place(missing);
        let fill = |count| std::iter::repeat_n(fill, count).collect::<String>();
        Ok(Value::from(format!("{}{text}{}", fill(left), fill(missing - left))))
    };
    let without = |cut: fn(&str, &str) -> String| {
        let (part,): (&str,) = from_args(args)?;
        Ok(Value::from(cut(text, part)))
    };
    Some(match method {
        "zfill" => from_args(args).map(|(width,): (usize,)| {
            let (sign, digits) = text.strip_prefix('-').map_or(("", text), |digits| ("-", digits));
            let zeros = width.min(LONGEST).saturating_sub(text.chars().count());
            Value::from(format!("{sign}{}{digits}", "0".repeat(zeros)))
        }),
        "encode" => match from_args::<(Option<&str>, Kwargs)>(args) {
            Ok((encoding, _)) if encoding.is_none_or(|name| name.replace('-', "").eq_ignore_ascii_case("utf8")) => {
                Ok(Value::from_bytes(text.as_bytes().to_owned()))
            }
            Ok((encoding, _)) => Err(wrong(format!("'{}' is not known: only utf-8 is", encoding.unwrap_or_default()))),
            Err(error) => Err(error),
        },
        "ljust" => padded(|_| 0),
        "rjust" => padded(|missing| missing),
        "center" => padded(|missing| missing / 2),
        "swapcase" => Ok(Value::from(
            text.chars()
                .flat_map(|c| {
                    if c.is_uppercase() { c.to_lowercase().collect::<Vec<_>>() } else { c.to_uppercase().collect() }
                })
                .collect::<String>(),
        )),
        "casefold" => Ok(Value::from(text.to_lowercase())),
        "removeprefix" => without(|text, part| text.strip_prefix(part).unwrap_or(text).to_owned()),
        "removesuffix" => without(|text, part| text.strip_suffix(part).unwrap_or(text).to_owned()),
        "partition" => from_args(args).map(|(part,): (&str,)| {
            let (before, after) = text.split_once(part).map_or((text, None), |(before, after)| (before, Some(after)));
            [before, after.map_or("", |_| part), after.unwrap_or("")].into_iter().map(Value::from).collect()
        }),
        "rsplit" => from_args(args).map(|(part, limit): (Option<&str>, Option<usize>)| {
            let limit = limit.map_or(usize::MAX, |limit| limit.saturating_add(1));
            let mut parts: Vec<&str> = match part {
                Some(part) => text.rsplitn(limit, part).collect(),
                None => text.rsplitn(limit, char::is_whitespace).filter(|part| !part.is_empty()).collect(),
            };
            parts.reverse();
            parts.into_iter().map(Value::from).collect()
        }),
        "index" => from_args(args).and_then(|(part,): (&str,)| {
            let at = text.find(part).map(|at| Value::from(text[..at].chars().count()));
            at.ok_or_else(|| wrong(format!("'{part}' is not in '{text}'")))
        }),
        _ => return None,
    })
}
