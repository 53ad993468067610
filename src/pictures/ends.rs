//! Whether a picture's bytes reach their end. Decoders are lenient: of a JPEG that is cut off, browsers and libraries show grey.

/// Where PNG's first chunk begins.
const AFTER_SIGNATURE: usize = 8;

fn be(bytes: &[u8], at: usize, length: usize) -> Option<usize> {
    let bytes = bytes.get(at..at.checked_add(length)?)?;
    Some(bytes.iter().fold(0, |number, byte| number << 8 | usize::from(*byte)))
}

/// Whether a PNG has its last chunk, with the checksum behind it.
#[must_use]
pub fn png(bytes: &[u8]) -> bool {
    let mut at = AFTER_SIGNATURE;
    loop {
        let (Some(length), Some(kind)) = (be(bytes, at, 4), bytes.get(at + 4..at + 8)) else { return false };
        // Behind the length and the kind, and before the checksum.
        at = at.saturating_add(12).saturating_add(length);
        if at > bytes.len() {
            return false;
        }
        if kind == b"IEND" {
            return true;
        }
    }
}

/// Whether a JPEG has the marker of its end; what stands behind that is nobody's business.
#[must_use]
pub fn jpeg(bytes: &[u8]) -> bool {
    let mut at = 2;
    while let Some(&byte) = bytes.get(at) {
        if byte != 0xff {
            at += 1;
            continue;
        }
        match bytes.get(at + 1) {
            None => return false,
            Some(0xd9) => return true,
            // Data that is 0xff, a fill byte, and markers that stand alone.
            Some(0xff) => at += 1,
            Some(0x00 | 0x01 | 0xd0..=0xd8) => at += 2,
            Some(_) => match be(bytes, at + 2, 2) {
                Some(length) => at += 2 + length.max(2),
                None => return false,
            },
        }
    }
    false
}

/// Whether a GIF has its last byte, behind all its blocks.
#[must_use]
pub fn gif(bytes: &[u8]) -> bool {
    // How long the table of colours is that these flags announce.
    let colours = |flags: u8| if flags & 0x80 == 0 { 0 } else { 3 << ((flags & 0x07) + 1) };
    let blocks = |mut at: usize| -> Option<usize> {
        loop {
            let length = usize::from(*bytes.get(at)?);
            at += 1 + length;
            if length == 0 {
                return Some(at);
            }
        }
    };
    let walk = || -> Option<bool> {
        let mut at = 13 + colours(*bytes.get(10)?);
        loop {
            match bytes.get(at)? {
                0x3b => return Some(true),
                0x21 => at = blocks(at + 2)?,
                0x2c => at = blocks(at + 11 + colours(*bytes.get(at + 9)?))?,
                _ => return Some(false),
            }
        }
    };
    walk().unwrap_or(false)
}

/// Whether a WebP is as long as it says.
#[must_use]
pub fn webp(bytes: &[u8]) -> bool {
    let size = bytes.get(4..8).and_then(|size| <[u8; 4]>::try_from(size).ok()).map(u32::from_le_bytes);
    size.is_some_and(|size| u64::from(size) + 8 <= bytes.len() as u64)
}
