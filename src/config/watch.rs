//! The `[graph]` and `[watch]` sections: with what the tenant is read, how often, and who
//! is told of a change.
//!
//! Always true: the two secrets are long enough to be none that somebody thought up, and an
//! address that is told something is reached over https, or is this machine's own.

use std::time::Duration;

use url::Url;

use super::{DAY, Entra, HOUR, MINUTE, is_loopback, reader::Reader};
use crate::base::secret::Secret;

/// The shortest secret of the webhook: 128 bits of base32 have 26 characters, of hexadecimal 32.
const SHORTEST_SECRET: usize = 24;

/// An application of the tenant that reads it.
#[derive(Clone, Debug)]
pub struct GraphCredential {
    /// The tenant: its id, or one of its domains.
    pub tenant_id: String,
    /// The application's id.
    pub client_id: String,
    /// Its secret.
    pub client_secret: Secret<String>,
}

/// How `serve` watches.
#[derive(Clone, Debug)]
pub struct Watch {
    /// How often it looks.
    pub every: Duration,
    /// Whom it tells.
    pub webhook: Option<Webhook>,
}

/// Whom it tells.
#[derive(Clone, Debug)]
pub struct Webhook {
    /// Where messages are posted.
    pub url: Url,
    /// What they are signed with.
    pub secret: Secret<String>,
}

pub(super) fn read_graph(reader: &mut Reader, entra: &Entra) -> Option<GraphCredential> {
    let tenant_id = reader.text("graph.tenant_id");
    let client_id = reader.text("graph.client_id");
    let named = has_secret(reader, "graph.client_secret");
    let client_secret = reader.secret("graph.client_secret");
    let tenant_id = tenant_id.filter(|tenant| {
        let sound = is_name(tenant) && !matches!(tenant.as_str(), "common" | "organizations" | "consumers");
        if !sound {
            reader.object(
                "graph.tenant_id",
                "write the id of your tenant, or one of its domains; an application signs in to one tenant",
            );
        }
        sound
    });
    for (key, is_there) in [
        ("graph.tenant_id", reader.has("graph.tenant_id")),
        ("graph.client_id", client_id.is_some()),
        ("graph.client_secret_file", named),
    ] {
        let begun = reader.has("graph.tenant_id") || client_id.is_some() || named;
        if begun && !is_there {
            reader.object(
                key,
                "it is missing; reading the tenant needs tenant_id, client_id and a secret",
            );
        }
    }
    if tenant_id.is_some() && entra.endpoints.is_none() {
        reader.object(
            "graph.tenant_id",
            "the configured cloud does not say where its Graph is; add authority_url and graph_url to [entra.cloud]",
        );
    }
    Some(GraphCredential {
        tenant_id: tenant_id?,
        client_id: client_id?,
        client_secret: client_secret?,
    })
}

pub(super) fn read(reader: &mut Reader) -> Watch {
    let every = reader.duration("watch.every", HOUR, 5 * MINUTE..=DAY);
    let url = read_url(reader);
    let named = has_secret(reader, "watch.webhook_secret");
    let secret = reader.secret("watch.webhook_secret").filter(|secret| {
        let long = secret.expose().len() >= SHORTEST_SECRET;
        if !long {
            let text = format!(
                "it has fewer than {SHORTEST_SECRET} characters; make one with `openssl rand -hex 32`"
            );
            reader.object("watch.webhook_secret", &text);
        }
        long
    });
    match (reader.has("watch.webhook_url"), named) {
        (true, false) => reader.object(
            "watch.webhook_secret_file",
            "it is missing; whoever is told must be able to see that it was us: make a secret with `openssl rand -hex 32`",
        ),
        (false, true) => reader.object(
            "watch.webhook_url",
            "it is missing; write the address that the secret is for, or remove the secret",
        ),
        _ => {}
    }
    let webhook = url.zip(secret).map(|(url, secret)| Webhook { url, secret });
    Watch { every, webhook }
}

fn read_url(reader: &mut Reader) -> Option<Url> {
    const KEY: &str = "watch.webhook_url";
    let text = reader.text(KEY)?;
    let url = Url::parse(&text).ok().filter(|url| {
        let plain = url.username().is_empty() && url.password().is_none() && url.has_host();
        plain && (url.scheme() == "https" || (url.scheme() == "http" && is_loopback(url)))
    });
    if url.is_none() {
        reader.object(
            KEY,
            "write an address that begins with https:// (http only to this machine), without a name and password in it",
        );
    }
    url
}

fn has_secret(reader: &Reader, key: &str) -> bool {
    reader.has(key) || reader.has(&format!("{key}_file"))
}

fn is_name(text: &str) -> bool {
    let sound = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
    !text.is_empty() && text.len() <= 255 && !text.starts_with('.') && text.bytes().all(sound)
}
