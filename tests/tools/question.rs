//! The question before a change, on a terminal that `script` makes: only the domain's name is a yes.

use std::{
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
};

fn claimbridge(folder: &Path, arguments: &[&str]) {
    let output = Command::new(env!("CARGO_BIN_EXE_claimbridge"))
        .args(arguments)
        .current_dir(folder)
        .env_clear()
        .output()
        .unwrap();
    assert!(output.status.success(), "{arguments:?}: {output:?}");
}

/// Runs a command on a terminal, where somebody types that; its exit code and what stood there.
fn typed(folder: &Path, line: &str, typed: &str) -> (i32, String) {
    let command = format!("{} {line}", env!("CARGO_BIN_EXE_claimbridge"));
    let mut child = Command::new("script")
        .args(["--quiet", "--return", "--command", &command, "/dev/null"])
        .current_dir(folder)
        .env_clear()
        .env("SHELL", "/bin/sh")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| {
            panic!("script is missing ({error}); apt-get install bsdutils, or util-linux")
        });
    child
        .stdin
        .take()
        .unwrap()
        .write_all(typed.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    (output.status.code().unwrap(), said)
}

#[test]
fn only_the_name_of_the_domain_is_a_yes() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    claimbridge(at, &["init", "--public-url", "https://idp.contoso.com"]);
    claimbridge(at, &["migrate"]);
    claimbridge(at, &["domain", "add", "contoso.com"]);
    // A change that nobody of us wrote.
    let id = format!("chg_{}", "a".repeat(26));
    let url = format!("sqlite://{}", at.join("claimbridge.db").display());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        use sqlx::Connection as _;
        let mut connection = sqlx::SqliteConnection::connect(&url).await.unwrap();
        sqlx::query(
            "INSERT INTO federation_changes (id, domain, begun_at, finished_at, head)
             VALUES ($1, 'contoso.com', 1, 2, 'x')",
        )
        .bind(&id)
        .execute(&mut connection)
        .await
        .unwrap();
    });
    let set_aside = "domain set-aside contoso.com";
    for no in ["\n", "yes\n", "fabrikam.com\n"] {
        let (exit, said) = typed(at, set_aside, no);
        assert_eq!(exit, 1, "{no:?}: {said}");
        // What is set aside stands there before the question.
        let named = said.find(&id).unwrap_or_else(|| panic!("{said}"));
        let asked = said.find("type the domain's name").unwrap();
        assert!(named < asked, "{said}");
        assert!(said.contains("that is not contoso.com"), "{said}");
    }
    // Where what must be read first stands elsewhere nobody is asked.
    let (exit, said) = typed(at, "domain set-aside contoso.com --json", "contoso.com\n");
    assert_eq!(exit, 1, "{said}");
    assert!(said.contains("--confirm contoso.com"), "{said}");
    let (exit, said) = typed(at, set_aside, " Contoso.com \n");
    assert_eq!(exit, 0, "{said}");
    assert!(said.contains("begins anew"), "{said}");
    let (exit, said) = typed(at, set_aside, "contoso.com\n");
    assert_eq!(exit, 1, "{said}");
    assert!(said.contains("nothing was altered"), "{said}");
}
