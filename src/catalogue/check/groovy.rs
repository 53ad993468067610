//! A Jenkinsfile's text with its strings and comments told from its code: enough to look for words, not to run it.

use std::ops::Range;

/// How deep strings in `${…}` of strings are followed.
const DEEPEST: usize = 8;

/// A Jenkinsfile.
pub struct Groovy {
    /// Its text, as long, with blanks in place of comments and of what stands in strings.
    pub code: String,
    /// The strings, in order.
    pub strings: Vec<Literal>,
    /// The blocks, each with where it opens and closes.
    blocks: Vec<Range<usize>>,
}

/// A string.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Literal {
    /// Where it stands, with its quotes.
    pub range: Range<usize>,
    /// What stands in it.
    pub text: String,
    /// `${…}` in it is evaluated.
    pub live: bool,
}

impl Groovy {
    /// Reads a text, whatever it holds.
    pub fn read(text: &str) -> Self {
        let mut code = text.as_bytes().to_vec();
        let mut strings = Vec::new();
        let bytes = text.as_bytes();
        let mut at = 0;
        while at < bytes.len() {
            let rest = &text[at..];
            if rest.starts_with("//") || (at == 0 && rest.starts_with("#!")) {
                let end = at + rest.find('\n').unwrap_or(rest.len());
                blank(&mut code, at..end);
                at = end;
            } else if let Some(comment) = rest.strip_prefix("/*") {
                let end = comment.find("*/").map_or(bytes.len(), |end| at + end + 4);
                blank(&mut code, at..end);
                at = end;
            } else if let Some(quote) = quote(rest, &text[..at]) {
                let end = string_end(text, at, quote, 0);
                let closed = if text[..end].ends_with(quote) { end.saturating_sub(quote.len()) } else { end };
                let inside = (at + quote.len()).min(end)..closed.max((at + quote.len()).min(end));
                let live = !quote.starts_with('\'');
                blank(&mut code, inside.clone());
                strings.push(Literal { range: at..end, text: text[inside].to_owned(), live });
                at = end;
            } else {
                at += rest.chars().next().map_or(1, char::len_utf8);
            }
        }
        let code = String::from_utf8_lossy(&code).into_owned();
        let blocks = blocks(&code);
        Self { code, strings, blocks }
    }

    /// The line of a place.
    pub fn line(&self, at: usize) -> usize {
        self.code[..at.min(self.code.len())].matches('\n').count() + 1
    }

    /// Where a word stands in the code: not as a part of another, and not as a member of something.
    pub fn words(&self, word: &str) -> Vec<usize> {
        self.names(word).filter(|at| !self.code[..*at].ends_with('.')).collect()
    }

    /// Where a name stands in the code, also as a member of something: not as a part of another.
    pub fn names(&self, name: &str) -> impl Iterator<Item = usize> {
        let part = |c: char| c.is_alphanumeric() || c == '_' || c == '$';
        let found = self.code.match_indices(name).map(|(at, _)| at);
        found.filter(move |at| !self.code[..*at].ends_with(part) && !self.code[at + name.len()..].starts_with(part))
    }

    /// The strings that are given as this argument: `playbook: '…'`.
    pub fn arguments<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Literal> {
        self.strings.iter().filter(move |string| {
            let before = self.code[..string.range.start].trim_end().strip_suffix(':').map(str::trim_end);
            before
                .and_then(|before| before.strip_suffix(name))
                .is_some_and(|before| !before.ends_with(char::is_alphanumeric))
        })
    }

    /// The name of the call in whose parentheses a place is; empty where it is in none.
    pub fn call_around(&self, at: usize) -> &str {
        let mut closed = 0_usize;
        for (place, c) in self.code[..at].char_indices().rev() {
            match c {
                ')' => closed += 1,
                '(' if closed == 0 => {
                    let before = self.code[..place].trim_end();
                    let name = before.trim_end_matches(|c: char| c.is_alphanumeric() || c == '_');
                    return &before[name.len()..];
                }
                '(' => closed -= 1,
                '{' | '}' => break,
                _ => {}
            }
        }
        ""
    }

    /// The blocks around a place, outermost first, each with what stands before its brace in that statement.
    pub fn around(&self, at: usize) -> Vec<(&str, &str)> {
        let mut around: Vec<_> = self.blocks.iter().filter(|block| block.contains(&at)).collect();
        around.sort_by_key(|block| block.start);
        let head = |block: &&Range<usize>| {
            let before = &self.code[..block.start];
            let start = before.rfind(['{', '}', ';']).map_or(0, |end| end + 1);
            (before[start..].trim(), &self.code[(*block).clone()])
        };
        around.iter().map(head).collect()
    }

    /// What is given to the step or directive whose name ends at this place: in parentheses, in braces, or up to the
    /// end of its line and of those that a comma leads to.
    pub fn given(&self, from: usize) -> &str {
        let rest = &self.code[from..];
        let begins = rest.len() - rest.trim_start().len();
        match rest.trim_start().chars().next() {
            Some('{') => {
                let block = self.blocks.iter().find(|block| block.start == from + begins);
                block.map_or(rest, |block| &self.code[from..block.end])
            }
            Some('(') => {
                let mut depth = 0_usize;
                for (at, c) in rest.char_indices() {
                    depth = match c {
                        '(' => depth + 1,
                        ')' => depth.saturating_sub(1),
                        _ => depth,
                    };
                    if c == ')' && depth == 0 {
                        return &rest[..at];
                    }
                }
                rest
            }
            _ => {
                let mut open = 0_usize;
                for (at, c) in rest.char_indices() {
                    open = match c {
                        '(' | '[' => open + 1,
                        ')' | ']' => open.saturating_sub(1),
                        _ => open,
                    };
                    if c == '\n' && open == 0 && !rest[..at].trim_end().ends_with(',') {
                        return &rest[..at];
                    }
                }
                rest
            }
        }
    }
}

/// The quote that a string begins with here; a slash is one only where no number or name is divided.
fn quote(rest: &str, before: &str) -> Option<&'static str> {
    let known = ["'''", "\"\"\"", "'", "\""].into_iter().find(|quote| rest.starts_with(quote));
    let slashy = || {
        let line = rest.lines().next().unwrap_or_default();
        let divides = before.trim_end_matches(' ').ends_with(|c: char| c.is_alphanumeric() || ")]}'\"_".contains(c));
        (rest.starts_with('/') && !divides && !before.is_empty() && line[1..].contains('/')).then_some("/")
    };
    known.or_else(slashy)
}

/// Where the string ends that begins at `at`: behind its quote, or where the line or the text ends.
fn string_end(text: &str, at: usize, quote: &str, depth: usize) -> usize {
    let mut here = at + quote.len();
    let mut braces = 0_usize;
    while here < text.len() {
        let rest = &text[here..];
        let c = rest.chars().next().unwrap_or_default();
        if c == '\\' {
            here += 1 + rest[1..].chars().next().map_or(0, char::len_utf8);
            continue;
        }
        if braces == 0 && rest.starts_with(quote) {
            return here + quote.len();
        }
        if braces == 0 && c == '\n' && quote.len() == 1 {
            return here;
        }
        if !quote.starts_with('\'') && braces == 0 && rest.starts_with("${") {
            braces = 1;
            here += 2;
            continue;
        }
        if braces > 0 {
            match c {
                '{' => braces += 1,
                '}' => braces -= 1,
                '\'' | '"' if depth < DEEPEST => {
                    here = string_end(text, here, if c == '"' { "\"" } else { "'" }, depth + 1);
                    continue;
                }
                _ => {}
            }
        }
        here += c.len_utf8();
    }
    text.len()
}

fn blank(code: &mut [u8], range: Range<usize>) {
    for byte in code[range].iter_mut().filter(|byte| **byte != b'\n') {
        *byte = b' ';
    }
}

fn blocks(code: &str) -> Vec<Range<usize>> {
    let (mut blocks, mut open) = (Vec::new(), Vec::new());
    for (at, c) in code.char_indices() {
        match c {
            '{' => open.push(at),
            '}' => blocks.extend(open.pop().map(|start| start..at + 1)),
            _ => {}
        }
    }
    blocks.extend(open.into_iter().map(|start| start..code.len()));
    blocks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_strings_and_comments_from_code() {
        let text = "// it's\ndef a = \"x ${b ? \"y\" : 'z'} /* \" + '\\'' /* input */\nsplit(/'/)\n";
        let groovy = Groovy::read(text);
        let strings: Vec<_> = groovy.strings.iter().map(|string| (string.text.as_str(), string.live)).collect();
        assert_eq!(strings, [("x ${b ? \"y\" : 'z'} /* ", true), ("\\'", false), ("'", true)]);
        assert!(groovy.words("input").is_empty());
        assert_eq!(groovy.line(groovy.words("split")[0]), 3);
        assert_eq!(groovy.code.len(), text.len());
    }

    #[test]
    fn finds_what_is_given_to_a_step_and_the_blocks_around_it() {
        let groovy = Groovy::read("a {\n  timeout(time: 3) {\n    x = input(message: 'm',\n      ok: f(1))\n  }\n}\n");
        let at = groovy.words("input")[0];
        assert_eq!(groovy.given(at + 5), "(message: ' ',\n      ok: f(1)");
        assert_eq!(groovy.call_around(groovy.words("message")[0]), "input");
        assert_eq!(groovy.call_around(groovy.words("f")[0]), "input");
        assert_eq!(groovy.call_around(at), "");
        assert_eq!(groovy.around(at).iter().map(|(head, _)| *head).collect::<Vec<_>>(), ["a", "timeout(time: 3)"]);
    }
}
