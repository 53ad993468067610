//! Whatever stands in a rollback.json is read to its end, and what is no dump is refused.
#![no_main]

use firebreak::rollback::dump::Dump;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = Dump::open(bytes);
});
