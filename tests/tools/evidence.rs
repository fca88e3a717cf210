//! A bundle of evidence, in the hands of somebody who has no claimbridge: unzip opens it, and the
//! commands that its README.txt prints verify it, word for word.

use std::{
    path::Path,
    process::{Command, Output},
};

fn run(folder: &Path, program: &str, arguments: &[&str]) -> Output {
    Command::new(program)
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap_or_else(|error| panic!("{program} is missing ({error}); tests/run.sh installs it"))
}

fn claimbridge(folder: &Path, arguments: &[&str]) -> String {
    // Whoever runs the tests has variables of ours for other tests; the program knows no such keys.
    let output = Command::new(env!("CARGO_BIN_EXE_claimbridge"))
        .args(arguments)
        .current_dir(folder)
        .env_clear()
        .output()
        .unwrap();
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// The commands of README.txt, in the unpacked bundle: whether all did, and what they said.
fn by_hand(unpacked: &Path) -> (bool, String) {
    let readme = std::fs::read_to_string(unpacked.join("README.txt")).unwrap();
    let commands: Vec<&str> = readme
        .lines()
        .filter_map(|line| line.strip_prefix("    "))
        .collect();
    assert_eq!(commands.len(), 5, "{commands:?}");
    let script = format!("set -euo pipefail\n{}", commands.join("\n"));
    let output = run(unpacked, "bash", &["-c", &script]);
    let said = [output.stdout, output.stderr].concat();
    (
        output.status.success(),
        String::from_utf8_lossy(&said).into_owned(),
    )
}

#[test]
fn unzip_and_openssl_agree_with_a_bundle_and_see_an_altered_one() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    claimbridge(at, &["init", "--public-url", "https://idp.contoso.com"]);
    claimbridge(at, &["migrate"]);
    claimbridge(at, &["domain", "add", "contoso.com"]);
    claimbridge(at, &["user", "add", "a@contoso.com", "--name", "Agent One"]);
    claimbridge(at, &["evidence", "--out", "bundle.zip"]);
    let export = [
        "keys",
        "export-certificate",
        "--purpose",
        "audit",
        "--form",
        "fingerprint",
    ];
    let fingerprint = claimbridge(at, &export);

    let tested = run(at, "unzip", &["-t", "bundle.zip"]);
    assert!(tested.status.success(), "{tested:?}");
    let said = String::from_utf8(tested.stdout).unwrap();
    assert!(said.contains("No errors detected"), "{said}");
    let listed = run(at, "unzip", &["-Z1", "bundle.zip"]);
    assert_eq!(
        String::from_utf8(listed.stdout).unwrap().lines().count(),
        15
    );
    let unpacked = at.join("unpacked");
    let done = run(at, "unzip", &["-q", "bundle.zip", "-d", "unpacked"]);
    assert!(done.status.success(), "{done:?}");

    let (good, said) = by_hand(&unpacked);
    assert!(good, "{said}");
    assert!(said.contains("Verified OK"), "{said}");
    assert!(said.contains(fingerprint.trim()), "{said}");
    // All but the manifest and its signature.
    assert_eq!(said.matches(": OK").count(), 13, "{said}");

    let report = unpacked.join("report.html");
    let whole = std::fs::read(&report).unwrap();
    std::fs::write(&report, [&whole[..], b" "].concat()).unwrap();
    let (good, said) = by_hand(&unpacked);
    assert!(!good && said.contains("report.html: FAILED"), "{said}");
    std::fs::write(&report, whole).unwrap();

    let manifest = unpacked.join("manifest.json");
    let text = std::fs::read_to_string(&manifest).unwrap();
    std::fs::write(
        &manifest,
        text.replace("\"made_at\": \"2", "\"made_at\": \"3"),
    )
    .unwrap();
    let (good, said) = by_hand(&unpacked);
    assert!(!good && said.contains("Verification failure"), "{said}");
}
