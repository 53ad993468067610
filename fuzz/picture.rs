//! A picture, as a server or a store sends it: whatever comes is decoded or refused, and each key is one or told.

use firebreak::pictures::keys::of_lines;
use firebreak::pictures::picture::inspect;

pub fn take(bytes: &[u8]) {
    let _ = inspect(bytes);
    let mut keys = of_lines(bytes, 100).expect("a text is read");
    while keys.read().expect("what was written down is a key").is_some() {}
}
