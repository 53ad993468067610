//! The headings of a text and what stands below each.

use super::Section;

pub(super) fn sections(text: &str) -> Vec<Section> {
    let mut sections: Vec<Section> = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        if let Some(heading) = heading(line) {
            sections.push(Section { heading: heading.to_owned(), line: number, text: String::new() });
        } else if !line.starts_with(' ') && !line.is_empty() {
            // A paragraph at the margin belongs to no section.
            sections.push(Section::default());
        } else if let Some(section) = sections.last_mut() {
            section.text.push_str(line);
            section.text.push('\n');
        }
    }
    sections.retain(|section| !section.heading.is_empty());
    for section in &mut sections {
        section.text = dedent(&section.text);
    }
    sections
}

/// The heading that a line is: a line at the margin that ends with a colon.
pub(super) fn heading(line: &str) -> Option<&str> {
    line.strip_suffix(':').filter(|text| !text.starts_with(' ') && !text.is_empty())
}

/// The lines without what they are indented by in common, and without empty lines around them.
fn dedent(text: &str) -> String {
    let indent = |line: &&str| line.len() - line.trim_start().len();
    let least = text.lines().filter(|line| !line.trim().is_empty()).map(|line| indent(&line)).min().unwrap_or(0);
    let lines: Vec<_> = text.lines().map(|line| line.get(least..).unwrap_or_default()).collect();
    lines.join("\n").trim_matches('\n').to_owned()
}
