//! Reads what a method publishes, over the network.
//!
//! Always true: two requests without cookies, proxies or redirects; a bounded answer in bounded
//! time.

use std::time::Duration;

use super::metadata::{Document, Provider, Reading};
use crate::{base::clock::Timestamp, practice::checks::Check};

/// Entra waits longer; a person before a page does not.
const PATIENCE: Duration = Duration::from_secs(10);

/// Reads both documents and judges them.
pub(super) async fn read(discovery_url: &str, now: Timestamp) -> Result<Provider, Vec<Check>> {
    let mut reading = Reading::begin(discovery_url);
    if let Some(address) = reading.first() {
        reading.discovery(fetch(&address).await);
    }
    if let Some(address) = reading.second() {
        reading.keys(fetch(&address).await);
    }
    reading.end(now)
}

async fn fetch(address: &str) -> Result<Document, String> {
    let client = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .timeout(PATIENCE)
        .build()
        .map_err(|error| format!("No request could be made: {error}."))?;
    let unreachable = |error: reqwest::Error| {
        let why = if error.is_timeout() {
            "it took too long"
        } else if error.is_connect() {
            "no connection"
        } else {
            "the answer is broken"
        };
        format!("{address} could not be read: {why}.")
    };
    let mut answer = client.get(address).send().await.map_err(unreachable)?;
    let header = |name: &str| {
        let value = answer.headers().get(name)?;
        value.to_str().ok().map(str::to_owned)
    };
    let mut document = Document {
        status: answer.status().as_u16(),
        content_length: header("content-length"),
        content_type: header("content-type"),
        body: Vec::new(),
    };
    while let Some(part) = answer.chunk().await.map_err(unreachable)? {
        document.body.extend_from_slice(&part);
        if document.is_too_large() {
            return Err(format!("{address} is too large."));
        }
    }
    Ok(document)
}
