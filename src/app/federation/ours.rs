//! What we are to Entra, from the running configuration.

use crate::{
    app::{App, Error, domains},
    federation::{Certificates, Ours, RequestSigning, wanted::SystemBrowser},
    relying_party::{EntraCloud, RequestSignature},
};

/// What Entra should have of us.
pub async fn ours(app: &App) -> Result<Ours, Error> {
    let settings = app.settings();
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
    Ok(Ours {
        display_name: settings.service_name.clone(),
        public_url: settings.public_url.clone(),
        certificates: Certificates {
            active: app.assertion_key().certificate.clone(),
            staged: None,
            retiring: None,
        },
        request_signing,
        system_browser: if is_national {
            SystemBrowser::LeftAlone
        } else {
            SystemBrowser::Offered
        },
        domains: domains::list(app.store()).await?,
    })
}
