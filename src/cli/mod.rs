//! The command line, one file per command.
/// `inspect`: the token inspector.
pub mod inspect;
mod inspect_output;

use std::process::ExitCode;

/// Parses the arguments, runs the command, returns the exit code of interfaces.md.
pub fn main() -> ExitCode {
    ExitCode::SUCCESS
}
