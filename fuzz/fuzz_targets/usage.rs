//! Whatever stands in a usage text is read to its end.
#![no_main]

use firebreak::action::manual::Manual;

libfuzzer_sys::fuzz_target!(|text: &str| {
    let _ = Manual::read(text);
});
