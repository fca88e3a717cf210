//! The command line, one file per command.
use std::process::ExitCode;

/// Parses the arguments, runs the command, returns the exit code of interfaces.md.
pub fn main() -> ExitCode {
    ExitCode::SUCCESS
}
