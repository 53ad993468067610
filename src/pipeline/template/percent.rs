//! `'%s' % x` of Python: Jinja here has a filter of the same effect, so that is what is written in its place.

/// The template with each `%` behind a text in quotes written as the filter `format`.
pub(super) fn rewritten(source: &str) -> String {
    if !source.contains('%') || !source.contains("{{") && !source.contains("{%") {
        return source.to_owned();
    }
    let (mut written, mut rest) = (String::new(), source);
    // Only what stands between Jinja's braces is code.
    while let Some(open) = rest.find("{{").into_iter().chain(rest.find("{%")).min() {
        let (before, code) = rest.split_at(open);
        written.push_str(before);
        let close = if code.starts_with("{{") { "}}" } else { "%}" };
        let end = end_of(code, close).unwrap_or(code.len());
        code_of(&code[..end], close, &mut written);
        rest = &code[end..];
    }
    written + rest
}

/// Where the code ends, which is not within a text in quotes.
fn end_of(code: &str, close: &str) -> Option<usize> {
    let mut at = 2;
    while at < code.len() {
        let rest = &code[at..];
        if rest.starts_with(close) {
            return Some(at + 2);
        }
        at += if rest.starts_with(['\'', '"']) { quoted(rest) } else { rest.chars().next().map_or(1, char::len_utf8) };
    }
    None
}

/// How long the text in quotes at the beginning is.
fn quoted(text: &str) -> usize {
    let quote = text.chars().next().unwrap_or('"');
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return at + 1,
            _ => {}
        }
    }
    text.len()
}

fn code_of(code: &str, close: &str, written: &mut String) {
    let mut at = 0;
    while at < code.len() {
        let rest = &code[at..];
        if !rest.starts_with(['\'', '"']) {
            let c = rest.chars().next().unwrap_or(' ');
            written.push(c);
            at += c.len_utf8();
            continue;
        }
        let length = quoted(rest);
        written.push_str(&rest[..length]);
        at += length;
        let behind = code[at..].trim_start();
        let Some(operand) = behind.strip_prefix('%').filter(|_| !behind.starts_with(close)) else { continue };
        let operand = operand.trim_start();
        let length = primary(operand);
        if length == 0 {
            continue;
        }
        let (operand_text, after) = operand.split_at(length);
        let values = operand_text.strip_prefix('(').and_then(|text| text.strip_suffix(')'));
        written.push_str("|format(");
        // What stands there may have a `%` itself.
        code_of(
            values.filter(|_| balanced(operand_text) == operand_text.len()).unwrap_or(operand_text),
            close,
            written,
        );
        written.push(')');
        at = code.len() - after.len();
    }
}

/// How long the operand at the beginning is: a name, number, text or bracket, with what is called and looked up on it.
fn primary(text: &str) -> usize {
    let word = |text: &str| text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    let mut end = match text.chars().next() {
        Some('\'' | '"') => quoted(text),
        Some('(' | '[' | '{') => balanced(text),
        _ => word(text),
    };
    while end > 0 {
        let rest = &text[end..];
        end += match rest.chars().next() {
            Some('.') if word(&rest[1..]) > 0 => 1 + word(&rest[1..]),
            Some('(' | '[') => balanced(rest),
            _ => break,
        };
    }
    end
}

/// How long the bracket at the beginning is, with all in it.
fn balanced(text: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < text.len() {
        let rest = &text[at..];
        let c = rest.chars().next().unwrap_or(' ');
        match c {
            '\'' | '"' => {
                at += quoted(rest);
                continue;
            }
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth -= 1,
            _ => {}
        }
        at += c.len_utf8();
        if depth == 0 {
            return at;
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_percent_behind_a_text_is_the_filter_and_any_other_stays() {
        for (text, expected) in [
            ("{{ '%s' % x }}", "{{ '%s'|format(x) }}"),
            ("{{ '%s %s' % (a, b.c[0]) }}", "{{ '%s %s'|format(a, b.c[0]) }}"),
            ("{{ '%s' % x.strip() + 'y' }}", "{{ '%s'|format(x.strip()) + 'y' }}"),
            ("{{ '%s' % ('%s' % x) }}", "{{ '%s'|format('%s'|format(x)) }}"),
            ("'%s' % x {{ 5 % 3 }}", "'%s' % x {{ 5 % 3 }}"),
            ("{% if 'a' %}", "{% if 'a' %}"),
            ("{{ 'a' }} 100 % b", "{{ 'a' }} 100 % b"),
            ("{{ '}} %s' % x }}", "{{ '}} %s'|format(x) }}"),
        ] {
            assert_eq!(rewritten(text), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_gone_through(text in "[{}%'\"() a-cä\\\\.\\[\\]]*") {
            let _ = rewritten(&text);
        }
    }
}
