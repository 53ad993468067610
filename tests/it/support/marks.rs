//! Secrets that are known again wherever they come out: as they are, in a URL, in a form, in a basic login.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

/// Everything that came out of programs: text by where it was found.
#[derive(Default)]
pub struct Outcome(Vec<(String, Vec<u8>)>);

impl Outcome {
    pub fn add(&mut self, place: impl Into<String>, bytes: impl Into<Vec<u8>>) {
        self.0.push((place.into(), bytes.into()));
    }

    /// Every file below a folder, with its name.
    pub fn add_folder(&mut self, folder: &Path) {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() && !path.is_symlink() {
                self.add_folder(&path);
            } else if let Ok(bytes) = std::fs::read(&path) {
                self.add(format!("the name of {}", path.display()), path.display().to_string());
                self.add(path.display().to_string(), bytes);
            }
        }
    }

    /// The places where a secret stands, in any of its forms.
    pub fn places_of(&self, secret: &str) -> Vec<&str> {
        self.holders_of(secret).map(|(place, _)| place.as_str()).collect()
    }

    fn holders_of(&self, secret: &str) -> impl Iterator<Item = &(String, Vec<u8>)> {
        let forms = forms(secret);
        let holds = move |bytes: &[u8]| {
            forms
                .iter()
                .any(|form| bytes.windows(form.len()).any(|window| window.eq_ignore_ascii_case(form.as_bytes())))
        };
        self.0.iter().filter(move |(_, bytes)| holds(bytes))
    }

    /// Fails the test with the places where one of these secrets stands.
    pub fn is_free_of(&self, secrets: &[&str]) {
        for secret in secrets {
            if let Some((_, first)) = self.holders_of(secret).next() {
                let (places, text) = (self.places_of(secret), String::from_utf8_lossy(first));
                panic!("'{secret}' came out in {places:#?}; the first of them holds:\n{text}");
            }
        }
    }
}

/// A text as a part of a URL.
pub fn encoded(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

/// The forms that a text may come out in.
fn forms(text: &str) -> Vec<String> {
    let mut forms = vec![text.to_owned(), encoded(text), serde_json::to_string(text).expect("JSON").replace('"', "")];
    forms.push(url::form_urlencoded::byte_serialize(text.as_bytes()).collect());
    // What a whole URL library leaves as it is in a user part.
    let mut url = url::Url::parse("http://host").expect("a URL");
    url.set_password(Some(text)).expect("a password");
    forms.push(url.password().unwrap_or_default().to_owned());
    // In base64 it depends on what stands before it; the letters at both ends hold bits of the neighbours.
    for before in 0..3 {
        let bytes = ["\0".repeat(before).as_bytes(), text.as_bytes()].concat();
        let whole = STANDARD_NO_PAD.encode(&bytes);
        let (first, last) = ((before * 8).div_ceil(6), bytes.len() * 8 / 6);
        forms.push(whole[first..last].to_owned());
    }
    forms
}

#[test]
fn a_secret_is_known_again_in_every_form() {
    let secret = "Mark/pass word+1=";
    for text in [
        "say Mark/pass word+1= !".to_owned(),
        format!("https://ann:{}@host", encoded(secret)),
        "https://ann:Mark%2Fpass%20word+1%3D@host".to_owned(),
        "Mark%2fpass%20word%2b1%3d".to_owned(),
        "pwd=Mark%2Fpass+word%2B1%3D&x".to_owned(),
        STANDARD_NO_PAD.encode(format!("a:{secret}")),
        STANDARD_NO_PAD.encode(format!("an:{secret}")),
        STANDARD_NO_PAD.encode(format!("ann:{secret} and more")),
    ] {
        let mut outcome = Outcome::default();
        outcome.add("there", text.clone());
        assert_eq!(outcome.places_of(secret), ["there"], "{text}");
    }
    let mut outcome = Outcome::default();
    outcome.add("there", "Mark/pass and word+1");
    assert_eq!(outcome.places_of(secret), [""; 0]);
}
