//! Arguments in, exit code out.

fn main() -> std::process::ExitCode {
    claimbridge::cli::main()
}
