//! What a metadata file of 20 MB costs: at most 1 s to load and 60 MiB to hold.
//!
//! `cargo bench --bench mds` writes a file under a test root, then loads it in a process of
//! its own — so that the peak is that of loading alone — and prints time and memory beside
//! their targets. They are targets, not tests: a busy machine fails nothing.
//! With `MDS_FILE` (and `MDS_ROOT`, if it is not FIDO's) it measures that file instead.

#![expect(
    clippy::expect_used,
    reason = "a bench that cannot measure says why and ends"
)]

use std::{fs, process::Command};

use claimbridge::factor::webauthn::metadata::{Roots, verify_metadata};
use serde_json::json;

#[path = "../tests/it/mds_kit.rs"]
#[expect(clippy::unwrap_used, reason = "shared with the tests")]
#[expect(dead_code, reason = "the tests use more of it")]
mod mds_kit;

use mds_kit::{NOW, Publisher, entry, payload, png};

const SIZE: usize = 20_000_000;

fn main() {
    if let Some(path) = std::env::var_os("MDS_FILE") {
        return load(&path);
    }
    let folder = tempfile::tempdir().expect("a folder for the file");
    let publisher = Publisher::rsa();
    let (file, root) = (
        folder.path().join("mds.jwt"),
        folder.path().join("root.der"),
    );
    fs::write(&file, generate(&publisher)).expect("the file can be written");
    fs::write(&root, &publisher.root.der).expect("the root can be written");
    let myself = std::env::current_exe().expect("this program has a path");
    let status = Command::new(myself)
        .env("MDS_FILE", &file)
        .env("MDS_ROOT", &root)
        .status();
    assert!(
        status.is_ok_and(|status| status.success()),
        "the file must load"
    );
}

/// A file of [`SIZE`] bytes in the proportions of FIDO's: pictures first, then certificates.
fn generate(publisher: &Publisher) -> Vec<u8> {
    let certified = json!([{"status": "FIDO_CERTIFIED_L1", "effectiveDate": "2024-01-01"}]);
    let one = |index: usize| {
        let aaguid = format!("cb69481e-8ff7-4039-93ec-{index:012x}");
        // Every fifth has roots of its own, the others share one.
        let own = vec![u8::try_from(index % 251).unwrap_or_default(); 900];
        let shared = vec![3; 900];
        let root = if index.is_multiple_of(5) {
            &own
        } else {
            &shared
        };
        let mut entry = entry(&aaguid, "A security key", &[root, &shared], &certified);
        entry["metadataStatement"]["icon"] = json!(png(2_000 + index % 20 * 600));
        entry
    };
    let size = one(10).to_string().len() * 4 / 3;
    let entries: Vec<_> = (0..SIZE / size).map(one).collect();
    publisher.publish(&payload(42, &entries))
}

#[expect(clippy::disallowed_methods, reason = "it measures time")]
fn load(path: &std::ffi::OsStr) {
    let (roots, now) = match std::env::var_os("MDS_ROOT") {
        Some(root) => {
            let root = fs::read(root).expect("MDS_ROOT can be read");
            (Roots::read(&root).expect("MDS_ROOT is a certificate"), NOW)
        }
        None => (
            Roots::fido(),
            claimbridge::base::clock::Clock::now(&claimbridge::base::clock::SystemClock),
        ),
    };
    let before = memory("VmRSS:");
    let begin = std::time::Instant::now();
    let bytes = fs::read(path).expect("MDS_FILE can be read");
    let size = bytes.len();
    let metadata = verify_metadata(&bytes, &roots, None, now).expect("the file is good");
    drop(bytes);
    let took = begin.elapsed();
    println!(
        "{} MB, {} entries: {} ms (target ≤ 1000 ms), peak {} MiB (target ≤ 60 MiB), then {} MiB",
        size / 1_000_000,
        metadata.entries().len(),
        took.as_millis(),
        memory("VmHWM:").saturating_sub(before) / 1024,
        memory("VmRSS:").saturating_sub(before) / 1024,
    );
}

/// Kibibytes of this process, by the kernel's count.
fn memory(line: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    status
        .lines()
        .find_map(|text| {
            text.strip_prefix(line)?
                .split_whitespace()
                .next()?
                .parse()
                .ok()
        })
        .unwrap_or(0)
}
