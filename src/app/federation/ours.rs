//! What we are to Entra, from the running configuration.

use crate::{
    app::{App, Error, Settings, domains, keys::Published},
    federation::{Certificates, Ours, RequestSigning, wanted::SystemBrowser},
    keys::KeyPurpose,
    relying_party::{Domain, EntraCloud, RequestSignature},
};

/// What Entra should have of us.
pub async fn ours(app: &App) -> Result<Ours, Error> {
    let published = app.published(KeyPurpose::Assertion).await?;
    ours_of(app.settings(), published, domains::list(app.store()).await?)
}

/// What of it needs no key, for who compares only: nothing of it is fit to be sent. Rows of
/// keys that were altered may be ours, so that their certificates count as former ones.
pub async fn ours_without_key(app: &App) -> Result<Ours, Error> {
    let published = app.published(KeyPurpose::Assertion).await?;
    let altered = app
        .keys()
        .await?
        .into_iter()
        .filter(|key| key.purpose == KeyPurpose::Assertion && key.state.is_none());
    let nobodys = Vec::new();
    let mut certificates = certificates(nobodys, published);
    certificates
        .former
        .extend(altered.map(|key| key.certificate));
    let domains = domains::list(app.store()).await?;
    Ok(with(app.settings(), certificates, domains))
}

/// The same, of what was read.
pub fn ours_of(
    settings: &Settings,
    mut published: Published,
    domains: Vec<Domain>,
) -> Result<Ours, Error> {
    let active = published.active.take().ok_or_else(|| {
        Error::conflict(
            "no key that signs assertions can be used; `claimbridge keys list` says what became of it",
        )
    })?;
    let certificates = certificates(active.certificate, published);
    Ok(with(settings, certificates, domains))
}

fn certificates(active: Vec<u8>, published: Published) -> Certificates {
    // Of several keys that retire a tenant can hold one; the others are known all the same.
    let mut retiring = published.retiring.into_iter().map(|key| key.certificate);
    let newest = retiring.next();
    Certificates {
        active,
        staged: published.staged.map(|key| key.certificate),
        retiring: newest,
        former: retiring.chain(published.former).collect(),
    }
}

fn with(settings: &Settings, certificates: Certificates, domains: Vec<Domain>) -> Ours {
    let party = &settings.entra;
    let request_signing = match party.request_signature {
        RequestSignature::Required => RequestSigning::Required,
        RequestSignature::Optional if party.request_certificates.is_empty() => {
            RequestSigning::Unverifiable
        }
        RequestSignature::Optional => RequestSigning::Verifiable,
    };
    // In the national clouds it is a preview (facts §1.6).
    let is_national = [EntraCloud::us_gov(), EntraCloud::china()]
        .iter()
        .any(|cloud| cloud.entity_id == party.entity_id.0);
    Ours {
        display_name: settings.service_name.clone(),
        public_url: settings.public_url.clone(),
        certificates,
        request_signing,
        system_browser: if is_national {
            SystemBrowser::LeftAlone
        } else {
            SystemBrowser::Offered
        },
        domains,
        known_federations: settings.known_federations.clone(),
        ws_federation: settings.ws_federation.clone(),
        active_door: settings.active_door,
    }
}
