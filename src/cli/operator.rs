//! Who is at the command line, for the event that names the operator: the OS account
//! of the process, from the kernel and not from what the environment says. Behind
//! `sudo` also the name that it gives, marked as its word.

/// Such as `os:alice` or `os:root (sudo: alice)`.
pub fn name() -> String {
    let account = account();
    match std::env::var("SUDO_USER") {
        Ok(caller) if is_account_name(&caller) => format!("os:{account} (sudo: {caller})"),
        _ => format!("os:{account}"),
    }
}

#[cfg(unix)]
fn account() -> String {
    use std::os::unix::fs::MetadataExt as _;
    let Ok(uid) = std::fs::metadata("/proc/self").map(|data| data.uid()) else {
        return "unknown".to_owned();
    };
    std::fs::read_to_string("/etc/passwd")
        .ok()
        .and_then(|passwd| name_in(&passwd, uid))
        .unwrap_or_else(|| format!("uid {uid}"))
}

#[cfg(not(unix))]
fn account() -> String {
    "unknown".to_owned()
}

fn name_in(passwd: &str, uid: u32) -> Option<String> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid) && is_account_name(name)).then(|| name.to_owned())
    })
}

/// Printable and short: it ends up in logs.
fn is_account_name(name: &str) -> bool {
    (1..=64).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_account_is_looked_up_by_its_number() {
        let passwd = "root:x:0:0::/root:/bin/sh\nalice:x:1000:1000::/home/alice:/bin/sh\n";
        assert_eq!(name_in(passwd, 1000).as_deref(), Some("alice"));
        assert_eq!(name_in(passwd, 1), None);
        assert!(!is_account_name("a\nb") && !is_account_name(""));
    }
}
