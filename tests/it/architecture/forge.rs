//! The compiler itself refuses to build a proof outside its file.
//!
//! `src/forge.rs` tries; this test compiles the library with `--cfg forge` and
//! wants exactly one privacy error on each marked line. `cargo rustc` hands the
//! flag to our crate only and a workspace wrapper (`env`, which does nothing)
//! gives the result a name of its own: dependencies are not compiled again and
//! the library of the other tests is not touched.

use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs,
    process::Command,
};

use serde_json::Value;

use super::{sealed::SEALED, source};

#[test]
fn the_compiler_refuses_to_build_a_proof_outside_its_file() {
    let text = fs::read_to_string(source::root().join("src/forge.rs")).unwrap();
    let wanted: BTreeSet<u64> = (1..)
        .zip(text.lines())
        .filter(|(_, line)| line.ends_with("// FORGE"))
        .map(|(number, _)| number)
        .collect();
    assert_eq!(wanted.len(), SEALED.len(), "a line for each sealed type");
    for (name, _) in SEALED {
        let attempt = format!("::{name} {{ ..made_up() }}; // FORGE");
        assert!(text.contains(&attempt), "src/forge.rs does not try {name}");
    }

    let mut refused = BTreeMap::new();
    let mut other = Vec::new();
    for message in errors_of_the_compiler() {
        let code = message["code"]["code"].as_str().unwrap_or_default();
        let place = message["spans"]
            .as_array()
            .into_iter()
            .flatten()
            .find(|span| span["is_primary"] == true)
            .filter(|span| span["file_name"] == "src/forge.rs")
            .and_then(|span| span["line_start"].as_u64());
        match (code, place) {
            ("E0451" | "E0603", Some(line)) => {
                *refused.entry(line).or_insert(0) += 1;
            }
            _ => other.push(message["rendered"].to_string()),
        }
    }
    assert!(other.is_empty(), "other errors: {}", other.join("\n"));
    assert_eq!(refused, wanted.into_iter().map(|line| (line, 1)).collect());
}

fn errors_of_the_compiler() -> Vec<Value> {
    let this = env::current_exe().unwrap();
    let target = this.ancestors().nth(3).unwrap(); // target/debug/deps/it-…
    let output = Command::new(env!("CARGO"))
        .current_dir(source::root())
        .args(["rustc", "--offline", "--lib", "--message-format", "json"])
        .arg("--target-dir")
        .arg(target)
        .args(["--", "--cfg", "forge"])
        .env("RUSTC_WORKSPACE_WRAPPER", "/usr/bin/env")
        .output()
        .unwrap();
    assert!(!output.status.success(), "the forgeries compile");
    String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|line| line["reason"] == "compiler-message")
        .map(|mut line| line["message"].take())
        .filter(|message| message["level"] == "error")
        .filter(|message| {
            let text = message["message"].as_str().unwrap_or_default();
            !text.starts_with("aborting due to")
        })
        .collect()
}
