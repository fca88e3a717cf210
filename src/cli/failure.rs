//! Why a command did not do what it was asked: one sentence plus the remedy, and the
//! exit code of interfaces.md.

use std::{fmt, io};

use crate::{
    app::{self, Category},
    config::Problems,
    inspect::shown,
};

/// A command's failure.
#[derive(Debug)]
pub struct Failure {
    exit: u8,
    text: String,
}

impl Failure {
    /// The answer is "no" (exit 1).
    pub fn no(text: impl fmt::Display) -> Self {
        let text = text.to_string();
        Self { exit: 1, text }
    }

    /// Wrong usage or unreadable input (exit 2).
    pub fn usage(text: impl fmt::Display) -> Self {
        let text = text.to_string();
        Self { exit: 2, text }
    }

    /// Something that is needed failed (exit 3).
    pub fn service(text: impl fmt::Display) -> Self {
        let text = text.to_string();
        Self { exit: 3, text }
    }

    /// An error of a use case that needs more words.
    pub fn of_category(error: &app::Error, text: impl fmt::Display) -> Self {
        match error.category() {
            Category::Denied | Category::NotFound | Category::Conflict => Self::no(text),
            Category::Invalid => Self::usage(text),
            Category::Unavailable | Category::Internal => Self::service(text),
        }
    }

    /// The exit code.
    pub fn exit(&self) -> u8 {
        self.exit
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // It may quote what somebody else wrote: nothing of it steers a terminal.
        for (number, line) in self.text.split('\n').enumerate() {
            if number > 0 {
                f.write_str("\n")?;
            }
            f.write_str(&shown(line, usize::MAX))?;
        }
        Ok(())
    }
}

impl From<Problems> for Failure {
    fn from(problems: Problems) -> Self {
        Self::usage(problems)
    }
}

impl From<app::Error> for Failure {
    fn from(error: app::Error) -> Self {
        let text = super::chain(&error);
        match error.category() {
            Category::Denied | Category::NotFound | Category::Conflict => Self::no(text),
            Category::Invalid => Self::usage(text),
            Category::Unavailable | Category::Internal => Self::service(format!(
                "{text}; `claimbridge explain {}` says more",
                error.code().code
            )),
        }
    }
}

/// Only writing an answer fails with a bare I/O error: the reader went away.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::service(format!("the answer could not be written: {error}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_somebody_else_wrote_steers_no_terminal() {
        let text = "two\nlines, \u{1b}]0;x\u{7}\u{1b}[2J \u{9b}2J \u{202e}";
        let said = Failure::no(text).to_string();
        assert!(said.starts_with("two\nlines, "), "{said}");
        assert!(
            !said.contains(['\u{1b}', '\u{7}', '\u{9b}', '\u{202e}']),
            "{said:?}"
        );
    }
}
