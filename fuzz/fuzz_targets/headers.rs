//! Whatever a registry sends as `Link` or `WWW-Authenticate` is read to its end.
#![no_main]

use firebreak::registry::headers;

libfuzzer_sys::fuzz_target!(|header: &str| {
    let _ = headers::next_link(header);
    let _ = headers::challenges(header);
});
