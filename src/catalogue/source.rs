//! Where a usage text stands: `const USAGE` of a program's Rust file, or `usage.txt` of an adopted role.

use anyhow::Context as _;
use std::path::PathBuf;

/// The place of a usage text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The file, below the toolkit's folder.
    pub path: PathBuf,
    /// The line of the file where the text begins, from 1.
    pub line: usize,
}

impl Source {
    /// The line of the file that holds this line of the text.
    #[must_use]
    pub fn line_of(&self, line: usize) -> usize {
        self.line + line - 1
    }
}

/// The usage text in a Rust file and the line where it begins; none where the file has no `const USAGE`.
///
/// # Errors
/// Where the file is no Rust.
pub fn usage_in_rust(code: &str) -> anyhow::Result<Option<(String, usize)>> {
    let file = syn::parse_file(code).context("it is no Rust")?;
    let usage = file.items.iter().find_map(|item| match item {
        syn::Item::Const(item) if item.ident == "USAGE" => Some(&*item.expr),
        _ => None,
    });
    match usage {
        Some(syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(text), .. })) => {
            Ok(Some((text.value(), text.span().start().line)))
        }
        Some(_) => anyhow::bail!("its USAGE is no plain text: write it as one literal"),
        None => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_usage_text_and_its_line() {
        let code = "//! A program.\n\nconst USAGE: &str = \"\nSay \\\"hello\\\".\n\";\nfn main() {}\n";
        assert_eq!(usage_in_rust(code).expect("Rust"), Some(("\nSay \"hello\".\n".to_owned(), 3)));
        assert_eq!(usage_in_rust("fn main() {}").expect("Rust"), None);
        let made = usage_in_rust("const USAGE: &str = concat!(\"a\");").expect_err("a refusal");
        assert_eq!(made.to_string(), "its USAGE is no plain text: write it as one literal");
    }
}
