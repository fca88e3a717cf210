//! The FIDO metadata file that `mds_file` names: read at start, and again when it changes.

use std::{fs, io, path::Path, path::PathBuf, time::SystemTime};

use super::Failure;
use crate::{
    app::{
        App, Category,
        metadata::{Freshness, MAX_BYTES, Metadata, Roots},
    },
    base::clock::Timestamp,
    config::WebAuthnSetting,
};

/// The file, and how it looked when it was read last.
pub struct MetadataFile {
    path: PathBuf,
    roots_path: Option<PathBuf>,
    seen: Option<Look>,
}

/// What became of a file that is one.
enum Loaded {
    /// It is in use.
    InUse,
    /// It is older than one that was used before: why, in words.
    TooOld(String),
}

/// By what a changed file is noticed: cheap enough to look every minute.
type Look = (SystemTime, u64);

impl MetadataFile {
    /// The configured one, if there is one.
    pub fn of(setting: &WebAuthnSetting) -> Option<Self> {
        Some(Self {
            path: setting.mds_file.clone()?,
            roots_path: setting.mds_root_file.clone(),
            seen: None,
        })
    }

    /// The file's bytes and whose signature is believed. The error is a sentence with its
    /// remedy, after the key that it is about.
    pub fn read(&self) -> Result<(Vec<u8>, Roots), (&'static str, String)> {
        let roots = match &self.roots_path {
            None => Roots::fido(),
            Some(path) => {
                const KEY: &str = "policy.webauthn.mds_root_file";
                let bytes = read(path, MAX_BYTES).map_err(|text| (KEY, text))?;
                Roots::read(&bytes).map_err(|error| {
                    let text = format!("{}: {error}; name the certificate", path.display());
                    (KEY, text)
                })?
            }
        };
        let bytes = read(&self.path, MAX_BYTES).map_err(|text| (MDS_FILE, text))?;
        Ok((bytes, roots))
    }

    /// Verifies the file at start and uses it from now on. What is no file of ours is a reason
    /// not to start; one that is only too old stops new keys, and the models that it reports
    /// itself sign nobody in.
    pub async fn load_first(&mut self, app: &App) -> Result<(), Failure> {
        match self.load(app).await? {
            Loaded::InUse => {}
            Loaded::TooOld(text) => {
                tracing::error!(
                    "no key can be added, and models that were reported since this file are not known as such: {text}"
                );
            }
        }
        Ok(())
    }

    /// Verifies the file and uses it from now on; says so in the log.
    async fn load(&mut self, app: &App) -> Result<Loaded, Failure> {
        self.seen = look(&self.path);
        let (bytes, roots) = self
            .read()
            .map_err(|(key, text)| Failure::usage(format!("{key}: {text}")))?;
        let metadata = match app.use_metadata(bytes, roots).await {
            Ok(metadata) => metadata,
            Err(error) => {
                let text = format!("{MDS_FILE}: {}", super::chain(&error));
                return match error.category() {
                    Category::Conflict => Ok(Loaded::TooOld(text)),
                    _ => Err(Failure::usage(text)),
                };
            }
        };
        let (models, number) = (metadata.entries().len(), metadata.number());
        let next_update = day(metadata.next_update());
        match metadata.freshness(app.now()) {
            Freshness::Fresh => {
                tracing::info!(number, models, next_update, "FIDO metadata is in use");
            }
            Freshness::Stale => tracing::warn!(
                number,
                models,
                next_update,
                "FIDO metadata is in use, but it is out of date; download the present one from https://mds3.fidoalliance.org"
            ),
        }
        Ok(Loaded::InUse)
    }

    /// Loads the file again if it has changed. What is bad is said, and the former stays.
    pub async fn reload_changed(&mut self, app: &App) {
        if look(&self.path) != self.seen {
            self.reload(app).await;
        }
    }

    /// Loads the file again. What is bad is said, and the former stays.
    pub async fn reload(&mut self, app: &App) {
        let failure = match self.load(app).await {
            Ok(Loaded::InUse) => return,
            Ok(Loaded::TooOld(text)) => text,
            Err(failure) => failure.to_string(),
        };
        tracing::error!(
            failure,
            "the new FIDO metadata is refused; the former stays in use"
        );
    }
}

/// The key of messages about the file.
pub const MDS_FILE: &str = "policy.webauthn.mds_file";

/// One line about metadata, for people.
pub fn in_words(metadata: &Metadata, now: Timestamp) -> String {
    let stale = match metadata.freshness(now) {
        Freshness::Fresh => "",
        Freshness::Stale => "; it is out of date",
    };
    format!(
        "FIDO metadata: number {}, {} models, next update {}{stale}.",
        metadata.number(),
        metadata.entries().len(),
        day(metadata.next_update())
    )
}

/// `2026-12-01`.
pub fn day(at: Timestamp) -> String {
    at.to_rfc3339().chars().take(10).collect()
}

/// At most `most` bytes are read, and one more, by which a larger file is noticed.
fn read(path: &Path, most: usize) -> Result<Vec<u8>, String> {
    let unread = |error| {
        format!(
            "{} cannot be read ({error}); correct the path, or let this user read it",
            path.display()
        )
    };
    let file = fs::File::open(path).map_err(unread)?;
    let mut bytes = Vec::new();
    io::Read::read_to_end(&mut io::Read::take(file, most as u64 + 1), &mut bytes)
        .map_err(unread)?;
    Ok(bytes)
}

fn look(path: &Path) -> Option<Look> {
    let data = fs::metadata(path).ok()?;
    Some((data.modified().ok()?, data.len()))
}
