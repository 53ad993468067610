//! Rules over roles, and over what is derived.

use std::path::{Path, PathBuf};

use pulldown_cmark::{Event, Parser, Tag};

use super::stock::Stock;
use super::{Violation, nearest};
use crate::catalogue::Program;
use crate::catalogue::help::held_against_help;
use crate::catalogue::sync::Comparison;

/// A role's folder that no program has.
pub fn without_text(stock: &Stock) -> Vec<Violation> {
    let known = |name: &str| stock.texts.iter().any(|text| text.name == name);
    let violation = |name: &String| {
        let near = nearest(name, stock.texts.iter().map(|text| text.name.as_str()));
        let fix = near.map_or_else(
            || format!("write roles/{name}/usage.txt, or make it of a program by `firebreak adopt`"),
            |near| format!("call it roles/{near}"),
        );
        Violation::at(&Path::new("roles").join(name), 1, "no usage text belongs to this role", fix)
    };
    stock.folders.iter().filter(|name| !known(name)).map(violation).collect()
}

/// An adopted program that says otherwise than its usage text, asked by `--help`. One that needs Python packages is not
/// asked here, since they would be installed each time: `firebreak adopt` asks it.
pub fn otherwise(stock: &Stock) -> Vec<Violation> {
    let alone = |program: &&Program| program.adopted.as_ref().is_some_and(|it| it.requirements.is_none());
    let mut violations = Vec::new();
    for program in stock.toolkit.programs.iter().filter(alone) {
        let path = &program.source.path;
        match held_against_help(&stock.toolkit, program) {
            Ok(odd) => violations.extend(odd.into_iter().map(|odd| {
                Violation::at(path, odd.line, odd.why, "say what the program says, then call `firebreak sync`")
            })),
            Err(error) => {
                let finding = format!("{error:#}").lines().next().unwrap_or_default().to_owned();
                violations.push(Violation::at(path, 1, finding, "make the program print a docopt text by `--help`"));
            }
        }
    }
    violations
}

/// A program with `get` and `run` that has no role.
pub fn missing(stock: &Stock) -> Vec<Violation> {
    let lacking = stock.texts.iter().filter(|text| text.role.is_some() && !stock.folders.contains(&text.name));
    let violation = |text: &super::stock::Text| {
        text.violation(1, format!("there is no roles/{}, though it looks and acts", text.name), "call `firebreak sync`")
    };
    lacking.map(violation).collect()
}

/// A derived file that is out of date.
pub fn stale(stock: &Stock) -> Vec<Violation> {
    let Some(Ok(Comparison { stale, orphans, .. })) = &stock.derived else { return Vec::new() };
    let violation = |file: &crate::catalogue::sync::Stale| {
        let finding = match (&file.old, &file.new) {
            (None, _) => "this derived file is missing",
            (_, None) => "nothing derives this file any more",
            _ => "it is not as the usage texts and templates say",
        };
        Violation::at(
            &file.path,
            first_difference(file.old.as_deref(), file.new.as_deref()),
            finding,
            "call `firebreak sync`",
        )
    };
    let left = |path: &PathBuf| {
        Violation::at(
            path,
            1,
            "nothing derives this file any more",
            "remove it: git does not have it, so `sync` does not",
        )
    };
    // Where only the line ends differ, a rule of their own names them.
    let differs = |file: &&crate::catalogue::sync::Stale| {
        let old = file.old.as_ref().filter(|old| old.contains("\r\n")).map(|old| old.replace("\r\n", "\n"));
        old.is_none() || old != file.new
    };
    stale.iter().filter(differs).map(violation).chain(orphans.iter().map(left)).collect()
}

fn first_difference(old: Option<&str>, new: Option<&str>) -> usize {
    let (Some(old), Some(new)) = (old, new) else { return 1 };
    let same = old.lines().zip(new.lines()).take_while(|(old, new)| old == new).count();
    (same + 1).min(old.lines().count().max(1))
}

/// A file that lacks a marked part, or has one too many.
pub fn parts(stock: &Stock) -> Vec<Violation> {
    let Some(Ok(Comparison { unmarked, .. })) = &stock.derived else { return Vec::new() };
    let violation = |file: &crate::catalogue::sync::Unmarked| {
        let (finding, fix) = file.why.split_once(": ").unwrap_or((&file.why, "see `firebreak sync`"));
        Violation::at(&file.path, 1, finding, fix)
    };
    unmarked.iter().map(violation).collect()
}

/// A template that cannot be rendered.
pub fn templates(stock: &Stock) -> Vec<Violation> {
    let Some(Err(why)) = &stock.derived else { return Vec::new() };
    // Below its first line the renderer draws the place, which a table cannot hold.
    let first = why.lines().next().unwrap_or_default();
    let mut parts = first.splitn(3, ':');
    let named = parts.next().filter(|file| file.starts_with("templates/"));
    let line = parts.next().and_then(|line| line.parse().ok());
    let (file, line, finding) = match (named, line, parts.next()) {
        (Some(file), Some(line), Some(finding)) => (file, line, finding.trim()),
        (named, ..) => (named.unwrap_or("templates"), 1, first),
    };
    vec![Violation::at(Path::new(file), line, finding, "fix it: until then nothing can be derived")]
}

/// A link of a README, or of another text beside it, that leads nowhere.
pub fn links(stock: &Stock) -> Vec<Violation> {
    let mut texts: Vec<PathBuf> =
        stock.files("roles").into_iter().filter(|path| !path.iter().any(|part| part == "files")).collect();
    let top = std::fs::read_dir(&stock.toolkit.root).into_iter().flatten().flatten();
    texts.extend(top.map(|entry| PathBuf::from(entry.file_name())));
    texts.sort();
    let mut violations = Vec::new();
    for path in texts.iter().filter(|path| path.extension().is_some_and(|extension| extension == "md")) {
        let Ok(text) = std::fs::read_to_string(stock.path(path)) else { continue };
        for (event, range) in Parser::new(&text).into_offset_iter() {
            let Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) = event else { continue };
            let target = dest_url.split(['#', '?']).next().unwrap_or_default();
            // An address of the web, of mail, or a place in this very text.
            if target.is_empty()
                || target.starts_with("//")
                || target.split('/').next().is_some_and(|part| part.contains(':'))
            {
                continue;
            }
            let decoded = percent_encoding::percent_decode_str(target).decode_utf8_lossy();
            let from = if decoded.starts_with('/') { Path::new("") } else { path.parent().unwrap_or(Path::new("")) };
            if !stock.path(&from.join(decoded.trim_start_matches('/'))).exists() {
                let line =
                    text[..range.start].lines().count().max(1) + usize::from(text[..range.start].ends_with('\n'));
                violations.push(Violation::at(
                    path,
                    line,
                    format!("the link leads nowhere: {target}"),
                    "name a file that is there",
                ));
            }
        }
    }
    violations
}

/// A file in a role's `files` that nothing names.
pub fn not_copied(stock: &Stock) -> Vec<Violation> {
    let mut violations = Vec::new();
    for name in &stock.folders {
        let folder = Path::new("roles").join(name);
        let own = stock.roles.iter().find(|role| role.name == *name);
        let own: Vec<&str> = own.map_or(Vec::new(), |role| {
            let alone = [Some(role.program.as_str()), role.requirements.as_deref()];
            alone.into_iter().flatten().chain(role.beside.iter().map(String::as_str)).collect()
        });
        let texts: Vec<&str> = stock.yaml_below(&folder).map(|file| file.text.as_str()).collect();
        // What copies whole folders, or what a variable names, is not followed.
        let all = texts.iter().any(|text| ["fileglob", "filetree", "files/"].iter().any(|word| text.contains(word)));
        for path in stock.files(&folder.join("files").to_string_lossy()) {
            let shown = path.strip_prefix(folder.join("files")).unwrap_or(&path);
            let mut parts = shown.iter().map(|part| part.to_string_lossy().into_owned());
            let hidden = parts.clone().any(|part| part.starts_with('.'));
            let named = parts.any(|part| own.contains(&part.as_str()) || texts.iter().any(|text| text.contains(&part)));
            if !hidden && !named && !all {
                violations.push(Violation::at(
                    &path,
                    1,
                    "no task copies this file",
                    "copy it in the role's tasks, or remove it",
                ));
            }
        }
    }
    violations
}
