//! The tenant, read with the application of `[graph]`.

use crate::{
    app::{
        doctor::{Finding, catalogue},
        federation::read::read_tenant,
        saml::chain,
        watch::{TenantReader, credential::Powers},
    },
    base::clock::Timestamp,
    federation::{Drift, DriftSeverity, Ours, drift},
    outbound::guard::Outbound,
};

/// Looks at the tenant, also with an application that could write: it fails for that, and whoever
/// gave it that power may have done more.
pub(super) async fn look(
    reader: Option<&TenantReader>,
    ours: Option<&Ours>,
    outbound: &Outbound,
    now: Timestamp,
) -> Vec<Finding> {
    let Some(reader) = reader else {
        return vec![catalogue::TENANT.note(
            "[graph]",
            "No application is configured, so that nobody sees whether the federation is changed",
            "make one in Entra that has Domain.Read.All and Policy.Read.All and nothing else, and write it into [graph]",
        )];
    };
    let tenant = reader.tenant();
    let (graph, powers) = match reader.open(outbound).await {
        Ok(opened) => opened,
        Err(error) => {
            return vec![catalogue::TENANT.problem(
                tenant,
                format!("The application gets no token: {}", chain(&error)),
                "see whether tenant_id, client_id and the secret in [graph] are right, and whether the secret has ended",
            )];
        }
    };
    let mut findings = vec![judge_powers(tenant, &powers)];
    let seen = match read_tenant(&graph).await {
        Ok(seen) => seen,
        Err(error) => {
            findings.push(catalogue::TENANT.problem(
                tenant,
                format!("It cannot be read: {}", chain(&error)),
                "give the application Domain.Read.All and Policy.Read.All, with an administrator's consent",
            ));
            return findings;
        }
    };
    findings.push(catalogue::TENANT.good(
        tenant,
        format!(
            "It can be read; it has {} domains",
            seen.domains.len() + seen.unreadable.len()
        ),
    ));
    let Some(ours) = ours else {
        return findings;
    };
    let drifts = drift(ours, &seen, now);
    if drifts.is_empty() {
        findings.push(catalogue::DRIFT.good(tenant, "Its federation is as it should be"));
    }
    findings.extend(drifts.iter().map(|drift| judge_drift(tenant, drift)));
    findings
}

/// Whether the application is one that only reads.
fn judge_powers(tenant: &str, powers: &Powers) -> Finding {
    const REMEDY: &str =
        "take these permissions away in Entra; Domain.Read.All and Policy.Read.All are enough";
    match powers {
        Powers::Reads(_) => {
            catalogue::TENANT_WRITE.good(tenant, "The application of [graph] only reads")
        }
        Powers::Writes(by) => catalogue::TENANT_WRITE.problem(
            tenant,
            format!("The application of [graph] may write: {}", by.join(", ")),
            REMEDY,
        ),
        Powers::Unknown => catalogue::TENANT_WRITE.warning(
            tenant,
            "The token of the application does not say what it may do",
            "see in Entra that it has Domain.Read.All and Policy.Read.All and nothing else",
        ),
    }
}

fn judge_drift(tenant: &str, drift: &Drift) -> Finding {
    let about = drift.domain.as_deref().unwrap_or(tenant);
    let sentence = format!("{} ({})", drift.sentence.trim_end_matches('.'), drift.kind);
    let remedy = drift.remedy.trim_end_matches('.');
    match drift.severity {
        DriftSeverity::Critical => catalogue::DRIFT.problem(about, sentence, remedy),
        DriftSeverity::Warning => catalogue::DRIFT.warning(about, sentence, remedy),
        DriftSeverity::Info => catalogue::DRIFT.note(about, sentence, remedy),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{app::doctor::Outcome, federation::DriftKind};

    #[test]
    fn an_application_that_could_write_fails() {
        for (powers, wanted) in [
            (
                Powers::Reads(vec!["Domain.Read.All".to_owned()]),
                Outcome::Good,
            ),
            (
                Powers::Writes(vec!["Domain.ReadWrite.All".to_owned()]),
                Outcome::Problem,
            ),
            (Powers::Unknown, Outcome::Warning),
        ] {
            assert_eq!(judge_powers("t", &powers).outcome, wanted, "{powers:?}");
        }
    }

    #[test]
    fn a_drift_is_as_bad_as_it_says() {
        for (severity, wanted) in [
            (DriftSeverity::Critical, Outcome::Problem),
            (DriftSeverity::Warning, Outcome::Warning),
            (DriftSeverity::Info, Outcome::Note),
        ] {
            let drift = Drift {
                kind: DriftKind::UnknownCertificate,
                severity,
                domain: Some("contoso.com".to_owned()),
                property: None,
                sentence: "A sentence.".to_owned(),
                remedy: "Do it.".to_owned(),
            };
            let finding = judge_drift("t", &drift);
            assert_eq!(finding.outcome, wanted);
            assert_eq!(finding.sentence, "A sentence (unknown-certificate)");
        }
    }
}
