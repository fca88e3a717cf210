//! Every alteration is seen.

use claimbridge::app::evidence::{
    bundle::{File, seal},
    names::Naming,
    verify::examine,
    zip::{self, Packing},
};

use super::{bundle, examined, files};
use crate::support::World;

/// Packs files to an archive as the command does, but without asking anybody.
fn packed(files: &[(String, Vec<u8>)], world: &World) -> Vec<u8> {
    let parcels: Vec<_> = files
        .iter()
        .map(|(name, bytes)| {
            let packing = if name.starts_with("manifest") {
                Packing::Stored
            } else {
                Packing::Deflate
            };
            zip::pack(name, bytes, packing).unwrap()
        })
        .collect();
    let named: Vec<_> = files
        .iter()
        .zip(&parcels)
        .map(|((name, _), parcel)| parcel.named(name))
        .collect();
    zip::write(&named, world.now()).unwrap()
}

fn accused(archive: &[u8]) -> Vec<String> {
    examined(archive)
        .problems
        .into_iter()
        .map(|problem| problem.file.unwrap_or_else(|| "archive".to_owned()))
        .collect()
}

#[tokio::test]
async fn one_changed_byte_anywhere_fails() {
    let world = World::new().await;
    world.ready("a@contoso.com").await;
    let archive = bundle(&world, Naming::Names).await.archive;
    assert_eq!(examined(&archive).problems, []);
    // Each byte of the headers and of small files; of long ones each 97th, and their ends.
    let spots = {
        let mut at = 0;
        let mut spots = Vec::new();
        for file in zip::read(&archive).unwrap() {
            let data = at + 30 + file.name.len();
            spots.extend(at..data);
            let end = data + file.data.len();
            spots.extend((data..end).filter(|spot| {
                end - data < 300 || (spot - data).is_multiple_of(97) || end - spot <= 8
            }));
            at = end;
        }
        spots.extend(at..archive.len());
        spots
    };
    assert!(spots.len() > 2000, "{}", spots.len());
    let mut altered = archive.clone();
    for (number, spot) in spots.into_iter().enumerate() {
        let bit = 1 << (number % 8);
        altered[spot] ^= bit;
        let good = examine(&altered).is_ok_and(|found| found.problems.is_empty());
        assert!(!good, "byte {spot}, bit {bit}");
        altered[spot] ^= bit;
    }
    assert_eq!(altered, archive);
}

#[tokio::test]
async fn a_changed_file_is_named() {
    let world = World::new().await;
    let archive = bundle(&world, Naming::Names).await.archive;
    let whole = files(&archive);
    // The files as they are, packed again, are the bundle: what follows is judged by its content.
    assert_eq!(packed(&whole, &world), archive);
    for (index, (name, bytes)) in whole.iter().enumerate() {
        let mut changed = whole.clone();
        let last = bytes.len() - 1;
        changed[index].1[last / 2] ^= 1;
        let accused = accused(&packed(&changed, &world));
        assert!(
            accused.contains(name) || (name == "manifest.json" && !accused.is_empty()),
            "{name}: {accused:?}"
        );
    }
}

#[tokio::test]
async fn a_file_that_was_added_taken_out_or_doubled_is_named() {
    let world = World::new().await;
    let archive = bundle(&world, Naming::Names).await.archive;
    let whole = files(&archive);
    for index in 0..whole.len() {
        let mut without = whole.clone();
        let (name, _) = without.remove(index);
        assert!(accused(&packed(&without, &world)).contains(&name), "{name}");
    }
    let mut more = whole.clone();
    more.insert(3, ("extra.txt".to_owned(), b"hello".to_vec()));
    assert_eq!(accused(&packed(&more, &world)), ["extra.txt"]);
    let mut twice = whole.clone();
    twice.push(whole[1].clone());
    assert_eq!(accused(&packed(&twice, &world)), ["archive"]);
    let mut swapped = whole.clone();
    swapped.swap(0, 1);
    assert_eq!(accused(&packed(&swapped, &world)), ["archive"]);
    let later = {
        world.advance(10);
        packed(&whole, &world)
    };
    assert_eq!(accused(&later), ["archive"]);
}

/// Whoever alters a bundle can sign it anew, but not with the partner's key.
#[tokio::test]
async fn another_key_is_another_fingerprint_and_a_foreign_signature_fails() {
    let (ours, theirs) = (World::new().await, World::new().await);
    let archive = bundle(&ours, Naming::Names).await.archive;
    let other = bundle(&theirs, Naming::Names).await.archive;
    let fingerprint = |archive: &[u8]| examined(archive).fingerprint.unwrap();
    assert_ne!(fingerprint(&archive), fingerprint(&other));
    let part = |archive: &[u8], name: &str| {
        let found = files(archive).into_iter().find(|(is, _)| is == name);
        found.unwrap().1
    };
    let replaced = |names: &[&str]| {
        let mut mixed = files(&archive);
        for (name, bytes) in &mut mixed {
            if names.contains(&name.as_str()) {
                *bytes = part(&other, name);
            }
        }
        accused(&packed(&mixed, &ours))
    };
    assert_eq!(replaced(&["manifest.sig"]), ["manifest.sig"]);
    let with_key = replaced(&["audit-key.pem", "manifest.sig"]);
    assert!(
        with_key.contains(&"audit-key.pem".to_owned()),
        "{with_key:?}"
    );
    let with_manifest = replaced(&["manifest.json", "manifest.sig"]);
    assert!(with_manifest.contains(&"coverage.json".to_owned()) || with_manifest.len() > 1);

    // Not with the key that signs assertions: its purpose is another.
    let files = vec![File::text("a.txt", "a")];
    let refused = seal(files, &ours.app().assertion_key(), ours.now()).unwrap_err();
    assert!(
        refused.to_string().contains("could not be signed"),
        "{refused}"
    );
}

#[test]
fn what_is_no_bundle_is_unreadable_or_altered_and_never_good() {
    for bytes in [&b""[..], b"PK", b"<html>", &[0; 100]] {
        assert!(examine(bytes).is_err(), "{bytes:?}");
    }
    let mut bytes = b"PK\x03\x04".to_vec();
    bytes.extend([0xff; 60]);
    assert!(!examine(&bytes).unwrap().problems.is_empty());
    // An archive of ours with nothing in it that is a bundle's.
    let parcel = zip::pack("a", b"x", Packing::Stored).unwrap();
    let at = claimbridge::base::clock::Timestamp::from_millis(0);
    let archive = zip::write(&[parcel.named("a")], at).unwrap();
    assert_eq!(
        examine(&archive).unwrap().problems[0].file.as_deref(),
        Some("manifest.json")
    );
    let parcel = zip::pack("manifest.json", b"{}", Packing::Stored).unwrap();
    let archive = zip::write(&[parcel.named("manifest.json")], at).unwrap();
    assert!(!examine(&archive).unwrap().problems.is_empty());
}
