//! Odd input for what reads texts of others. One program, so that it links once: `FUZZ_TARGET` says which of [`TARGETS`] it
//! feeds. Each has a folder of small seeds in `fuzz/seeds`.
#![no_main]

mod dump;
mod headers;
mod journal;
mod manifest;
mod members;
mod picture;
mod pipeline;
mod usage;

use std::sync::OnceLock;

/// Takes one input; breaks where the input breaks what it is given to.
type Target = fn(&[u8]);

/// By their names.
const TARGETS: [(&str, Target); 8] = [
    ("dump", dump::take),
    ("headers", headers::take),
    ("journal", journal::take),
    ("manifest", manifest::take),
    ("members", members::take),
    ("pipeline", pipeline::take),
    ("picture", picture::take),
    ("usage", usage::take),
];

static CHOSEN: OnceLock<Target> = OnceLock::new();

fn chosen() -> Target {
    let name = std::env::var("FUZZ_TARGET").unwrap_or_default();
    let target = TARGETS.iter().find(|(known, _)| *known == name);
    target.unwrap_or_else(|| panic!("FUZZ_TARGET is '{name}', which is none of {:?}", TARGETS.map(|(name, _)| name))).1
}

/// The input as far as it is UTF-8.
fn text(bytes: &[u8]) -> &str {
    bytes.utf8_chunks().next().map_or("", |chunk| chunk.valid())
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    CHOSEN.get_or_init(chosen)(bytes);
});
