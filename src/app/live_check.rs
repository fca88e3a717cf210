//! The live check: sign in to a tenant as an application does for its user (App+User),
//! and judge the access token that comes of it (facts §6).
//!
//! Always true: the person signs in with real factors in a browser; nothing here makes a
//! claim, it only reads one. Tokens live in memory for the length of the check; a refresh
//! token goes to the file that was named, or nowhere. What could not be found out is a "no".
//!
//! Read next: [`crate::outbound::entra`] (the protocol), [`report`] (what is said of it).

/// What is to be done, and what the person is told.
pub mod plan;
/// What the check found.
pub mod report;

use std::{io, time::Duration};

use crate::{
    base::{
        clock::{Clock, Timestamp},
        random::Random,
        secret::Secret,
    },
    inspect::{self, Basis, Consumer, Context, Jwks, Outcome, Report},
    outbound::{
        guard::{self, Outbound, OutboundError},
        partner_center,
        redirect::{Arrival, RedirectListener},
    },
};

use crate::outbound::entra::{
    Asking, DiscoveryError, Entra, EntraError, Permissions, Refusal, Tokens, Version, Wanted,
    WantsRefresh,
};
pub use crate::outbound::entra::{
    Authority, AuthorityError, ClientIdentity, MICROSOFT_SCRIPT_CLIENT,
};
pub use plan::{CloudEndpoints, Flow, Keep, Notice, Plan, cloud_endpoints, in_words};
use report::{Consent, Live, PartnerCenterSays, RefreshTokenKept, Refused};

/// Why there is no answer at all.
#[derive(Debug, thiserror::Error)]
pub enum LiveCheckError {
    /// The network, or another server than was expected.
    #[error("the live check could not be made")]
    Outbound(#[from] OutboundError),
    /// The authority's document.
    #[error("the live check could not be made")]
    Discovery(#[from] DiscoveryError),
    /// An answer that no Entra gives.
    #[error("the answer of {authority} is not to be trusted")]
    Answer {
        /// Whom we asked.
        authority: String,
        /// What is wrong with it.
        #[source]
        cause: EntraError,
    },
    /// No port is free.
    #[error(
        "no port for the browser's answer could be had; free one of 8400 to 8999, or name one with --redirect-port"
    )]
    Listener(#[source] io::Error),
    /// Nobody came back.
    #[error("nobody signed in within {}; begin again, or allow more with --wait", in_words(*.0))]
    NobodyCame(Duration),
    /// The refresh token could not be written.
    #[error("the refresh token could not be written and is gone; make room and begin again")]
    Keep(#[source] io::Error),
    /// The partner consent brought none.
    #[error(
        "the tenant gave no refresh token; the application needs the permission offline_access and a secret"
    )]
    NoRefreshToken,
    /// An address that may not be asked.
    #[error("{0} is no address of an API; https is wanted, or http to this computer")]
    Address(String),
}

/// What came of it: the report on the token that counts, and what the check found around it.
#[derive(Debug)]
pub struct LiveCheck {
    /// The inspector's report; absent if there is no token.
    pub report: Option<Report>,
    /// What happened.
    pub live: Live,
}

impl LiveCheck {
    /// Whether everything that was asked is answered with yes.
    ///
    /// Not the inspector's own exit code: a token to which MFA does not apply breaks no rule,
    /// and carries no MFA either.
    pub fn passes(&self) -> bool {
        let token = self
            .report
            .as_ref()
            .and_then(|report| report.verdict(Consumer::PartnerCenter))
            .is_some_and(|verdict| {
                verdict.outcome == Outcome::Accepted
                    && verdict.mfa == Some(true)
                    && verdict.basis == Basis::VerifiedSignature
            })
            && self.live.mfa == Some(true)
            && self.live.mismatch.is_none();
        let api = self
            .live
            .partner_center
            .as_ref()
            .is_none_or(PartnerCenterSays::passes);
        let consent = self
            .live
            .secure_application_model
            .as_ref()
            .is_none_or(|consent| consent.survived);
        token && api && consent && self.live.refused.is_none()
    }
}

/// Makes the check. `notify` is told what the person has to do.
pub async fn run(
    plan: Plan,
    clock: &dyn Clock,
    random: &mut dyn Random,
    notify: &mut (dyn FnMut(Notice<'_>) + Send),
) -> Result<LiveCheck, LiveCheckError> {
    if let Some(api) = &plan.partner_center
        && !guard::may_be_asked(api)
    {
        return Err(LiveCheckError::Address(api.to_string()));
    }
    let outbound = Outbound::new()?;
    let version = match plan.flow {
        Flow::SecureApplicationModel { .. } => Version::V1,
        Flow::AuthorizationCode | Flow::DeviceCode => Version::V2,
    };
    let mut live = Live::of(&plan, clock.now());
    let authority = plan.authority.clone();
    let mut keep = None;
    let flow = match plan.flow {
        Flow::AuthorizationCode => Way::Browser,
        Flow::DeviceCode => Way::OtherScreen,
        Flow::SecureApplicationModel { keep: to } => {
            keep = to;
            Way::Browser
        }
    };
    notify(Notice::Progress(
        "Reading the authority's document and keys …",
    ));
    let entra = match Entra::discover(&outbound, &authority, version, &plan.identity).await {
        Ok(entra) => entra,
        Err(error) => return refused_or_failed(error, live, &authority),
    };
    let wanted = Wanted {
        resource: plan.resource.clone(),
        permissions: Permissions::UserImpersonation,
        refresh: match version {
            Version::V1 => WantsRefresh::Yes,
            Version::V2 => WantsRefresh::No,
        },
    };
    let asking = Asking {
        anew: plan.anew,
        mfa: version == Version::V1,
        login_hint: plan.login_hint.clone(),
    };
    let signed_in = match flow {
        Way::Browser => {
            let listener = RedirectListener::bind(plan.redirect_port)
                .await
                .map_err(LiveCheckError::Listener)?;
            in_browser(
                &entra,
                listener,
                &wanted,
                &asking,
                plan.patience,
                clock,
                random,
                notify,
            )
            .await
        }
        Way::OtherScreen => on_other_screen(&entra, &wanted, plan.patience, clock, notify).await,
    };
    let mut tokens = match signed_in {
        Ok(tokens) => tokens,
        Err(Ended::Failed(error)) => return Err(error),
        Err(Ended::Entra(error)) => return refused_or_failed(error, live, &authority),
    };
    let mut report = judge(&tokens.access_token, entra.jwks(), clock.now());
    live.token(tokens.person.as_ref(), &report);
    if version == Version::V1 {
        let refresh_token = tokens
            .refresh_token
            .take()
            .ok_or(LiveCheckError::NoRefreshToken)?;
        notify(Notice::Progress(
            "Redeeming the refresh token for a new access token …",
        ));
        match entra.refresh(&refresh_token, &wanted, clock.now()).await {
            Ok(renewed) => {
                let second = judge(&renewed.access_token, entra.jwks(), clock.now());
                live.secure_application_model = Some(Consent::of(&report, &second));
                live.token(tokens.person.as_ref(), &second);
                report = second;
                tokens.access_token = renewed.access_token;
                // The newest one is the one that lives longest.
                tokens.refresh_token = renewed.refresh_token.or(Some(refresh_token));
            }
            Err(error) => {
                // The first token is none that counts: the application would live on the second.
                live.no_token();
                let mut check = refused_or_failed(error, live, &authority)?;
                check.live.secure_application_model = Some(Consent::lost(&report));
                return Ok(check);
            }
        }
    }
    if let Some(api) = &plan.partner_center {
        notify(Notice::Progress(
            "Asking Partner Center whether the token is MFA-compliant …",
        ));
        let answer =
            partner_center::validate_mfa(&outbound, api, tokens.access_token.expose()).await?;
        live.partner_center = Some(PartnerCenterSays::of(api, &answer));
    }
    // Last: a check that ends before this leaves no file behind.
    if let (Some(make), Some(refresh_token), Some(round)) = (
        keep,
        &tokens.refresh_token,
        live.secure_application_model.as_mut(),
    ) {
        let mut file = make().map_err(LiveCheckError::Keep)?;
        writeln!(file, "{}", refresh_token.expose())
            .and_then(|()| file.flush())
            .map_err(LiveCheckError::Keep)?;
        round.kept = RefreshTokenKept::InTheFile;
    }
    Ok(LiveCheck {
        report: Some(report),
        live,
    })
}

#[derive(Clone, Copy)]
enum Way {
    Browser,
    OtherScreen,
}

/// Why a sign-in brought no tokens.
pub(in crate::app) enum Ended {
    Entra(EntraError),
    Failed(LiveCheckError),
}

impl From<EntraError> for Ended {
    fn from(error: EntraError) -> Self {
        Self::Entra(error)
    }
}

#[expect(
    clippy::too_many_arguments,
    reason = "one step of `run`, with all that it holds"
)]
pub(in crate::app) async fn in_browser(
    entra: &Entra,
    listener: RedirectListener,
    wanted: &Wanted,
    asking: &Asking,
    patience: Duration,
    clock: &dyn Clock,
    random: &mut dyn Random,
    notify: &mut (dyn FnMut(Notice<'_>) + Send),
) -> Result<Tokens, Ended> {
    let redirect_uri = listener.redirect_uri();
    let pending = entra.authorization(&redirect_uri, wanted, asking, random)?;
    notify(Notice::OpenBrowser {
        address: &pending.address,
        redirect_uri: &redirect_uri,
    });
    let arrival = listener
        .answer(pending.state.clone(), patience)
        .await
        .ok_or(Ended::Failed(LiveCheckError::NobodyCame(patience)))?;
    match arrival {
        Arrival::Code(code) => {
            notify(Notice::Progress("Exchanging the code for tokens …"));
            Ok(entra
                .redeem(code, &redirect_uri, pending, wanted, clock.now())
                .await?)
        }
        Arrival::Refused { error, description } => Err(Ended::Entra(EntraError::Refused(
            Refusal::new(&error, &description),
        ))),
    }
}

pub(in crate::app) async fn on_other_screen(
    entra: &Entra,
    wanted: &Wanted,
    patience: Duration,
    clock: &dyn Clock,
    notify: &mut (dyn FnMut(Notice<'_>) + Send),
) -> Result<Tokens, Ended> {
    let code = entra.device_code(wanted).await?;
    let patience = code.lifetime().min(patience);
    notify(Notice::EnterCode {
        address: code.address(),
        code: code.user_code(),
        lifetime: patience,
    });
    match tokio::time::timeout(patience, entra.device_tokens(&code, clock)).await {
        Ok(tokens) => Ok(tokens?),
        Err(_) => Err(Ended::Failed(LiveCheckError::NobodyCame(patience))),
    }
}

/// What the inspector says of the token, with the authority's own keys.
fn judge(token: &Secret<String>, jwks: &[u8], now: Timestamp) -> Report {
    let context = Context {
        expect: Some(Consumer::PartnerCenter),
        jwks: Jwks::parse(jwks).ok(),
        ..Context::at(now)
    };
    inspect::inspect(token.expose().as_bytes(), &context)
}

/// A refusal is an answer; everything else is none.
fn refused_or_failed(
    error: EntraError,
    mut live: Live,
    authority: &Authority,
) -> Result<LiveCheck, LiveCheckError> {
    match error {
        EntraError::Refused(refusal) => {
            live.refused = Some(Refused::of(&refusal));
            Ok(LiveCheck { report: None, live })
        }
        EntraError::Outbound(error) => Err(error.into()),
        EntraError::Discovery(error) => Err(error.into()),
        cause => Err(LiveCheckError::Answer {
            authority: authority.base().to_owned(),
            cause,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::Timestamp;

    fn plan() -> Plan {
        Plan {
            authority: Authority::new("https://login.microsoftonline.com", "contoso.com").unwrap(),
            identity: ClientIdentity {
                id: MICROSOFT_SCRIPT_CLIENT.to_owned(),
                secret: None,
            },
            resource: "https://api.partnercenter.microsoft.com".to_owned(),
            flow: Flow::AuthorizationCode,
            anew: true,
            login_hint: None,
            partner_center: None,
            redirect_port: None,
            patience: Duration::from_mins(5),
        }
    }

    fn check(claims: &serde_json::Value) -> LiveCheck {
        let now = Timestamp::parse_rfc3339("2026-11-20T10:00:00Z").unwrap();
        let context = Context {
            expect: Some(Consumer::PartnerCenter),
            ..Context::at(now)
        };
        let report = inspect::inspect(claims.to_string().as_bytes(), &context);
        let mut live = Live::of(&plan(), now);
        live.token(None, &report);
        LiveCheck {
            report: Some(report),
            live,
        }
    }

    #[test]
    fn a_token_to_which_mfa_does_not_apply_carries_none() {
        let check = check(&serde_json::json!({
            "aud": "https://api.partnercenter.microsoft.com", "idtyp": "app",
            "iss": "https://sts.windows.net/00000000-0000-0000-0000-000000000001/",
            "tid": "00000000-0000-0000-0000-000000000001", "sub": "x", "oid": "x", "appid": "a",
            "iat": 1_795_168_000, "nbf": 1_795_168_000, "exp": 1_795_172_000,
        }));
        // The inspector alone has nothing to say against it.
        assert_eq!(check.report.as_ref().unwrap().exit_code(), 0);
        assert_eq!(check.live.mfa, Some(false));
        assert!(!check.passes());
    }

    #[test]
    fn microsofts_script_looks_for_letters_and_this_does_not() {
        for (amr, script, mfa) in [
            (serde_json::json!(["pwd", "mfa"]), "pass", true),
            (serde_json::json!(["ngcmfa"]), "pass", false),
            (serde_json::json!("mfa"), "pass", false),
            (serde_json::json!(["pwd"]), "fail", false),
        ] {
            let check =
                check(&serde_json::json!({ "amr": amr, "upn": "a@contoso.com", "scp": "x" }));
            assert_eq!(
                check.live.test_partner_security_requirement,
                Some(script),
                "{amr}"
            );
            assert_eq!(check.live.mfa, Some(mfa), "{amr}");
            // Bare claims are nobody's token.
            assert!(!check.passes(), "{amr}");
        }
    }

    #[test]
    fn times_are_said_in_words() {
        for (seconds, words) in [
            (1, "1 second"),
            (45, "45 seconds"),
            (60, "1 minute"),
            (90, "1 min 30 s"),
            (900, "15 minutes"),
        ] {
            assert_eq!(in_words(Duration::from_secs(seconds)), words);
        }
    }
}
