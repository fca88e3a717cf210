//! Files that hold a secret, and who may read them.

use std::{fs, path::Path};

use crate::base::secret::Secret;

/// The secret in the file at `path`, white space around it off; a file that others
/// can read is refused. The error is a sentence with its remedy.
pub fn secret_file(path: &Path) -> Result<Secret<String>, String> {
    let shown = path.display();
    if is_open_to_others(path) {
        return Err(format!("others can read {shown}; run `chmod 600 {shown}`"));
    }
    let text = fs::read_to_string(path).map(Secret::new).map_err(|error| {
        format!("{shown} cannot be read ({error}); correct the path, or let this user read it")
    })?;
    Ok(Secret::new(text.expose().trim().to_owned()))
}

/// Whether others may read the file (never on systems without such bits). A file of
/// root's that nobody may write (0440) is let be: that is how systemd and Kubernetes hand
/// a secret to an account that is not root; it could not make the file stricter.
pub(super) fn is_open_to_others(path: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        let handed_in = |mode: u32, owner: u32| owner == 0 && mode & 0o777 == 0o440;
        fs::metadata(path)
            .is_ok_and(|data| data.mode() & 0o077 != 0 && !handed_in(data.mode(), data.uid()))
    }
    #[cfg(not(unix))]
    {
        let _ = path;
        false
    }
}
