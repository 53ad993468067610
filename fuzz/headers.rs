//! Whatever a registry sends as `Link` or `WWW-Authenticate` is read to its end.

use firebreak::registry::headers;

use super::text;

pub fn take(bytes: &[u8]) {
    let header = text(bytes);
    let _ = headers::next_link(header);
    let _ = headers::challenges(header);
}
