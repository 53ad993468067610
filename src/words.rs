//! Numbers and the words that they count; capitals; bytes as digits.

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

/// A text whose first letter is a capital.
#[must_use]
pub fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// Bytes, each as two small hexadecimal digits.
#[must_use]
pub fn hexadecimal(bytes: &[u8]) -> String {
    let digit = |half: u8| char::from_digit(half.into(), 16).expect("half a byte");
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_is_two_digits() {
        assert_eq!(hexadecimal(&[0, 9, 0xab, 0xff]), "0009abff");
    }

    #[test]
    fn one_is_one_and_none_are_many() {
        let texts = [0, 1, 2, 1000].map(|count| counted(count, "date"));
        assert_eq!(texts, ["0 dates", "1 date", "2 dates", "1000 dates"]);
    }
}
