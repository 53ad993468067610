//! Whether bytes are a picture: really decoded, to the end, with limits so that a small file that unfolds to gigabytes does no harm.

use std::io::Cursor;
use std::sync::Arc;

use bytes::Bytes;
use image::codecs::gif::GifDecoder;
use image::codecs::jpeg::JpegDecoder;
use image::codecs::png::PngDecoder;
use image::codecs::webp::WebPDecoder;
use image::{AnimationDecoder, DynamicImage, Frames, ImageDecoder, ImageError, ImageResult, Limits};
use tokio::sync::Semaphore;

use super::ends;
use crate::http::is_page;

/// A picture of more pixels is not decoded.
const MOST_PIXELS: u64 = 64 << 20;
/// Nor are more pixels than that in all frames of an animation.
const MOST_MOVING: u64 = 1 << 30;
/// What one pixel takes while it is decoded, in bytes: as it is in the file, and as it is unfolded.
const OF_A_PIXEL: u64 = 8;
/// How many MiB all pictures may take that are decoded at the same time: as many as the largest.
const BUDGET: u32 = 512;

/// A type of picture that is really decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// PNG, also an animated one.
    Png,
    /// JPEG.
    Jpeg,
    /// GIF.
    Gif,
    /// WebP.
    Webp,
}

impl Kind {
    /// The type that bytes say they are.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Option<Self> {
        match bytes {
            [0x89, b'P', b'N', b'G', 0x0d, 0x0a, 0x1a, 0x0a, ..] => Some(Self::Png),
            [0xff, 0xd8, 0xff, ..] => Some(Self::Jpeg),
            [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Some(Self::Gif),
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some(Self::Webp),
            _ => None,
        }
    }

    /// Its media type.
    #[must_use]
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Png => "image/png",
            Self::Jpeg => "image/jpeg",
            Self::Gif => "image/gif",
            Self::Webp => "image/webp",
        }
    }
}

/// What bytes are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// A picture, whole.
    Good(Kind),
    /// No picture, or one that is damaged: why.
    Broken(String),
    /// Perhaps one, and of a sort that is not looked into: why.
    Unclear(String),
}

/// Looks into bytes. Nothing is kept of the picture.
#[must_use]
pub fn inspect(bytes: &[u8]) -> Verdict {
    measured(bytes).map_or_else(|verdict| verdict, |(kind, _)| decoded(bytes, kind))
}

/// The kind of a picture that is to be decoded, and how many pixels it has; else what is known of the bytes without.
fn measured(bytes: &[u8]) -> Result<(Kind, u64), Verdict> {
    let Some(kind) = Kind::of(bytes) else { return Err(of_another_kind(bytes)) };
    let (width, height) = dimensions(bytes, kind).map_err(|error| refused(&error))?;
    match u64::from(width) * u64::from(height) {
        0 => Err(Verdict::Broken("it has no pixel".to_owned())),
        pixels if pixels > MOST_PIXELS => Err(Verdict::Unclear(format!(
            "it has {width} × {height} pixels; those of more than {} million are not decoded",
            MOST_PIXELS >> 20
        ))),
        pixels => Ok((kind, pixels)),
    }
}

fn decoded(bytes: &[u8], kind: Kind) -> Verdict {
    let is_whole = match kind {
        Kind::Png => ends::png(bytes),
        Kind::Jpeg => ends::jpeg(bytes),
        Kind::Gif => ends::gif(bytes),
        Kind::Webp => ends::webp(bytes),
    };
    if !is_whole {
        return Verdict::Broken(format!("it is cut off: its {} bytes do not reach its end", bytes.len()));
    }
    match decode(bytes, kind) {
        Ok(true) => Verdict::Good(kind),
        Ok(false) => Verdict::Unclear(format!(
            "its frames have more than {} million pixels, which are not all decoded",
            MOST_MOVING >> 20
        )),
        Err(error) => refused(&error),
    }
}

/// Decodes all of it: whether that came to its end before there were too many pixels.
fn decode(bytes: &[u8], kind: Kind) -> ImageResult<bool> {
    let text = Cursor::new(bytes);
    match kind {
        Kind::Jpeg => still(JpegDecoder::new(text)?),
        Kind::Gif => {
            let mut decoder = GifDecoder::new(text)?;
            decoder.set_limits(limits())?;
            moving(decoder.into_frames())
        }
        Kind::Png => {
            let decoder = PngDecoder::with_limits(text, limits())?;
            if decoder.is_apng()? { moving(decoder.apng()?.into_frames()) } else { still(decoder) }
        }
        Kind::Webp => {
            let decoder = WebPDecoder::new(text)?;
            if decoder.has_animation() { moving(decoder.into_frames()) } else { still(decoder) }
        }
    }
}

fn still(mut decoder: impl ImageDecoder) -> ImageResult<bool> {
    decoder.set_limits(limits())?;
    DynamicImage::from_decoder(decoder).map(|_| true)
}

fn moving(frames: Frames<'_>) -> ImageResult<bool> {
    let (mut pixels, mut count) = (0, 0_u64);
    for frame in frames {
        let frame = frame?;
        let (width, height) = frame.buffer().dimensions();
        pixels += u64::from(width) * u64::from(height);
        count += 1;
        if pixels > MOST_MOVING {
            return Ok(false);
        }
    }
    let none = || ImageError::IoError(std::io::Error::new(std::io::ErrorKind::UnexpectedEof, "it has no frame"));
    if count > 0 { Ok(true) } else { Err(none()) }
}

fn limits() -> Limits {
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(u64::from(BUDGET) << 20);
    limits
}

fn dimensions(bytes: &[u8], kind: Kind) -> ImageResult<(u32, u32)> {
    let text = Cursor::new(bytes);
    Ok(match kind {
        Kind::Png => PngDecoder::with_limits(text, limits())?.dimensions(),
        Kind::Jpeg => JpegDecoder::new(text)?.dimensions(),
        Kind::Gif => GifDecoder::new(text)?.dimensions(),
        Kind::Webp => WebPDecoder::new(text)?.dimensions(),
    })
}

fn refused(error: &ImageError) -> Verdict {
    let why = error.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
    match error {
        ImageError::Limits(_) => Verdict::Unclear(format!("it would take more than {BUDGET} MiB to decode ({why})")),
        ImageError::Unsupported(_) => Verdict::Unclear(format!("it is of a sort that is not decoded ({why})")),
        _ => Verdict::Broken(format!("it cannot be decoded ({why})")),
    }
}

/// What bytes are that are none of the types that are decoded.
fn of_another_kind(bytes: &[u8]) -> Verdict {
    if bytes.is_empty() {
        return Verdict::Broken("it is empty".to_owned());
    }
    if is_page(&http::HeaderMap::new(), bytes) {
        return Verdict::Broken("it is a web page".to_owned());
    }
    let begin = String::from_utf8_lossy(bytes.get(..1024).unwrap_or(bytes)).into_owned();
    let known = match bytes {
        [_, _, _, _, b'f', b't', b'y', b'p', ..] => Some("AVIF, HEIC or a film"),
        [b'I', b'I', b'*', 0, ..] | [b'M', b'M', 0, b'*', ..] => Some("TIFF"),
        [b'B', b'M', size @ ..]
            if size.get(..4) == Some(&u32::try_from(bytes.len()).unwrap_or(0).to_le_bytes()[..]) =>
        {
            Some("BMP")
        }
        [0, 0, 1, 0, ..] => Some("an icon"),
        [0xff, 0x0a, ..] | [0, 0, 0, 0x0c, b'J', b'X', b'L', b' ', ..] => Some("JPEG XL"),
        _ => begin.contains("<svg").then_some("SVG"),
    };
    match known {
        Some(name) => Verdict::Unclear(format!("it looks like {name}; only PNG, JPEG, WebP and GIF are decoded")),
        None => Verdict::Broken("it is no PNG, JPEG, WebP or GIF".to_owned()),
    }
}

/// Looks into pictures, as many at a time as the memory for them allows.
#[derive(Debug, Clone)]
pub struct Inspector(Arc<Semaphore>);

impl Default for Inspector {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(BUDGET as usize)))
    }
}

impl Inspector {
    /// Looks into bytes, without keeping other tasks waiting.
    pub async fn inspect(&self, bytes: Bytes) -> Verdict {
        let (kind, pixels) = match measured(&bytes) {
            Ok(measured) => measured,
            Err(verdict) => return verdict,
        };
        let needed = u32::try_from(((pixels * OF_A_PIXEL) >> 20) + 1).unwrap_or(BUDGET).min(BUDGET);
        let _permit = self.0.acquire_many(needed).await.expect("it is never closed");
        let looked = tokio::task::spawn_blocking(move || decoded(&bytes, kind)).await;
        looked.unwrap_or_else(|error| Verdict::Broken(format!("its decoder gave up: {error}")))
    }
}

#[cfg(test)]
mod tests {
    use image::codecs::gif::GifEncoder;
    use image::{Frame, ImageFormat, RgbImage, RgbaImage};
    use proptest::prelude::*;

    use super::*;

    fn picture(format: ImageFormat, side: u32) -> Vec<u8> {
        let image = RgbImage::from_fn(side, side, |x, y| {
            image::Rgb([x * 7, y * 5, x * y].map(|shade| u8::try_from(shade % 256).expect("a byte")))
        });
        let mut bytes = Cursor::new(Vec::new());
        DynamicImage::ImageRgb8(image).write_to(&mut bytes, format).expect("encoded");
        bytes.into_inner()
    }

    fn animation() -> Vec<u8> {
        let mut bytes = Vec::new();
        let frame = |shade: u8| Frame::new(RgbaImage::from_pixel(9, 9, image::Rgba([shade, 0, 0, 255])));
        GifEncoder::new(&mut bytes).encode_frames((0..3).map(|at| frame(at * 80))).expect("encoded");
        bytes
    }

    fn all() -> Vec<(Kind, Vec<u8>)> {
        vec![
            (Kind::Png, picture(ImageFormat::Png, 20)),
            (Kind::Jpeg, picture(ImageFormat::Jpeg, 20)),
            (Kind::Gif, picture(ImageFormat::Gif, 20)),
            (Kind::Webp, picture(ImageFormat::WebP, 20)),
            (Kind::Gif, animation()),
        ]
    }

    #[test]
    fn a_picture_is_good_and_each_beginning_of_it_is_not() {
        for (kind, bytes) in all() {
            assert_eq!(inspect(&bytes), Verdict::Good(kind));
            for length in 0..bytes.len() {
                let verdict = inspect(&bytes[..length]);
                assert!(
                    matches!(verdict, Verdict::Broken(_)),
                    "{kind:?}, {length} of {} bytes: {verdict:?}",
                    bytes.len()
                );
            }
        }
    }

    #[test]
    fn what_stands_behind_a_picture_does_no_harm() {
        for (kind, mut bytes) in all() {
            bytes.extend(b"\r\nand more");
            assert_eq!(inspect(&bytes), Verdict::Good(kind));
        }
    }

    #[test]
    fn what_is_no_picture_is_told_and_what_may_be_one_is_not_called_broken() {
        for (bytes, why) in [
            (&b""[..], "it is empty"),
            (b"<!DOCTYPE html><p>404", "it is a web page"),
            (b"{\"error\": 1}", "it is no PNG, JPEG, WebP or GIF"),
            (&[0; 4096], "it is no PNG, JPEG, WebP or GIF"),
        ] {
            assert_eq!(inspect(bytes), Verdict::Broken(why.to_owned()));
        }
        for bytes in
            [&b"\0\0\0\x1cftypavif"[..], b"II*\0 tiff", b"<?xml version=\"1.0\"?>\n<svg/>", b"\0\0\x01\0", b"\xff\x0a"]
        {
            assert!(matches!(inspect(bytes), Verdict::Unclear(_)), "{bytes:?}");
        }
    }

    #[test]
    fn a_picture_that_unfolds_to_gigabytes_is_not_unfolded() {
        let mut bomb = picture(ImageFormat::Png, 4);
        // The width and the height stand in the first chunk, whose checksum follows.
        bomb[16..24].copy_from_slice(&[0, 1, 0, 0, 0, 1, 0, 0]);
        let sum = crc(&bomb[12..29]).to_be_bytes();
        bomb[29..33].copy_from_slice(&sum);
        match inspect(&bomb) {
            Verdict::Unclear(why) => assert!(why.contains("65536 × 65536 pixels"), "{why}"),
            other => panic!("{other:?}"),
        }
    }

    fn crc(bytes: &[u8]) -> u32 {
        !bytes.iter().fold(u32::MAX, |sum, byte| {
            (0..8).fold(sum ^ u32::from(*byte), |sum, _| if sum & 1 == 1 { sum >> 1 ^ 0xedb8_8320 } else { sum >> 1 })
        })
    }

    proptest! {
        #[test]
        fn damage_is_met_without_panic(at in 0_usize..4096, byte: u8, which in 0_usize..5) {
            let (_, mut bytes) = all().swap_remove(which);
            let at = at % bytes.len();
            bytes[at] = byte;
            let _ = inspect(&bytes);
        }
    }
}
