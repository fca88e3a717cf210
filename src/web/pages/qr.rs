//! QR codes as one SVG path, so that no page carries markup made elsewhere.

use qrcode::{Color, EcLevel, QrCode, types::QrError};

/// The quiet zone around a code, in modules (ISO/IEC 18004 asks for four).
const QUIET: usize = 4;

/// A QR code: draw `path` in black on a white square of `side` by `side` units.
#[derive(Clone, Debug)]
pub struct Qr {
    /// Length of a side in modules, quiet zone included.
    pub side: usize,
    /// SVG path data; only letters, digits, blanks and hyphens.
    pub path: String,
}

impl Qr {
    /// Draws `text`; fails if it is too long for a QR code (over 2331 bytes).
    pub fn draw(text: &str) -> Result<Self, QrError> {
        use fmt::Write as _;
        use std::fmt;

        let code = QrCode::with_error_correction_level(text, EcLevel::M)?;
        let width = code.width();
        let colors = code.to_colors();
        let mut path = String::new();
        for (y, row) in colors.chunks(width).enumerate() {
            let mut x = 0;
            while x < width {
                let run = row[x..]
                    .iter()
                    .take_while(|module| **module == Color::Dark)
                    .count();
                if run > 0 {
                    // Writing to a String cannot fail.
                    let _ = write!(path, "M{} {}h{run}v1h-{run}z", x + QUIET, y + QUIET);
                }
                x += run.max(1);
            }
        }
        Ok(Self {
            side: width + 2 * QUIET,
            path,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_covers_exactly_the_dark_modules() {
        let text = "otpauth://totp/x?secret=ABC";
        let qr = Qr::draw(text).unwrap();
        let code = QrCode::with_error_correction_level(text, EcLevel::M).unwrap();
        let mut drawn = 0;
        for run in qr.path.split('M').skip(1) {
            let (at, rest) = run.split_once('h').unwrap();
            let (x, y) = at.split_once(' ').unwrap();
            let (length, _) = rest.split_once('v').unwrap();
            let (x, y): (usize, usize) = (x.parse().unwrap(), y.parse().unwrap());
            for step in 0..length.parse::<usize>().unwrap() {
                assert_eq!(code[(x - QUIET + step, y - QUIET)], Color::Dark);
                drawn += 1;
            }
        }
        let dark = code
            .to_colors()
            .iter()
            .filter(|c| **c == Color::Dark)
            .count();
        assert_eq!(drawn, dark);
        assert_eq!(qr.side, code.width() + 8);
    }

    #[test]
    fn too_long_a_text_is_an_error() {
        assert!(Qr::draw(&"x".repeat(3_000)).is_err());
    }
}
