//! A number with a point, digit by digit: no binary fraction comes between.

use std::fmt;

use num_bigint::BigInt;

/// How far a point may be away from the digits: what needs more is not a number that anybody wrote down.
const FARTHEST: i64 = 100_000;

/// How many zeros are written out before an exponent says it.
const ZEROS: i64 = 30;

/// Digits and where their point is: 1.50 is 150 with two places.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Decimal {
    digits: BigInt,
    /// How many of the digits stand behind the point; below 0 for zeros before the point. Never 0: that is an integer.
    places: i64,
}

impl Decimal {
    /// These digits, of which so many stand behind the point.
    #[must_use]
    pub fn new(digits: BigInt, places: i64) -> Self {
        if places == 0 { Self { digits: digits * 10, places: 1 } } else { Self { digits, places } }
    }

    /// An integer as a decimal.
    #[must_use]
    pub fn whole(number: BigInt) -> Self {
        Self::new(number, 0)
    }

    /// What a text says: `1.50`, `.5`, `1e-7`, `-2.5E+3`; none where it is no such number. A text without a point and an exponent is
    /// an integer, and none here.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (number, exponent) = match text.split_once(['e', 'E']) {
            Some((number, exponent)) => (number, Some(exponent.parse::<i64>().ok().filter(|e| e.abs() <= FARTHEST)?)),
            None => (text, None),
        };
        let (sign, number) = number.strip_prefix('-').map_or(("", number), |number| ("-", number));
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let is_number = is_digits(whole) && is_digits(fraction) && !(whole.is_empty() && fraction.is_empty());
        let has_zeros = whole.len() > 1 && whole.starts_with('0');
        if !is_number || has_zeros || (exponent.is_none() && !number.contains('.')) {
            return None;
        }
        let digits = format!("{sign}{whole}{fraction}").parse().ok()?;
        Some(Self::new(digits, i64::try_from(fraction.len()).ok()? - exponent.unwrap_or(0)))
    }

    /// The nearest decimal of a binary fraction, as short as it can be told apart; none where it is no number.
    #[must_use]
    pub fn of(number: f64) -> Option<Self> {
        number.is_finite().then(|| format!("{number:?}")).and_then(|text| Self::parse(&text))
    }

    /// The binary fraction that is written with the same digits; none where no binary fraction is.
    #[must_use]
    pub fn exactly(&self) -> Option<f64> {
        self.to_string().parse().ok().filter(|number| Self::of(*number).is_some_and(|back| back.same(self)))
    }

    /// Whether both are the same number: 1.50 and 1.5 are.
    #[must_use]
    pub fn same(&self, other: &Self) -> bool {
        self.shortest() == other.shortest()
    }

    /// A text that is the same for the same number, however many zeros it was written with.
    #[must_use]
    pub fn shortly(&self) -> String {
        let (digits, places) = self.shortest();
        format!("{digits}e{}", -places)
    }

    /// Without zeros at the end.
    fn shortest(&self) -> (String, i64) {
        let digits = self.digits.to_string();
        let short = digits.trim_end_matches('0');
        if short.is_empty() {
            return (String::new(), 0);
        }
        let zeros = i64::try_from(digits.len() - short.len()).unwrap_or(i64::MAX);
        (short.to_owned(), self.places - zeros)
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.digits.magnitude().to_string();
        let sign = if self.digits.sign() == num_bigint::Sign::Minus { "-" } else { "" };
        let length = i64::try_from(digits.len()).unwrap_or(i64::MAX);
        match usize::try_from(self.places) {
            Ok(places) if self.places < length => {
                let (whole, fraction) = digits.split_at(digits.len() - places);
                write!(f, "{sign}{whole}.{fraction}")
            }
            Ok(places) if self.places - length < ZEROS => write!(f, "{sign}0.{digits:0>places$}"),
            _ => write!(f, "{sign}{digits}e{:+03}", -self.places),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decimal_keeps_its_digits() {
        for (text, printed) in [
            ("1.50", "1.50"),
            ("-0.05", "-0.05"),
            (".5", "0.5"),
            ("5.", "5.0"),
            ("1e-7", "0.0000001"),
            ("1e20", "1e+20"),
            ("-2.5E3", "-25e+02"),
            ("1e-60", "1e-60"),
            (
                "3.14159265358979323846264338327950288419716939937510",
                "3.14159265358979323846264338327950288419716939937510",
            ),
        ] {
            let decimal = Decimal::parse(text).expect(text);
            assert_eq!(decimal.to_string(), printed);
            assert_eq!(Decimal::parse(printed), Some(decimal));
        }
        for text in ["", ".", "1", "-", "1.2.3", "e5", "1e", "00.5", "1e999999999", "1.5x", "--1.5", "+1.5"] {
            assert_eq!(Decimal::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_binary_fraction_stands_for_a_decimal_only_where_it_has_its_digits() {
        let exactly = |text: &str| Decimal::parse(text).expect(text).exactly();
        assert_eq!((exactly("0.1"), exactly("1.50")), (Some(0.1), Some(1.5)));
        assert_eq!(exactly("0.1000000000000000055"), None);
        assert_eq!(Decimal::of(f64::NAN), None);
    }
}
