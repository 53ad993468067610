//! Marked parts: what is derived in a file that a person writes as well. A part stands between
//! `<!-- derived: name -->` and `<!-- end -->`, each in a line of its own.

const END: &str = "<!-- end -->";

/// A marked part.
#[derive(Debug, Clone, PartialEq, Eq)]
struct MarkedPart<'a> {
    name: &'a str,
    /// Where its text begins and ends, in bytes.
    range: std::ops::Range<usize>,
}

/// Whether a text has marked parts.
#[must_use]
pub fn has_parts(text: &str) -> bool {
    !parts(text).is_empty()
}

/// `text` with each marked part as it is in `fresh`.
///
/// # Errors
/// Where `text` lacks a part, or has one that `fresh` does not know: its name, and what to do.
pub fn renew(text: &str, fresh: &str) -> Result<String, String> {
    let (old, new) = (parts(text), parts(fresh));
    if let Some(missing) = new.iter().find(|part| !old.iter().any(|other| other.name == part.name)) {
        return Err(format!(
            "the part '{0}' is missing: write the lines `<!-- derived: {0} -->` and `{END}` where it shall stand",
            missing.name
        ));
    }
    let mut renewed = String::with_capacity(fresh.len());
    let mut at = 0;
    for part in old {
        let Some(source) = new.iter().find(|other| other.name == part.name) else {
            return Err(format!("there is no part '{}' to derive: remove its two marks", part.name));
        };
        renewed += &text[at..part.range.start];
        renewed += &fresh[source.range.clone()];
        at = part.range.end;
    }
    renewed += &text[at..];
    Ok(renewed)
}

fn parts(text: &str) -> Vec<MarkedPart<'_>> {
    let mut parts = Vec::new();
    let mut open: Option<(&str, usize)> = None;
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let next = at + line.len();
        let mark = line.trim_end();
        if let Some(name) = mark.strip_prefix("<!-- derived: ").and_then(|rest| rest.strip_suffix(" -->")) {
            open = Some((name, next));
        } else if let Some((name, start)) = open.filter(|_| mark == END) {
            parts.push(MarkedPart { name, range: start..at });
            open = None;
        }
        at = next;
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRESH: &str = "# new\n<!-- derived: a -->\nA2\n<!-- end -->\n<!-- derived: b -->\nB2\n<!-- end -->\n";

    #[test]
    fn a_part_is_renewed_and_what_stands_around_it_is_kept() {
        let text = "# mine\n<!-- derived: b -->\nB1\n<!-- end -->\nkept\n<!-- derived: a -->\n<!-- end -->\nlast";
        let renewed =
            "# mine\n<!-- derived: b -->\nB2\n<!-- end -->\nkept\n<!-- derived: a -->\nA2\n<!-- end -->\nlast";
        assert_eq!(renew(text, FRESH).as_deref(), Ok(renewed));
        assert_eq!(renew(renewed, FRESH).as_deref(), Ok(renewed));
    }

    #[test]
    fn a_part_that_is_missing_or_unknown_is_named() {
        let missing = renew("<!-- derived: a -->\n<!-- end -->\n", FRESH).expect_err("a refusal");
        assert!(missing.starts_with("the part 'b' is missing"), "{missing}");
        let unknown = renew(&format!("{FRESH}<!-- derived: c -->\n<!-- end -->\n"), FRESH).expect_err("a refusal");
        assert_eq!(unknown, "there is no part 'c' to derive: remove its two marks");
    }
}
