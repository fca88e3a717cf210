//! Any bytes where a stranger's message of single logout or request for a token is read: what
//! the fuzz targets ask of them (fuzz/targets), of real ones and of changed copies.

use claimbridge::base::random::Random as _;

use crate::saml_kit::Seeded;

#[path = "../../fuzz/targets/logout_sound.rs"]
mod logout_sound;
#[path = "../../fuzz/targets/wstrust_sound.rs"]
mod wstrust_sound;

const CHANGES: usize = 400;

fn fixtures(folder: &str) -> Vec<Vec<u8>> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(folder);
    let files = std::fs::read_dir(folder).unwrap();
    files
        .map(|file| std::fs::read(file.unwrap().path()).unwrap())
        .collect()
}

/// Each is taken as it is, and changed copies never break a rule; of some of those the same
/// can be said, so that the rules are asked at all.
fn judge(folder: &str, judge: impl Fn(&[u8]) -> usize) {
    let mut random = Seeded::new(61);
    for good in fixtures(folder) {
        assert_eq!(judge(&good), 1, "{}", String::from_utf8_lossy(&good));
        let mut taken = 0;
        for _ in 0..CHANGES {
            let mut changed = good.clone();
            let at = random.below(changed.len());
            let mut byte = [0];
            random.fill(&mut byte);
            match random.below(4) {
                0 => changed[at] = byte[0],
                1 => drop(changed.remove(at)),
                2 => changed.insert(at, byte[0]),
                _ => {
                    let until = at + random.below(changed.len() - at);
                    let piece = changed[at..until].to_vec();
                    changed.splice(at..at, piece);
                }
            }
            taken += judge(&changed);
        }
        assert!(taken < CHANGES, "changes are noticed");
    }
}

#[test]
fn a_message_of_single_logout() {
    judge("logout", logout_sound::judge);
}

#[test]
fn a_request_for_a_token() {
    judge("wstrust", wstrust_sound::judge);
}
