//! The live check: sign in to a tenant as an application does for its user (App+User),
//! and judge the access token that comes of it (facts §6).
//!
//! Always true: the person signs in with real factors in a browser; nothing here makes a
//! claim, it only reads one. Tokens live in memory for the length of the check; a refresh
//! token goes to the file that was named, or nowhere. What could not be found out is a "no".
//!
//! Read next: [`crate::outbound::entra`] (the protocol), [`report`] (what is said of it).

/// What the check found.
pub mod report;

use std::{io::Write, time::Duration};

use url::Url;

use crate::{
    base::{
        clock::{Clock, Timestamp},
        random::Random,
        secret::Secret,
    },
    inspect::{self, Consumer, Context, Jwks, Report},
    outbound::{
        guard::{self, Outbound, OutboundError},
        partner_center,
        redirect::{Arrival, RedirectListener},
    },
};

use crate::outbound::entra::{
    Asking, DiscoveryError, Entra, EntraError, Refusal, SignedInPerson, Tokens, Version, Wanted,
    WantsRefresh,
};
pub use crate::outbound::entra::{
    Authority, AuthorityError, ClientIdentity, MICROSOFT_SCRIPT_CLIENT,
};
use report::{Consent, Live, PartnerCenterSays, RefreshTokenKept, Refused};

/// Where the endpoints of one cloud are (facts §0, §6.1).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct CloudEndpoints {
    /// Entra's authority.
    pub authority: &'static str,
    /// Partner Center's API; its identifier as a resource is the same.
    pub partner_center: &'static str,
}

/// The endpoints of a cloud by the name of [`crate::relying_party::EntraCloud`].
pub fn cloud_endpoints(name: &str) -> Option<CloudEndpoints> {
    const GLOBAL: &str = "https://api.partnercenter.microsoft.com";
    let (authority, partner_center) = match name {
        "global" => ("https://login.microsoftonline.com", GLOBAL),
        "us-gov" => ("https://login.microsoftonline.us", GLOBAL),
        "china" => (
            "https://login.partner.microsoftonline.cn",
            "https://partner.partnercenterapi.microsoftonline.cn",
        ),
        _ => return None,
    };
    Some(CloudEndpoints {
        authority,
        partner_center,
    })
}

/// How the tokens are got.
pub enum Flow {
    /// Authorization code with PKCE, answered to a listener on loopback.
    AuthorizationCode,
    /// Device code: the person signs in on another screen.
    DeviceCode,
    /// The partner consent of the Secure Application Model: code, refresh token, new access token.
    SecureApplicationModel {
        /// Where the refresh token goes; nowhere if absent. The file is the caller's, and private.
        keep: Option<Box<dyn Write + Send>>,
    },
}

/// What is to be done.
pub struct Plan {
    /// Whom to ask.
    pub authority: Authority,
    /// As which application.
    pub identity: ClientIdentity,
    /// For which API.
    pub resource: String,
    /// In which way.
    pub flow: Flow,
    /// Whether the person must sign in anew (`prompt=login`), as Microsoft's script demands.
    pub anew: bool,
    /// Whose name is filled in.
    pub login_hint: Option<String>,
    /// Which Partner Center API is asked about the token; none if it is not.
    pub partner_center: Option<Url>,
    /// The port of the redirect address; any of the usual ones if absent.
    pub redirect_port: Option<u16>,
    /// How long the person may take.
    pub patience: Duration,
}

/// What the person has to do now.
#[derive(Clone, Copy, Debug)]
pub enum Notice<'n> {
    /// Open this address in a browser.
    OpenBrowser {
        /// The address.
        address: &'n str,
        /// Where the answer is waited for.
        redirect_uri: &'n str,
    },
    /// Open this address anywhere, and type the code.
    EnterCode {
        /// The address.
        address: &'n str,
        /// The code.
        code: &'n str,
        /// How long it is good.
        lifetime: Duration,
    },
    /// Something goes on that takes a moment.
    Progress(&'n str),
}

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
    Listener(#[source] std::io::Error),
    /// Nobody came back.
    #[error("nobody signed in within {} minutes; begin again, or allow more with --wait", .0.as_secs() / 60)]
    NobodyCame(Duration),
    /// The refresh token could not be written.
    #[error("the refresh token could not be written")]
    Keep(#[source] std::io::Error),
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
    pub fn passes(&self) -> bool {
        let token = self
            .report
            .as_ref()
            .is_some_and(|report| report.exit_code() == 0);
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
    live.signed_in(tokens.person.as_ref(), &report);
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
                let kept = match keep.as_mut() {
                    Some(file) => {
                        // The newest one is the one that lives longest.
                        let newest = renewed.refresh_token.as_ref().unwrap_or(&refresh_token);
                        writeln!(file, "{}", newest.expose())
                            .and_then(|()| file.flush())
                            .map_err(LiveCheckError::Keep)?;
                        RefreshTokenKept::InTheFile
                    }
                    None => RefreshTokenKept::Nowhere,
                };
                live.secure_application_model = Some(Consent::of(&report, &second, kept));
                live.renewed(&second);
                report = second;
                tokens.access_token = renewed.access_token;
            }
            Err(error) => {
                let mut check = refused_or_failed(error, live, &authority)?;
                check.live.secure_application_model = Some(Consent::lost(&report));
                check.report = Some(report);
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
        live.partner_center = Some(PartnerCenterSays::of(api, answer));
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
enum Ended {
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
async fn in_browser(
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

async fn on_other_screen(
    entra: &Entra,
    wanted: &Wanted,
    patience: Duration,
    clock: &dyn Clock,
    notify: &mut (dyn FnMut(Notice<'_>) + Send),
) -> Result<Tokens, Ended> {
    let code = entra.device_code(wanted).await?;
    notify(Notice::EnterCode {
        address: code.address(),
        code: code.user_code(),
        lifetime: code.lifetime().min(patience),
    });
    Ok(entra
        .device_tokens(&code, code.lifetime().min(patience), clock)
        .await?)
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

impl Live {
    fn signed_in(&mut self, person: Option<&SignedInPerson>, report: &Report) {
        self.tenant_id = person.map(|person| person.tenant_id.clone());
        self.upn = person.and_then(|person| person.upn.clone());
        self.renewed(report);
    }
}
