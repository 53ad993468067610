//! The digests that name manifests and blobs.

use sha2::{Digest as _, Sha256, Sha512};

use crate::words::hexadecimal;

/// The digest that registries name a body with.
#[must_use]
pub fn of(body: &[u8]) -> String {
    format!("sha256:{}", hexadecimal(&Sha256::digest(body)))
}

/// The digest of a body by the algorithm of `expected`: equal to it, or a lie was told. An algorithm that is not
/// known here gives the usual digest, which cannot be equal.
pub(super) fn like(expected: &str, body: &[u8]) -> String {
    if expected.starts_with("sha512:") { format!("sha512:{}", hexadecimal(&Sha512::digest(body))) } else { of(body) }
}

/// Whether this is a digest that we can check.
pub(super) fn is_digest(text: &str) -> bool {
    let hex = |hex: &str, length| {
        hex.len() == length && hex.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
    };
    match text.split_once(':') {
        Some(("sha256", digits)) => hex(digits, 64),
        Some(("sha512", digits)) => hex(digits, 128),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_digests() {
        let empty = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(of(b""), empty);
        assert_eq!(like(empty, b""), empty);
        assert!(is_digest(empty) && is_digest(&like("sha512:", b"")));
        assert!(
            like("sha512:", b"").starts_with("sha512:cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce")
        );
        for text in ["", "sha256:", "sha256:E3B0", "md5:d41d8cd98f00b204e9800998ecf8427e", &empty[7..], "develop"] {
            assert!(!is_digest(text), "{text}");
        }
    }
}
