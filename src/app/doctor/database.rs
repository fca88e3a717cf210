//! The database, judged.

use std::path::Path;

use super::{Finding, catalogue};

/// Room below which something is said: an audit log of a year of a large partner has less.
const SOON_FULL: u64 = 1024 * 1024 * 1024;
const FULL: u64 = 100 * 1024 * 1024;
/// The oldest major version of PostgreSQL that its makers still repair (2026-11).
const OLDEST_POSTGRES: u32 = 15;

/// What was seen of the disk that SQLite lies on.
#[derive(Clone, Copy, Debug)]
pub struct Disk {
    /// Bytes that are free for this account.
    pub free: u64,
    /// The file system's magic number (`statfs`).
    pub kind: u64,
}

impl Disk {
    /// Looks at the disk of a file.
    pub fn of(path: &Path) -> Option<Self> {
        let seen = rustix::fs::statfs(path).ok()?;
        Some(Self {
            free: seen
                .f_bavail
                .saturating_mul(u64::try_from(seen.f_bsize).ok()?),
            kind: u64::try_from(seen.f_type).ok()?,
        })
    }

    /// The name of a file system that is not this machine's own.
    fn over_the_network(&self) -> Option<&'static str> {
        match self.kind {
            0x6969 => Some("NFS"),
            0x517B => Some("SMB"),
            0xFF53_4D42 => Some("CIFS"),
            0xFE53_4D42 => Some("SMB2"),
            0x0102_1997 => Some("9p"),
            0x00C3_6400 => Some("Ceph"),
            _ => None,
        }
    }
}

const MAKE_ROOM: &str =
    "make room on that disk, or move the database; `serve` must be stopped meanwhile";

/// What SQLite's disk and log say.
pub fn judge_sqlite(about: &str, journal: &str, disk: Option<Disk>) -> Vec<Finding> {
    let mut findings = vec![if journal.eq_ignore_ascii_case("wal") {
        catalogue::JOURNAL.good(about, "It keeps a write-ahead log")
    } else {
        catalogue::JOURNAL.problem(
            about,
            format!("It keeps no write-ahead log but “{journal}”"),
            "put the file on a disk of this machine; a network file system or a read-only folder does not take the log",
        )
    }];
    let Some(disk) = disk else {
        findings.push(catalogue::FREE_SPACE.unseen(
            about,
            "The disk could not be looked at",
            "run doctor on the machine that the file lies on",
        ));
        return findings;
    };
    findings.push(match disk.over_the_network() {
        None => catalogue::FILE_SYSTEM.good(about, "It lies on a disk of this machine"),
        Some(kind) => catalogue::FILE_SYSTEM.problem(
            about,
            format!("It lies on a network file system ({kind}), where locks do not hold"),
            "move it to a disk of this machine, or use PostgreSQL",
        ),
    });
    let shown = in_words(disk.free);
    findings.push(match disk.free {
        ..FULL => catalogue::FREE_SPACE.problem(about, format!("Only {shown} are free"), MAKE_ROOM),
        FULL..SOON_FULL => {
            catalogue::FREE_SPACE.warning(about, format!("Only {shown} are free"), MAKE_ROOM)
        }
        _ => catalogue::FREE_SPACE.good(about, format!("{shown} are free")),
    });
    findings
}

fn in_words(bytes: u64) -> String {
    const MIB: u64 = 1024 * 1024;
    if bytes >= 10 * 1024 * MIB {
        format!("{} GiB", bytes / (1024 * MIB))
    } else {
        format!("{} MiB", bytes / MIB)
    }
}

/// How the connection to PostgreSQL goes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Way {
    /// Over a socket of this machine, or to its own address.
    Here,
    /// Over the network with TLS.
    Encrypted,
    /// Over the network without.
    Plain,
}

/// What PostgreSQL's version and the way to it say.
pub fn judge_postgres(about: &str, version: &str, way: Way) -> Vec<Finding> {
    let major = version
        .split(|character: char| !character.is_ascii_digit())
        .next()
        .and_then(|major| major.parse::<u32>().ok());
    vec![
        match major {
            Some(major) if major >= OLDEST_POSTGRES => {
                catalogue::SERVER_VERSION.good(about, format!("It is PostgreSQL {version}"))
            }
            _ => catalogue::SERVER_VERSION.warning(
                about,
                format!("It is PostgreSQL {version}, which its makers do not repair any more"),
                format!("bring it to {OLDEST_POSTGRES} or later"),
            ),
        },
        match way {
            Way::Here => catalogue::DATABASE_TLS.good(about, "The way to it does not leave this machine"),
            Way::Encrypted => catalogue::DATABASE_TLS.good(about, "The way to it is encrypted"),
            Way::Plain => catalogue::DATABASE_TLS.problem(
                about,
                "The way to it is not encrypted",
                "let the server speak TLS, and write ?sslmode=verify-full&sslrootcert=… into database_url",
            ),
        },
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::doctor::Outcome;

    const LOCAL: u64 = 0xEF53;

    fn worst(findings: &[Finding]) -> Outcome {
        findings
            .iter()
            .map(|finding| finding.outcome)
            .max()
            .unwrap()
    }

    #[test]
    fn sqlite() {
        let gib = 1024 * 1024 * 1024;
        for (journal, disk, wanted) in [
            ("wal", Some((20 * gib, LOCAL)), Outcome::Good),
            ("delete", Some((20 * gib, LOCAL)), Outcome::Problem),
            ("wal", Some((20 * gib, 0x6969)), Outcome::Problem),
            ("wal", Some((gib / 2, LOCAL)), Outcome::Warning),
            ("wal", Some((1000, LOCAL)), Outcome::Problem),
            ("wal", None, Outcome::Unseen),
        ] {
            let disk = disk.map(|(free, kind)| Disk { free, kind });
            assert_eq!(
                worst(&judge_sqlite("d", journal, disk)),
                wanted,
                "{journal} {disk:?}"
            );
        }
        let folder = tempfile::tempdir().unwrap();
        assert!(Disk::of(folder.path()).unwrap().free > 0);
    }

    #[test]
    fn postgres() {
        for (version, way, wanted) in [
            ("15.8 (Debian 15.8-0+deb12u1)", Way::Here, Outcome::Good),
            ("17.2", Way::Encrypted, Outcome::Good),
            ("17.2", Way::Plain, Outcome::Problem),
            ("12.9", Way::Here, Outcome::Warning),
            ("devel", Way::Here, Outcome::Warning),
        ] {
            assert_eq!(
                worst(&judge_postgres("d", version, way)),
                wanted,
                "{version} {way:?}"
            );
        }
    }
}
