//! The lines that describe options, read by docopt's own rules (crate docopt 1.1.1, `parse.rs`: `parse_desc`,
//! `parse_default`), and the tags that only the manual knows.

use super::Opt;
use super::names::is_placeholder;

/// The tags at the end of a description, in the order in which they stand.
pub const TAGS: [&str; 6] = ["env", "choices", "keeps", "found", "secret", DEFAULT];

/// The one that docopt knows as well.
const DEFAULT: &str = "default";

/// The spellings in a line that describes an option.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Spelling {
    pub short: Option<String>,
    pub long: Option<String>,
    pub placeholder: Option<String>,
    pub apart: bool,
    pub repeats: bool,
}

/// What docopt takes a line for.
pub(super) enum Line<'a> {
    /// An option's description begins: its spellings and what stands behind them.
    Option(Spelling, &'a str),
    /// It looks like an option's description, and docopt passes over it.
    PassedOver,
    /// Anything else.
    Other,
}

/// Reads a line outside of the usage section.
pub(super) fn line(line: &str) -> Result<Line<'_>, String> {
    let text = line.trim();
    let text = match text.get(..8) {
        Some(heading) if heading.eq_ignore_ascii_case("options:") => text[8..].trim_start(),
        _ => text,
    };
    if text.strip_prefix('-').and_then(|rest| rest.chars().next()).is_none_or(char::is_whitespace) {
        return Ok(Line::Other);
    }
    let (names, description) = text.split_once("  ").unwrap_or((text, ""));
    let spelling = Spelling::read(names.trim())?;
    match &spelling.short {
        Some(short) if short == "--" => Err("`--` is no option that can be described".to_owned()),
        Some(short) if short.chars().count() != 2 => Ok(Line::PassedOver),
        Some(short) if !short.is_ascii() => {
            Err(format!("{short} cannot be an option: a short name is a letter of a-z"))
        }
        _ => Ok(Line::Option(spelling, description.trim())),
    }
}

impl Spelling {
    fn read(text: &str) -> Result<Self, String> {
        // `-x, --xyz` is read as `-x --xyz`.
        let comma = text.match_indices(", -").find(|(place, _)| {
            text[..*place].chars().next_back().is_some_and(|before| before != '-' && !before.is_whitespace())
        });
        let text =
            comma.map_or_else(|| text.to_owned(), |(place, _)| format!("{}{}", &text[..place], &text[place + 1..]));
        let mut spelling = Self::default();
        let mut rest = text.as_str();
        // docopt looks for the next name wherever it stands, and only minds what is left behind the last.
        while let Some(start) = rest.find('-') {
            let name_end = rest[start..].find([' ', '\t', '=']).map_or(rest.len(), |end| start + end);
            let name = &rest[start..name_end];
            if name == "-" {
                // A dash alone, which ends no search: go on behind it.
                let Some(next) = rest[start + 1..].find('-') else { break };
                rest = &rest[start + 1 + next..];
                continue;
            }
            if name.contains(char::is_whitespace) {
                return Err(format!("'{name}' holds a space that is none to docopt: type plain spaces"));
            }
            spelling.add(name)?;
            rest = spelling.read_value(name, &rest[name_end..])?;
            if let Some(behind) = rest.strip_prefix(" ...") {
                spelling.repeats = true;
                rest = behind;
            }
        }
        if rest.is_empty() {
            return Ok(spelling);
        }
        Err(format!(
            "'{}' is read as part of the option's name: two spaces must stand before the description, and a line of \
             prose cannot begin with `-`",
            rest.trim()
        ))
    }

    fn add(&mut self, name: &str) -> Result<(), String> {
        let (kind, place) = if name.starts_with("--") && name.len() > 2 {
            ("long", &mut self.long)
        } else {
            ("short", &mut self.short)
        };
        match place.replace(name.to_owned()) {
            Some(first) => Err(format!(
                "an option has one {kind} name, and here are two, {first} and {name}: two spaces must stand before the \
                 description"
            )),
            None => Ok(()),
        }
    }

    /// Reads the placeholder behind a name, and returns what follows it.
    fn read_value<'a>(&mut self, name: &str, rest: &'a str) -> Result<&'a str, String> {
        let Some(value) =
            rest.strip_prefix([' ', '=']).filter(|value| !value.is_empty() && !value.starts_with(['.', '-']))
        else {
            return Ok(rest);
        };
        let first = value.chars().next().map_or(0, char::len_utf8);
        let end = value[first..].find(char::is_whitespace).map_or(value.len(), |end| first + end);
        let (word, behind) = value.split_at(end);
        if is_placeholder(word) {
            self.placeholder = Some(word.to_owned());
            self.apart = rest.starts_with(' ');
            return Ok(behind);
        }
        let hint = if word.contains('<') {
            "without a space in it and nothing behind it"
        } else {
            "and put two spaces before the description"
        };
        Err(format!("'{word}' is no name for the value of {name}: write `<name>` {hint}"))
    }
}

/// The default in a line, and the line without it. docopt reads on to the last bracket of the line.
pub(super) fn default(line: &str) -> Option<(&str, String)> {
    const TAG: &str = "[default:";
    let bytes = line.as_bytes();
    let start = bytes.windows(TAG.len()).position(|part| part.eq_ignore_ascii_case(TAG.as_bytes()))?;
    let value = start + TAG.len();
    let end = value + line[value..].rfind(']')?;
    Some((line[value..end].trim(), format!("{}{}", line[..start].trim_end(), &line[end + 1..])))
}

impl Opt {
    /// Moves the tags at the end of the description into their fields.
    pub(super) fn take_tags(&mut self) {
        // A full stop behind them ends the sentence before them.
        if self.description.ends_with("].") {
            self.description.pop();
        }
        while let Some(open) = self.description.strip_suffix(']').and_then(|text| text.rfind('[')) {
            let tag = self.description[open + 1..self.description.len() - 1].to_owned();
            match tag.split_once(':').map_or((tag.as_str(), ""), |(name, value)| (name, value.trim())) {
                ("choices", value) => self.choices = value.split_whitespace().map(str::to_owned).collect(),
                ("env", value) => self.environment = Some(value.to_owned()),
                ("keeps", value) => self.keeps = Some(value.to_owned()),
                ("found", value) => self.found = Some(value.to_owned()),
                ("secret", "") => self.secret = true,
                _ => return,
            }
            self.description.truncate(open);
            self.description.truncate(self.description.trim_end().len());
        }
    }

    /// Its tags as they are written, in their order.
    #[must_use]
    pub fn tags(&self) -> Vec<String> {
        let value = |name: &str| match name {
            "env" => self.environment.clone(),
            "choices" => (!self.choices.is_empty()).then(|| self.choices.join(" ")),
            "keeps" => self.keeps.clone(),
            "found" => self.found.clone(),
            _ => self.default.clone(),
        };
        let written = |name: &&str| match *name {
            "secret" => self.secret.then(|| begin(name)),
            name => value(name).map(|value| format!("{} {value}]", begin(name))),
        };
        TAGS.iter().filter_map(written).collect()
    }
}

/// What a tag begins with; one that has no value ends there too.
fn begin(tag: &str) -> String {
    if tag == "secret" { "[secret]".to_owned() } else { format!("[{tag}:") }
}

/// Whether a text has a tag that only the manual knows, or a heading that may give options to commands.
pub(crate) fn has_tags(text: &str) -> bool {
    let mut own = TAGS.iter().filter(|tag| **tag != DEFAULT);
    own.any(|tag| text.contains(&begin(tag)))
        || text.contains("[--]")
        || text
            .lines()
            .any(|line| line.ends_with(':') && line.starts_with(char::is_alphabetic) && line.contains(" of "))
}
