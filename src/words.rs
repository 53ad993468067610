//! Numbers and the words that they count.

use std::fmt::Display;

/// So many of something whose plural has an `s`: `1 date`, `2 dates`.
#[must_use]
pub fn counted(count: impl Copy + Display, one: &str) -> String {
    format!("{count} {}", of_them(count, one))
}

/// The word alone, `date` or `dates`, where something else stands between it and the number.
#[must_use]
pub fn of_them(count: impl Copy + Display, one: &str) -> String {
    format!("{one}{}", if count.to_string() == "1" { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_one_and_none_are_many() {
        let texts = [0, 1, 2, 1000].map(|count| counted(count, "date"));
        assert_eq!(texts, ["0 dates", "1 date", "2 dates", "1000 dates"]);
    }
}
