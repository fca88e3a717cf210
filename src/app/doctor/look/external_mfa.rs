//! What Entra reads of our External MFA, if a tenant asks here.

use crate::{
    app::{
        Settings,
        doctor::{Finding, catalogue},
        external_mfa::verify::{self, Standing},
        keys::Published,
        saml::chain,
    },
    base::clock::Timestamp,
    outbound::guard::Outbound,
    protocol::oidc::discovery,
};

/// Reads both documents at the public address and judges them as Entra does.
pub(super) async fn look(
    settings: &Settings,
    keys: &Published,
    outbound: &Outbound,
    now: Timestamp,
) -> Vec<Finding> {
    let about = discovery::discovery_url(&settings.public_url);
    let check = &catalogue::EXTERNAL_MFA;
    let verified = match verify::our_side(outbound, settings, keys, now).await {
        Ok(verified) => verified,
        Err(error) => {
            return vec![check.unseen(
                about,
                format!("It could not be looked at: {}", chain(&error)),
                "look again",
            )];
        }
    };
    if verified.is_unreachable {
        return vec![check.unseen(
            about,
            "It could not be read, because the public address did not answer",
            "see what is said of the public address, then look again",
        )];
    }
    let unmet = verified
        .checks
        .iter()
        .filter(|check| check.standing == Standing::Unmet);
    let findings: Vec<Finding> = unmet
        .map(|found| {
            let sentence = found.says.trim_end_matches('.');
            check.problem(about.clone(), sentence, found.remedy.clone())
        })
        .collect();
    if findings.is_empty() {
        return vec![check.good(about, "Entra can read what it wants of External MFA")];
    }
    findings
}
