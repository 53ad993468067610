//! Whatever a registry sends as a manifest, a config or a page of tags is read or refused, and never breaks us.

use firebreak::registry::{manifest, tags};

pub fn take(body: &[u8]) {
    let _ = manifest::Manifest::parse(body);
    let _ = manifest::Config::parse(body);
    let _ = tags::of_page(body);
}
