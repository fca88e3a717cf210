//! Where `oath import` reads from: a file, or what came on standard input. Either is read
//! twice, from its beginning.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Cursor, IsTerminal as _, Read as _},
    path::{Path, PathBuf},
};

use indicatif::{ProgressBar, ProgressStyle};
use zeroize::Zeroizing;

use super::Failure;
use crate::app::oath_tokens::import::Mode;

/// What standard input may hold, in bytes: it is kept.
const LONGEST_INPUT: u64 = 64 * 1024 * 1024;

/// A file, or what came on standard input.
pub enum Source {
    /// A path and the length in bytes.
    File(PathBuf, u64),
    /// The bytes.
    Input(Zeroizing<Vec<u8>>),
}

impl Source {
    /// Opens nothing yet but standard input.
    pub fn find(path: &Path) -> Result<Self, Failure> {
        let unread = |error: io::Error| {
            Failure::usage(format!(
                "{} cannot be read ({error}); name another file",
                path.display()
            ))
        };
        if path.as_os_str() != "-" {
            let length = File::open(path)
                .and_then(|file| file.metadata())
                .map_err(unread)?
                .len();
            return Ok(Self::File(path.to_owned(), length));
        }
        let mut bytes = Zeroizing::new(Vec::new());
        io::stdin()
            .lock()
            .take(LONGEST_INPUT + 1)
            .read_to_end(&mut bytes)
            .map_err(unread)?;
        if bytes.len() as u64 > LONGEST_INPUT {
            return Err(Failure::usage(
                "standard input is too long; name a file instead",
            ));
        }
        Ok(Self::Input(bytes))
    }

    /// From the beginning.
    pub fn open(&self, bar: &ProgressBar) -> io::Result<Box<dyn BufRead + Send>> {
        Ok(match self {
            Self::File(path, _) => Box::new(BufReader::new(bar.wrap_read(File::open(path)?))),
            Self::Input(bytes) => {
                Box::new(BufReader::new(bar.wrap_read(Cursor::new(bytes.to_vec()))))
            }
        })
    }

    /// A bar on a terminal, nothing in a pipe. The file is read twice unless nothing changes.
    pub fn progress(&self, mode: Mode) -> ProgressBar {
        if !io::stderr().is_terminal() {
            return ProgressBar::hidden();
        }
        let length = match self {
            Self::File(_, length) => *length,
            Self::Input(bytes) => bytes.len() as u64,
        };
        let passes = if mode == Mode::DryRun { 1 } else { 2 };
        let style = ProgressStyle::with_template("{bar:40} {bytes}/{total_bytes}, {eta} left");
        ProgressBar::new(length * passes)
            .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
    }
}
