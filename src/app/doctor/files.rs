//! Files that the server believes or keeps secret, and who may do what with them.

use std::path::{Path, PathBuf};

use super::{
    Finding,
    catalogue::{FILE_OWNER, SECRET_FILE},
};

/// Who may read a file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Secrecy {
    /// Anybody.
    Public,
    /// The server and a group that it is in: the private key of TLS, which several programs share.
    Shared,
    /// The server only.
    Secret,
}

/// How a file looks.
#[derive(Clone, Debug)]
pub struct FileLook {
    /// The key that names it.
    pub key: String,
    /// Where it is.
    pub path: PathBuf,
    /// Who may read it.
    pub secrecy: Secrecy,
    /// Owner and mode; none if it could not be looked at, and why.
    pub seen: Result<Permissions, String>,
    /// Those of the folder that it lies in.
    pub folder: Option<Permissions>,
}

/// Owner and mode of a file or folder.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Permissions {
    /// The owner's number.
    pub owner: u32,
    /// The group's number.
    pub group: u32,
    /// The bits, as `chmod` has them.
    pub mode: u32,
}

impl FileLook {
    /// Looks at a file.
    pub fn at(key: &str, path: &Path, secrecy: Secrecy) -> Self {
        Self {
            key: key.to_owned(),
            path: path.to_owned(),
            secrecy,
            seen: permissions(path).map_err(|error| error.to_string()),
            folder: std::path::absolute(path)
                .ok()
                .and_then(|path| permissions(path.parent()?).ok()),
        }
    }
}

#[cfg(unix)]
fn permissions(path: &Path) -> std::io::Result<Permissions> {
    use std::os::unix::fs::MetadataExt as _;
    let data = std::fs::metadata(path)?;
    Ok(Permissions {
        owner: data.uid(),
        group: data.gid(),
        mode: data.mode() & 0o7777,
    })
}

#[cfg(not(unix))]
fn permissions(path: &Path) -> std::io::Result<Permissions> {
    std::fs::metadata(path)?;
    Ok(Permissions {
        owner: 0,
        group: 0,
        mode: 0o600,
    })
}

/// Who this process runs as, where the system tells.
pub fn own_account() -> Option<Permissions> {
    permissions(Path::new("/proc/self")).ok()
}

/// What is to be said of one file; `me` is the account that looks, which should be the one that
/// `serve` runs as.
pub fn judge(file: &FileLook, me: Option<Permissions>) -> Vec<Finding> {
    let about = format!("{} ({})", file.path.display(), file.key);
    let path = file.path.display();
    let seen = match &file.seen {
        Ok(seen) => seen,
        Err(error) => {
            return vec![SECRET_FILE.problem(
                about,
                format!("The file cannot be looked at ({error})"),
                "correct the path, or run doctor as the account that `serve` runs as",
            )];
        }
    };
    let mut findings = Vec::new();
    let open = match file.secrecy {
        Secrecy::Public => 0,
        Secrecy::Shared => seen.mode & 0o007,
        // How systemd and Kubernetes hand a secret to an account that is not root.
        Secrecy::Secret if is_handed_in(*seen) => 0,
        Secrecy::Secret => seen.mode & 0o077,
    };
    let is_own = seen.group == 0 || me.is_none_or(|me| me.group == seen.group);
    if matches!(file.secrecy, Secrecy::Secret) && is_handed_in(*seen) && !is_own {
        findings.push(SECRET_FILE.note(
            about.clone(),
            format!("Everybody in the group {} can read it", seen.group),
            "that is as it should be if nobody but the server is in it (Kubernetes' fsGroup)",
        ));
    }
    if open & 0o044 != 0 {
        let bits = if file.secrecy == Secrecy::Shared {
            "o-rwx"
        } else {
            "go-rwx"
        };
        findings.push(SECRET_FILE.problem(
            about.clone(),
            format!("Others can read it (mode {:04o})", seen.mode),
            format!("run `chmod {bits} {path}`; if strangers have accounts here, what it holds is known to them and must be replaced"),
        ));
    }
    if seen.mode & 0o022 != 0 {
        findings.push(FILE_OWNER.problem(
            about.clone(),
            format!("Others can write it (mode {:04o})", seen.mode),
            format!("run `chmod go-w {path}`"),
        ));
    }
    // Root looks at a service's own folder (systemd's StateDirectory): what lies there is the
    // service's. Root's own files beside it are judged by the first rule.
    let is_of_its_folder = |owner: u32| {
        me.is_some_and(|me| me.owner == 0)
            && file.folder.is_some_and(|folder| {
                folder.owner == owner && folder.mode & 0o777 == folder.mode & 0o700
            })
    };
    let is_trusted =
        |owner: u32| owner == 0 || me.is_none_or(|me| me.owner == owner) || is_of_its_folder(owner);
    if !is_trusted(seen.owner) {
        findings.push(FILE_OWNER.warning(
            about.clone(),
            format!("It belongs to the account {}, neither to root nor to the one that looks", seen.owner),
            format!("give it to the account that `serve` runs as, or to root: `chown root {path}`; or run doctor as that account"),
        ));
    }
    if let Some(folder) = file.folder {
        // With the sticky bit nobody replaces another's file.
        if folder.mode & 0o022 != 0 && folder.mode & 0o1000 == 0 {
            let shown = file.path.parent().unwrap_or(Path::new(".")).display();
            findings.push(FILE_OWNER.problem(
                about.clone(),
                format!(
                    "Others can put another file in its place (its folder has mode {:04o})",
                    folder.mode
                ),
                format!("run `chmod go-w {shown}`"),
            ));
        }
    }
    if findings.is_empty() {
        findings.push(SECRET_FILE.good(about, format!("Its mode is {:04o}", seen.mode)));
    }
    findings
}

/// As systemd and Kubernetes hand a secret to an account that is not root.
fn is_handed_in(seen: Permissions) -> bool {
    seen.owner == 0 && seen.mode & 0o777 == 0o440
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::doctor::Outcome;

    const ROOT: Permissions = Permissions {
        owner: 0,
        group: 0,
        mode: 0,
    };
    const ME: Permissions = Permissions {
        owner: 990,
        group: 990,
        mode: 0,
    };

    fn look(secrecy: Secrecy, owner: u32, mode: u32, folder: u32) -> FileLook {
        FileLook {
            key: "k".to_owned(),
            path: "/etc/claimbridge/x".into(),
            secrecy,
            seen: Ok(Permissions {
                owner,
                group: owner,
                mode,
            }),
            folder: Some(Permissions {
                owner: 0,
                group: 0,
                mode: folder,
            }),
        }
    }

    #[test]
    fn modes_and_owners() {
        use Outcome::{Good, Note, Problem, Warning};
        use Secrecy::{Public, Secret, Shared};
        for (secrecy, owner, mode, folder, wanted) in [
            (Secret, 990, 0o600, 0o755, Good),
            (Secret, 0, 0o400, 0o755, Good),
            (Secret, 0, 0o440, 0o755, Good),
            (Secret, 990, 0o440, 0o755, Problem),
            (Secret, 990, 0o640, 0o755, Problem),
            (Secret, 990, 0o604, 0o755, Problem),
            (Shared, 0, 0o640, 0o755, Good),
            (Shared, 0, 0o644, 0o755, Problem),
            (Public, 0, 0o644, 0o755, Good),
            (Public, 0, 0o664, 0o755, Problem),
            (Public, 1000, 0o644, 0o755, Warning),
            (Public, 0, 0o644, 0o777, Problem),
            (Public, 0, 0o644, 0o1777, Good),
        ] {
            let findings = judge(&look(secrecy, owner, mode, folder), Some(ME));
            let worst = findings.iter().map(|finding| finding.outcome).max();
            assert_eq!(
                worst,
                Some(wanted),
                "{secrecy:?} {owner} {mode:o} {folder:o}: {findings:?}"
            );
        }
        // Root looks at what belongs to a service: fine in a folder that is its own alone.
        for (folder, mode, wanted) in [
            (990, 0o700, Good),
            (990, 0o750, Warning),
            (0, 0o700, Warning),
        ] {
            let mut of_service = look(Secret, 990, 0o600, mode);
            if let Some(its) = &mut of_service.folder {
                its.owner = folder;
            }
            assert_eq!(
                judge(&of_service, Some(ROOT))[0].outcome,
                wanted,
                "{folder}"
            );
        }
        // Handed to our own group, and to everybody's.
        for (group, wanted) in [(990, Good), (100, Note)] {
            let mut file = look(Secret, 0, 0o440, 0o755);
            if let Ok(seen) = &mut file.seen {
                seen.group = group;
            }
            assert_eq!(judge(&file, Some(ME))[0].outcome, wanted, "{group}");
        }
        let mut gone = look(Secret, 0, 0o600, 0o755);
        gone.seen = Err("no such file".to_owned());
        assert_eq!(judge(&gone, None)[0].outcome, Problem);
    }
}
