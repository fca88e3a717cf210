//! The bundle for an auditor: what is in it, what is not, and that no byte of it is free.

/// What the command promises: files, options, exit codes.
mod command;
/// What the bundle tells, and what it keeps to itself.
mod content;
/// Every alteration is seen.
mod verify;

use std::time::Duration;

use claimbridge::app::evidence::{
    Bundle, Sample, Wanted,
    live_check::LiveCheck,
    names::Naming,
    verify::{Examination, examine},
    zip,
};

use crate::support::{START, World};

/// A bundle of the last ninety days.
pub async fn bundle(world: &World, naming: Naming) -> Bundle {
    bundle_with(world, naming, None, Vec::new()).await
}

pub async fn bundle_with(
    world: &World,
    naming: Naming,
    live_check: Option<LiveCheck>,
    samples: Vec<Sample>,
) -> Bundle {
    let wanted = Wanted {
        since: START.minus(Duration::from_hours(90 * 24)),
        naming,
        configuration: serde_json::json!({"public_url": "https://idp.example.com"}),
        live_check,
        samples,
    };
    world.app().make_evidence(wanted, &|_| {}).await.unwrap()
}

/// The files of a bundle, unpacked by the manifest's word.
pub fn files(archive: &[u8]) -> Vec<(String, Vec<u8>)> {
    let packed = zip::read(archive).unwrap();
    let raw = |name: &str| {
        let file = packed.iter().find(|file| file.name == name).unwrap();
        zip::unpack(file, file.data.len()).unwrap()
    };
    let manifest = raw("manifest.json");
    let value: serde_json::Value = serde_json::from_slice(&manifest).unwrap();
    let mut files: Vec<(String, Vec<u8>)> = value["files"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| {
            let name = entry["name"].as_str().unwrap();
            let size = usize::try_from(entry["size"].as_u64().unwrap()).unwrap();
            let file = packed.iter().find(|file| file.name == name).unwrap();
            (name.to_owned(), zip::unpack(file, size).unwrap())
        })
        .collect();
    files.push(("manifest.json".to_owned(), manifest));
    files.push(("manifest.sig".to_owned(), raw("manifest.sig")));
    files
}

pub fn file(archive: &[u8], name: &str) -> Vec<u8> {
    let found = files(archive).into_iter().find(|(is, _)| is == name);
    found.unwrap_or_else(|| panic!("there is no {name}")).1
}

pub fn json(archive: &[u8], name: &str) -> serde_json::Value {
    serde_json::from_slice(&file(archive, name)).unwrap()
}

pub fn text(archive: &[u8], name: &str) -> String {
    String::from_utf8(file(archive, name)).unwrap()
}

pub fn examined(archive: &[u8]) -> Examination {
    examine(archive).unwrap()
}
