//! Files with secrets that a command writes.
//!
//! Always true: nobody but the present user can read one, and none replaces another.

use std::{
    fs::{File, OpenOptions},
    io,
    path::Path,
};

use super::Failure;

/// Makes a file that only the present user can read.
pub fn create(path: &Path) -> Result<File, Failure> {
    create_new(path).map_err(|error: io::Error| {
        Failure::usage(format!(
            "{} cannot be made ({error}); name a file that does not exist yet",
            path.display()
        ))
    })
}

/// The same, for who has other words for a failure. A link is a file that exists.
pub fn create_new(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    options.open(path)
}
