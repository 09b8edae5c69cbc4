//! QR codes: drawn in the terminal, as PNG and as SVG, and read from pictures.

use std::io::Cursor;
use std::path::Path;

use qrcode::{EcLevel, QrCode};
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use crate::report::Failure;
use crate::saved::read_capped;

/// Light modules around a code that scanners need (ISO/IEC 18004).
const QUIET: usize = 4;
/// Pixels of a module in a picture.
const SCALE: usize = 8;
/// Largest picture file in bytes.
const MAX_PICTURE_BYTES: usize = 32 << 20;
/// Longest side of a picture in pixels.
const MAX_SIDE: usize = 8192;

/// A code's modules with the light border; true is dark.
pub(crate) struct Modules {
    side: usize,
    dark: Vec<bool>,
}

impl Modules {
    /// Draws bytes.
    pub(crate) fn of(bytes: &[u8]) -> Result<Self, Failure> {
        let code = QrCode::with_error_correction_level(bytes, EcLevel::M)
            .map_err(|e| Failure::internal("qr-code", format!("the code cannot be drawn: {e}")))?;
        let inner = code.width();
        let side = inner + 2 * QUIET;
        let colors = code.to_colors();
        let at = |x: usize, y: usize| {
            let (x, y) = (x.checked_sub(QUIET)?, y.checked_sub(QUIET)?);
            let inside = x < inner && y < inner;
            colors.get(y * inner + x).filter(|_| inside)
        };
        let dark = (0..side * side)
            .map(|n| at(n % side, n / side).is_some_and(|c| *c == qrcode::Color::Dark))
            .collect();
        Ok(Self { side, dark })
    }

    fn is_dark(&self, x: usize, y: usize) -> bool {
        x < self.side && self.dark.get(y * self.side + x).copied().unwrap_or_default()
    }

    /// Two rows of modules on a line of text.
    ///
    /// With colours it is black on white whatever the terminal's own are. Without, light modules are drawn: right on a
    /// dark terminal, inverted on a light one, and scanners read both.
    pub(crate) fn to_text(&self, color: bool) -> String {
        let (begin, end) = if color {
            ("\u{1b}[30;107m", "\u{1b}[0m")
        } else {
            ("", "")
        };
        let mut text = String::new();
        for y in (0..self.side).step_by(2) {
            text.push_str(begin);
            for x in 0..self.side {
                let [upper, lower] = [self.is_dark(x, y) == color, self.is_dark(x, y + 1) == color];
                // Below the last row nothing is drawn.
                let lower = lower && (color || y + 1 < self.side);
                text.push(match (upper, lower) {
                    (true, true) => '\u{2588}',
                    (true, false) => '\u{2580}',
                    (false, true) => '\u{2584}',
                    (false, false) => ' ',
                });
            }
            text.push_str(end);
            text.push('\n');
        }
        text
    }

    /// As a drawing.
    pub(crate) fn to_svg(&self) -> String {
        let side = self.side;
        let mut path = String::new();
        for y in 0..side {
            for x in (0..side).filter(|x| self.is_dark(*x, y)) {
                path.push_str(&format!("M{x} {y}h1v1h-1z"));
            }
        }
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {side} {side}\" width=\"{0}\" height=\"{0}\" shape-rendering=\"crispEdges\"><rect width=\"100%\" height=\"100%\" fill=\"#fff\"/><path d=\"{path}\"/></svg>\n",
            side * SCALE
        )
    }

    /// As a picture.
    pub(crate) fn to_png(&self) -> Result<Vec<u8>, Failure> {
        let failed =
            |e: png::EncodingError| Failure::internal("qr-code", format!("the picture cannot be made: {e}"));
        let side = self.side * SCALE;
        let pixel = |n: usize| {
            if self.is_dark(n % side / SCALE, n / side / SCALE) {
                0
            } else {
                255
            }
        };
        let pixels: Vec<u8> = (0..side * side).map(pixel).collect();
        let width = u32::try_from(side).unwrap_or(u32::MAX);
        let mut out = Vec::new();
        let mut encoder = png::Encoder::new(&mut out, width, width);
        encoder.set_color(png::ColorType::Grayscale);
        encoder.set_depth(png::BitDepth::Eight);
        let mut writer = encoder.write_header().map_err(failed)?;
        writer.write_image_data(&pixels).map_err(failed)?;
        writer.finish().map_err(failed)?;
        Ok(out)
    }
}

/// A picture in shades of grey.
struct Picture {
    width: usize,
    height: usize,
    grey: Vec<u8>,
}

/// The bytes of the QR codes in a picture, PNG or JPEG.
pub(crate) fn scan(path: &Path) -> Result<Vec<Vec<u8>>, Failure> {
    let bytes = read_capped(path, MAX_PICTURE_BYTES)?;
    let bad = |why: String| {
        Failure::malformed("bad-picture", format!("{} cannot be read: {why}", path.display()))
            .next("give a PNG or JPEG picture of the other's code, well lit and in focus")
    };
    let picture = if bytes.starts_with(b"\x89PNG") {
        from_png(&bytes)
    } else if bytes.starts_with(&[0xff, 0xd8]) {
        from_jpeg(&bytes)
    } else {
        Err("it is neither PNG nor JPEG".to_owned())
    };
    let picture = picture.map_err(bad)?;
    let found = codes_in(&picture);
    if found.is_empty() {
        return Err(bad("there is no QR code in it".to_owned()));
    }
    Ok(found)
}

/// Dark on light, and light on dark as a terminal without colours shows it.
fn codes_in(picture: &Picture) -> Vec<Vec<u8>> {
    let grey = |n: usize| picture.grey.get(n).copied().unwrap_or(255);
    let mut found = Vec::new();
    for inverted in [false, true] {
        let mut prepared =
            rqrr::PreparedImage::prepare_from_greyscale(picture.width, picture.height, |x, y| {
                let value = grey(y * picture.width + x);
                if inverted { 255 - value } else { value }
            });
        for grid in prepared.detect_grids() {
            let mut bytes = Vec::new();
            if grid.decode_to(&mut bytes).is_ok() {
                found.push(bytes);
            }
        }
    }
    found
}

fn from_png(bytes: &[u8]) -> Result<Picture, String> {
    let limits = png::Limits {
        bytes: MAX_SIDE * MAX_SIDE * 4,
    };
    let mut decoder = png::Decoder::new_with_limits(Cursor::new(bytes), limits);
    decoder.set_transformations(png::Transformations::normalize_to_color8());
    let mut reader = decoder.read_info().map_err(|e| e.to_string())?;
    let size = reader.output_buffer_size().ok_or("it is too large")?;
    let info = reader.info();
    check_side(info.width, info.height)?;
    if size > MAX_SIDE * MAX_SIDE * 4 {
        return Err("it is too large".to_owned());
    }
    let mut pixels = vec![0; size];
    let frame = reader.next_frame(&mut pixels).map_err(|e| e.to_string())?;
    let samples = match frame.color_type {
        png::ColorType::Grayscale => 1,
        png::ColorType::GrayscaleAlpha => 2,
        png::ColorType::Rgb => 3,
        png::ColorType::Rgba => 4,
        png::ColorType::Indexed => return Err("its colours cannot be read".to_owned()),
    };
    let grey = pixels.chunks_exact(samples).map(luma).collect();
    Ok(Picture {
        width: side(frame.width),
        height: side(frame.height),
        grey,
    })
}

fn from_jpeg(bytes: &[u8]) -> Result<Picture, String> {
    let options = DecoderOptions::default()
        .set_max_width(MAX_SIDE)
        .set_max_height(MAX_SIDE)
        .jpeg_set_out_colorspace(ColorSpace::Luma);
    let mut decoder =
        JpegDecoder::new_with_options(zune_jpeg::zune_core::bytestream::ZCursor::new(bytes), options);
    let grey = decoder.decode().map_err(|e| e.to_string())?;
    let (width, height) = decoder.dimensions().ok_or("it has no size")?;
    Ok(Picture { width, height, grey })
}

fn check_side(width: u32, height: u32) -> Result<(), String> {
    if side(width) > MAX_SIDE || side(height) > MAX_SIDE {
        return Err(format!("it is larger than {MAX_SIDE} pixels on a side"));
    }
    Ok(())
}

fn side(pixels: u32) -> usize {
    usize::try_from(pixels).unwrap_or(usize::MAX)
}

/// Brightness of a pixel; what is transparent lies on white.
fn luma(pixel: &[u8]) -> u8 {
    let weigh = |r: u8, g: u8, b: u8| (u32::from(r) * 299 + u32::from(g) * 587 + u32::from(b) * 114) / 1000;
    let (value, alpha) = match *pixel {
        [grey] => (u32::from(grey), 255),
        [grey, alpha] => (u32::from(grey), u32::from(alpha)),
        [r, g, b] => (weigh(r, g, b), 255),
        [r, g, b, alpha] => (weigh(r, g, b), u32::from(alpha)),
        _ => (255, 255),
    };
    u8::try_from((value * alpha + 255 * (255 - alpha)) / 255).unwrap_or(u8::MAX)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn payload() -> Vec<u8> {
        (0..74_u8).map(|n| n.wrapping_mul(37)).collect()
    }

    /// A terminal's letters as pixels: every letter is one module wide and two high.
    fn rendered(text: &str, block: u8, blank: u8) -> Picture {
        let rows: Vec<Vec<char>> = text.lines().map(|l| l.chars().collect()).collect();
        let columns = rows.first().unwrap().len();
        let (width, height) = (columns * SCALE, rows.len() * 2 * SCALE);
        let shade = |x: usize, y: usize| {
            let letter = rows.get(y / (2 * SCALE)).unwrap().get(x / SCALE).unwrap();
            let upper = y % (2 * SCALE) < SCALE;
            let drawn = match letter {
                '\u{2588}' => true,
                '\u{2580}' => upper,
                '\u{2584}' => !upper,
                _ => false,
            };
            if drawn { block } else { blank }
        };
        Picture {
            width,
            height,
            grey: (0..width * height).map(|n| shade(n % width, n / width)).collect(),
        }
    }

    #[test]
    fn what_is_drawn_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("code.png");
        let modules = Modules::of(&payload()).unwrap();
        std::fs::write(&path, modules.to_png().unwrap()).unwrap();
        assert_eq!(scan(&path).unwrap(), [payload()]);
        assert!(modules.to_svg().starts_with("<svg "));
    }

    #[test]
    fn the_terminals_code_is_readable_on_dark_and_on_light() {
        let modules = Modules::of(&payload()).unwrap();
        let colored = modules.to_text(true);
        let plain: String = colored.replace("\u{1b}[30;107m", "").replace("\u{1b}[0m", "");
        // Black letters on white, whatever the terminal.
        assert_eq!(codes_in(&rendered(&plain, 0, 255)), [payload()]);
        let plain = modules.to_text(false);
        for (block, blank) in [(255, 0), (0, 255)] {
            assert_eq!(codes_in(&rendered(&plain, block, blank)), [payload()]);
        }
    }

    #[test]
    fn pictures_that_are_none() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("picture");
        let blank = Modules {
            side: 40,
            dark: vec![false; 1600],
        };
        for bytes in [
            b"hello".to_vec(),
            b"\x89PNG\r\n\x1a\nrest".to_vec(),
            vec![0xff, 0xd8, 0xff],
            blank.to_png().unwrap(),
        ] {
            std::fs::write(&path, bytes).unwrap();
            assert_eq!(scan(&path).unwrap_err().reason, "bad-picture");
        }
    }

    #[test]
    fn transparent_is_white() {
        assert_eq!(luma(&[0, 0, 0, 0]), 255);
        assert_eq!(luma(&[0, 255]), 0);
        assert_eq!(luma(&[255, 255, 255]), 255);
    }
}
