//! Random values: `random`, by the names of Faker's providers that are in common use, `random_int` and `random_choice`.

use fake::Fake as _;
use fake::faker::{address, company, internet, job, lorem, name, phone_number};
use fake::locales;
use minijinja::{Environment, Error, ErrorKind, Value as Jinja};

use crate::action::arguments::nearest;
use crate::words::hexadecimal;

/// The providers of Faker that are here.
const PROVIDERS: [&str; 45] = [
    "address",
    "boolean",
    "building_number",
    "catch_phrase",
    "city",
    "company",
    "company_suffix",
    "country",
    "country_code",
    "date",
    "domain_name",
    "email",
    "first_name",
    "free_email",
    "hex_color",
    "ipv4",
    "ipv6",
    "iso8601",
    "job",
    "last_name",
    "latitude",
    "longitude",
    "mac_address",
    "md5",
    "name",
    "paragraph",
    "password",
    "phone_number",
    "postcode",
    "prefix",
    "pybool",
    "pyint",
    "random_digit",
    "random_int",
    "safe_email",
    "sentence",
    "sha256",
    "state",
    "street_address",
    "street_name",
    "text",
    "url",
    "user_name",
    "uuid4",
    "word",
];

/// The locales that are here, as Faker calls them.
const LOCALES: [&str; 6] = ["en_US", "de_DE", "fr_FR", "it_IT", "ja_JP", "pt_BR"];

/// Adds the functions.
pub(super) fn add(jinja: &mut Environment<'_>) {
    jinja.add_function("random", |provider: &str, locale: Option<&str>| match locale.unwrap_or("en_US") {
        "en_US" | "en" | "en_GB" => of(provider, locales::EN, |locale| address::raw::CityName(locale).fake()),
        "de_DE" => of(provider, locales::DE_DE, |locale| address::raw::CityName(locale).fake()),
        "fr_FR" => of(provider, locales::FR_FR, |locale| address::raw::CityName(locale).fake()),
        "it_IT" => of(provider, locales::IT_IT, |locale| address::raw::CityName(locale).fake()),
        "ja_JP" => of(provider, locales::JA_JP, |locale| address::raw::CityName(locale).fake()),
        "pt_BR" => of(provider, locales::PT_BR, |locale| address::raw::CityName(locale).fake()),
        other => Err(wrong(format!("there is no locale '{other}' here: known are {}", LOCALES.join(", ")))),
    });
    jinja.add_function("random_int", |from: Option<i64>, to: Option<i64>| {
        let (from, to) = (from.unwrap_or(i64::MIN), to.unwrap_or(i64::MAX));
        if from > to {
            return Err(wrong(format!("there is no number from {from} to {to}")));
        }
        Ok(fastrand::i64(from..=to))
    });
    jinja.add_function("random_choice", |values: Jinja| {
        let values: Vec<Jinja> = values.try_iter()?.collect();
        fastrand::choice(values).ok_or_else(|| wrong("there is nothing to choose from".to_owned()))
    });
}

fn wrong(what: String) -> Error {
    Error::new(ErrorKind::InvalidOperation, what)
}

/// A random UUID of version 4 (RFC 9562).
pub(in crate::pipeline) fn uuid() -> String {
    let mut bytes = fastrand::u128(..).to_be_bytes();
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex = hexadecimal(&bytes);
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}

fn hex(digits: usize) -> String {
    (0..digits).map(|_| char::from_digit(fastrand::u32(0..16), 16).unwrap_or('0')).collect()
}

fn date() -> chrono::NaiveDate {
    chrono::DateTime::from_timestamp(fastrand::i64(0..1_767_225_600), 0).unwrap_or_default().date_naive()
}

/// What a provider gives in a locale; a city comes from `city`, since fake makes those by a trait that it keeps to itself.
fn of<L: locales::Data + Copy>(provider: &str, locale: L, city: fn(L) -> String) -> Result<Jinja, Error> {
    let text = match provider {
        "address" | "street_address" => {
            let number: String = address::raw::BuildingNumber(locale).fake();
            let street: String = address::raw::StreetName(locale).fake();
            let city = city(locale);
            if provider == "address" { format!("{number} {street}, {city}") } else { format!("{number} {street}") }
        }
        "boolean" | "pybool" => return Ok(Jinja::from(fastrand::bool())),
        "building_number" => address::raw::BuildingNumber(locale).fake(),
        "catch_phrase" => company::raw::CatchPhrase(locale).fake(),
        "city" => city(locale),
        "company" => company::raw::CompanyName(locale).fake(),
        "company_suffix" => company::raw::CompanySuffix(locale).fake(),
        "country" => address::raw::CountryName(locale).fake(),
        "country_code" => address::raw::CountryCode(locale).fake(),
        "date" => date().to_string(),
        "domain_name" => format!("{}.example.com", hex(8)),
        "email" | "safe_email" => internet::raw::SafeEmail(locale).fake(),
        "first_name" => name::raw::FirstName(locale).fake(),
        "free_email" => internet::raw::FreeEmail(locale).fake(),
        "hex_color" => format!("#{}", hex(6)),
        "ipv4" => std::net::Ipv4Addr::from(fastrand::u32(..)).to_string(),
        "ipv6" => std::net::Ipv6Addr::from(fastrand::u128(..)).to_string(),
        "iso8601" => {
            format!("{}T{:02}:{:02}:{:02}", date(), fastrand::u8(0..24), fastrand::u8(0..60), fastrand::u8(0..60))
        }
        "job" => job::raw::Title(locale).fake(),
        "last_name" => name::raw::LastName(locale).fake(),
        "latitude" => format!("{:.6}", fastrand::f64() * 180.0 - 90.0),
        "longitude" => format!("{:.6}", fastrand::f64() * 360.0 - 180.0),
        "mac_address" => (0..6).map(|_| hex(2)).collect::<Vec<_>>().join(":"),
        "md5" => hex(32),
        "name" => name::raw::Name(locale).fake(),
        "paragraph" | "text" => lorem::raw::Paragraph(locale, 2..5).fake(),
        "password" => internet::raw::Password(locale, 10..16).fake(),
        "phone_number" => phone_number::raw::PhoneNumber(locale).fake(),
        "postcode" => address::raw::PostCode(locale).fake(),
        "prefix" => name::raw::Title(locale).fake(),
        "pyint" | "random_int" => return Ok(Jinja::from(fastrand::i64(0..=9999))),
        "random_digit" => return Ok(Jinja::from(fastrand::i64(0..=9))),
        "sentence" => lorem::raw::Sentence(locale, 4..9).fake(),
        "sha256" => hex(64),
        "state" => address::raw::StateName(locale).fake(),
        "street_name" => address::raw::StreetName(locale).fake(),
        "url" => format!("https://{}.example.com/", hex(8)),
        "user_name" => internet::raw::Username(locale).fake(),
        "uuid4" => uuid(),
        "word" => lorem::raw::Word(locale).fake(),
        other => {
            let near = nearest(other, PROVIDERS.into_iter())
                .map(|near| format!("; the nearest is '{near}'"))
                .unwrap_or_default();
            return Err(wrong(format!(
                "there is no provider '{other}' here{near}. Known are {}",
                PROVIDERS.join(", ")
            )));
        }
    };
    Ok(Jinja::from(text))
}
