//! `user sync --add` of 100,000 people from a practice tenant: at most 60 s on two cores, in
//! memory that does not grow with them.
//!
//! `cargo bench --bench people_sync` runs the built program against a tenant in this process,
//! for few people and for many, and prints time and peak memory. They are targets, not tests:
//! a busy machine fails nothing. With `PEOPLE` it is another number.

#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a bench that cannot measure says why and ends; it reads the clock to measure"
)]

use std::{
    fs,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use claimbridge::practice::More;

#[path = "../tests/it/tenant_kit.rs"]
#[expect(dead_code, reason = "the tests use more of it")]
mod tenant_kit;

const AIM: Duration = Duration::from_mins(1);
const FEW: usize = 1000;

fn main() {
    let many = std::env::var("PEOPLE").map_or(100_000, |text| text.parse().expect("a number"));
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let (_, few_kib) = measure(&runtime, FEW, &["--add"]);
    let (added, many_kib) = measure(&runtime, many, &["--add"]);
    println!(
        "{many} people added in {added:.1?} (aim {AIM:?} for 100000); peak {} MiB, with {FEW} people {} MiB",
        many_kib / 1024,
        few_kib / 1024
    );
}

fn measure(runtime: &tokio::runtime::Runtime, people: usize, more: &[&str]) -> (Duration, u64) {
    let tenant = runtime.block_on(tenant_kit::Tenant::managed(More {
        generated_people: people,
        ..More::default()
    }));
    let folder = tempfile::tempdir().expect("a folder");
    let done = |arguments: &[&str]| {
        let status = program(folder.path(), arguments).wait().expect("it ends");
        assert!(status.success(), "{arguments:?}");
    };
    done(&["init", "--public-url", "https://idp.contoso.com"]);
    done(&["migrate"]);
    done(&["domain", "add", "contoso.com"]);
    let client = tenant.practice.oauth().clients().watch();
    fs::write(
        folder.path().join("secret"),
        client.secret().expect("it has one").expose(),
    )
    .expect("the secret can be written");
    let options = tenant.options(client, "secret");
    let arguments: Vec<&str> = ["user", "sync", "--from", "graph", "--domain", "contoso.com"]
        .into_iter()
        .chain(more.iter().copied())
        .chain(options.iter().map(String::as_str))
        .collect();
    let begun = Instant::now();
    let mut child = program(folder.path(), &arguments);
    let mut peak = 0;
    let status = loop {
        peak = peak_kib(child.id()).unwrap_or(peak);
        if let Some(status) = child.try_wait().expect("it can be waited for") {
            break status;
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    assert!(status.success(), "the sync failed");
    (begun.elapsed(), peak)
}

fn program(folder: &Path, arguments: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_claimbridge"))
        .args(arguments)
        .env_clear()
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .expect("the program starts")
}

fn peak_kib(process: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}
