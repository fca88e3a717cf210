//! Errors of use cases: six categories, a stable support code, a sentence.
//!
//! The sentence is for operators (log, command line). What a person in a browser reads
//! comes from the support code's own entry ([`SupportCode`]) and tells no secrets.

use std::fmt;

use super::App;
use crate::{
    audit::{Actor, Event},
    base::ids::UserId,
    storage::StoreError,
};

/// What kind of answer an error is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Category {
    /// Not allowed (HTTP 403).
    Denied,
    /// The input is wrong (400).
    Invalid,
    /// It does not exist (404).
    NotFound,
    /// It contradicts what is there (409).
    Conflict,
    /// Something that is needed does not answer (503).
    Unavailable,
    /// A defect, ours or of the data (500).
    Internal,
}

/// A stable code with its explanations. `claimbridge explain CODE` prints the operator's.
#[derive(Debug, Eq, PartialEq)]
pub struct SupportCode {
    /// `CB-SIGNIN-003`.
    pub code: &'static str,
    /// What the person reads: one sentence what happened, one what to do.
    pub person: &'static str,
    /// What the operator should know.
    pub operator: &'static str,
}

macro_rules! support_codes {
    ($($name:ident = $code:literal, $person:literal, $operator:literal;)*) => {
        impl SupportCode {
            $(
                #[doc = $operator]
                pub const $name: Self = Self { code: $code, person: $person, operator: $operator };
            )*

            /// All of them.
            pub const ALL: &'static [&'static Self] = &[$(&Self::$name),*];
        }
    };
}

support_codes! {
    MALFORMED_REQUEST = "CB-SIGNIN-001",
        "The sign-in request could not be read. Go back to where you came from and try again.",
        "The relying party's message is malformed, oversized, too old or of the wrong kind. The log line names what was wrong; paste the message into `claimbridge inspect` to see more.";
    UNKNOWN_PARTY = "CB-SIGNIN-002",
        "The sign-in request came from an application that is not registered here.",
        "The Issuer of the request (WS-Federation: wtrealm) is neither the configured Entra cloud nor a party added with `relying-party add`. Check [entra] cloud, or add the party.";
    OTHER_BROWSER = "CB-SIGNIN-003",
        "This sign-in was not begun in this browser, or its cookie is gone. Start again from the application.",
        "The browser-binding cookie is missing or of another attempt: a link that was mailed on, cookies that are blocked, or a sign-in begun under another host name than public_url.";
    ATTEMPT_OVER = "CB-SIGNIN-004",
        "This sign-in took too long or is finished. Start again from the application.",
        "An attempt lives 15 minutes and is answered once; its answer is repeated for 60 seconds.";
    ANSWERED = "CB-SIGNIN-005",
        "This sign-in is finished. Go back to the application.",
        "A form of an attempt that was answered less than 60 seconds ago, from a second tab or the back button; the browser is led to that answer.";
    TOO_MANY_ATTEMPTS = "CB-SIGNIN-006",
        "Too many sign-ins were begun from your network. Wait a few minutes and try again.",
        "The number of sign-ins that one source began and in which nobody proved anything, within policy.attempt_lifetime, reached policy.open_attempts_per_source. Raise it if many people share the address; set policy.trusted_proxies if a reverse proxy hides theirs.";
    OTHER_DOMAIN = "CB-SIGNIN-007",
        "Your account belongs to another domain than the one you came from. Start again and use the account of that domain.",
        "The request's address names a domain (?domain=) whose root is not that of the person's UPN. An issuer speaks only for its own people (AADSTS5000820).";
    NOT_RELEASABLE = "CB-SIGNIN-008",
        "Your account is not set up completely. Ask your administrator.",
        "No claims could be released: the domain is not configured, the person has no ImmutableID, or a row was altered. The log line says which.";
    PRE_FLIGHT = "CB-SIGNIN-009",
        "The answer that was prepared would have been rejected, so it was not sent. Ask your administrator.",
        "The signed response failed the inspector's own rules. The event `pre-flight-failed` lists the rule ids; `claimbridge explain CB-SAML-…` (or CB-WSFED-…) describes each.";
    NOT_SIGNED_IN = "CB-SIGNIN-010",
        "The sign-in could not be completed because something about your account changed meanwhile. Start again from the application.",
        "A credential or the account was revoked or disabled during the sign-in, or a sealed row does not belong there (then there is an event `tampering-found`).";
    NOT_OFFERED = "CB-ACCOUNT-001",
        "That is not offered to you. Choose another way to sign in, or ask your administrator.",
        "The person asked to set up a kind of method that policy.allowed_methods, or a policy of one of the person's groups, does not allow.";
    NO_KEYS_HERE = "CB-KEY-001",
        "Security keys cannot be used here. Choose another way to sign in, or ask your administrator.",
        "public_url has no name that can be a WebAuthn RP id: an IP address cannot be one, and http only on localhost. Changing its host orphans every key that was registered.";
    NOT_FRESH = "CB-ACCOUNT-002",
        "To change something here you must have signed in a moment ago. Sign in once more.",
        "Changes to methods and passwords need both factors within the last five minutes; the page leads to a sign-in and back.";
    MINIMUM = "CB-ACCOUNT-003",
        "You cannot remove this: you must keep at least as many ways to sign in as your organisation asks for. Add another one first.",
        "The person has no more methods than policy.minimum_methods (or that of a group) asks for; an administrator can still take one away with `user reset`.";
    TOKEN_SHARED = "CB-ACCOUNT-004",
        "This token cannot be activated. Ask your administrator for another one.",
        "Another token that is in use has the same secret, so whoever holds one has the codes of both; ask the vendor for other tokens, and say `claimbridge oath retire` for these.";
    TOO_MANY_METHODS = "CB-ACCOUNT-005",
        "You have ten ways to sign in, and there is no room for another. Take one off your account page first, or ask your administrator.",
        "Nobody may have more than ten methods; the person takes one away on /account, or an administrator all of them with `user reset`.";
    NOTHING_TO_ADD = "CB-ACCOUNT-006",
        "There is nothing that you can add now. If a hardware token should wait for you, ask your administrator; the ways to sign in that you have go on.",
        "What policy.allowed_methods and the person's groups allow cannot be set up here: security keys need a public_url with a name, and a hardware token must be handed over first (`claimbridge oath assign`).";
    REFUSED_PARAMETERS = "CB-SIGNIN-011",
        "The application asked for something that is not offered here. Ask your administrator.",
        "The verified request asks for a reply address that is not registered, an unsupported binding, name format or authentication context. Where the issuer was known, the party got a SAML status instead of this page; WS-Federation has none.";
    PERSON_CHANGED = "CB-SIGNIN-012",
        "This sign-in was begun with another account. Start again from the application.",
        "An attempt belongs to the first person who proved something in it.";
    NOT_NAVIGATED = "CB-SIGNIN-013",
        "Signing in works only in a window of its own. Open the application again and start from there.",
        "Another page embedded or fetched the sign-in address (an image, a frame, a script) instead of sending the browser there; the browser says so in Sec-Fetch-Mode or Sec-Fetch-Dest.";
    CLOUD_KEYS = "CB-MFA-001",
        "Your organisation's sign-in service could not be reached. Go back and try again in a minute.",
        "The keys with which Entra signs its hints could not be fetched from the tenant's cloud (https to login.microsoftonline.com, .us or login.partner.microsoftonline.cn). Look at the network, the proxy (HTTPS_PROXY) and the log line; Entra was told temporarily_unavailable.";
    TOO_MANY_TRIES = "CB-SIGNIN-014",
        "Too many tries came from your network. Wait a few minutes and try again.",
        "Security keys were asked too often from one source without a right answer. A failure is forgiven every minute; set policy.trusted_proxies if a reverse proxy hides the addresses.";
    LOOP = "CB-SIGNIN-015",
        "The application sent you back again and again, so the sign-in was stopped. Wait two minutes and try once more; if it stops again, ask your administrator.",
        "One browser took three answers to one party within two minutes, each asked for after the one before, and the party asked for a fourth: it does not take them, and does not say so. Look at the domain's federatedIdpMfaBehavior and certificates (`domain verify`), at the class that the party asks for, and at the clock (`doctor`). The page shows what the inspector finds in the last answer.";
    UNKNOWN_TENANT = "CB-MFA-002",
        "The request for a second step came from an organisation that is not registered here. Go back and try again; if it happens again, ask your administrator.",
        "client_id and redirect_uri of Entra's request are of no tenant of `claimbridge external-mfa list`, or its hint is of another one; the log line says which. Of a request nobody knows where it came from, so it was answered nowhere; where the tenant was removed while a person was asked, Entra was told access_denied.";
    HINT_REFUSED = "CB-MFA-003",
        "The request for a second step could not be verified. Go back and try again.",
        "Entra's request is of a registered tenant and cannot be taken: the log line says what is wrong (the hint's signature, issuer, audience, age, or a parameter). Entra was told invalid_request or the like. An old hint means that a clock is wrong: `claimbridge doctor` measures ours.";
    NO_TENANTS = "CB-MFA-004",
        "Second steps for Microsoft are not set up at this address.",
        "Something asked for External MFA and no tenant is configured; add one with `claimbridge external-mfa add`, or in [[tenant]].";
    EXTERNAL_MFA_BY_GET = "CB-MFA-005",
        "This address takes only what Microsoft sends when you sign in there. Go back to where you came from and sign in again.",
        "The authorization endpoint of External MFA was opened by GET: by hand, by a reload after the answer, or by a party that does not use form_post. Entra posts.";
    STRANGER = "CB-MFA-006",
        "Your Microsoft account is not linked to anybody here. Tell your administrator the reference of this page.",
        "Entra sent somebody whose account (tenant, object id) is linked to nobody, and whose name is nobody's here. `claimbridge explain att_…` with the reference of the page shows both ids; link them with `claimbridge external-mfa link UPN --tenant T --object-id O` once you know who it is.";
    NO_FITTING_METHOD = "CB-MFA-007",
        "Microsoft asks for a kind of second step that you do not have here. Choose another way there, or ask your administrator.",
        "The person has methods, and the acr and amr that Entra asks for name none of them (codes are otp, security keys fido). Or the person has none, and no kind of method that the policy allows is what Entra asks for.";
    SIGN_OUT_MALFORMED = "CB-SIGNOUT-001",
        "The sign-out message could not be read, and nothing was changed. To sign out here, open this service's sign-out page.",
        "The relying party's LogoutRequest or LogoutResponse is malformed, oversized, too old, made for another address, or its signature does not hold. The log line names what was wrong.";
    SIGN_OUT_PARTY = "CB-SIGNOUT-002",
        "The sign-out message came from an application that is not registered here, and nothing was changed.",
        "The Issuer of the message is neither the configured Entra cloud nor a party added with `relying-party add`.";
    SIGN_OUT_OVER = "CB-SIGNOUT-003",
        "This sign-out is over, or it was begun in another browser. If you are not sure, open this service's sign-out page.",
        "A sign-out goes on for 15 minutes, in the browser whose session it ended, and each application's answer counts once. The session itself ended at the first step, whatever came of the rest.";
    SIGN_OUT_EMBEDDED = "CB-SIGNOUT-004",
        "Signing out works only in a window of its own, and nothing was changed. Open the application again and sign out from there.",
        "Another page embedded or fetched the sign-out address instead of sending the browser there; the browser says so in Sec-Fetch-Mode or Sec-Fetch-Dest. Only wsignoutcleanup1.0 may stand in a frame.";
    SIGN_OUT_OTHER = "CB-SIGNOUT-005",
        "The application asked to sign out somebody else than who is signed in here, so nothing was changed. To sign out here, open this service's sign-out page.",
        "NameID or SessionIndex of the LogoutRequest are not what this browser's session told that party (status UnknownPrincipal); the party has no single-logout address for the answer, or no issuer could speak: with several domains the party must use the address with ?domain= from our metadata.";
    FORGED_FORM = "CB-FORM-001",
        "The form was too old or came from another page. Go back, reload and try again.",
        "The anti-forgery token is missing or not of this browser.";
    WRONG_HOST = "CB-HTTP-421",
        "This address is not the one that this service answers to.",
        "The Host header is not that of public_url. Check the reverse proxy's Host forwarding.";
    NOT_FOUND = "CB-HTTP-404",
        "There is no page at this address.",
        "Nothing is served at that path.";
    WRONG_METHOD = "CB-HTTP-405",
        "This page cannot be used that way.",
        "The path exists, but not for that HTTP method.";
    TOO_LARGE = "CB-HTTP-413",
        "The message is too large.",
        "A request body exceeded the limit.";
    UNAVAILABLE = "CB-STORE-001",
        "Signing in is not possible for the moment. Try again in a minute.",
        "The database did not answer. No token was issued.";
    KEY_UNAVAILABLE = "CB-KEYS-001",
        "Signing in is not possible for the moment. Try again in a minute.",
        "The token (HSM) that holds the signing key does not answer, or what it was to sign changed each time before it had signed, so nothing could be signed; no other key takes its place. The log line says what it answered; docs/keys.md says what to do. It is used again as soon as it is back, without a restart.";
    INTERNAL = "CB-INTERNAL-001",
        "Something went wrong here. Try again, and tell your administrator if it happens again.",
        "A defect or an inconsistent row; the log line with this request's id says which.";
    INPUT = "CB-INPUT-001",
        "Something that was entered is not right.",
        "The log line or the command's message says what.";
}

/// A failed use case.
#[derive(Debug)]
pub struct Error {
    category: Category,
    code: &'static SupportCode,
    detail: String,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
    tampering: Option<Tampering>,
}

/// A row that was altered or moved outside claimbridge.
#[derive(Debug)]
struct Tampering {
    what: &'static str,
    user: Option<UserId>,
}

impl Error {
    /// An error of that category and code; `detail` is for operators.
    pub fn new(category: Category, code: &'static SupportCode, detail: impl Into<String>) -> Self {
        Self {
            category,
            code,
            detail: detail.into(),
            source: None,
            tampering: None,
        }
    }

    /// Not allowed.
    pub fn denied(code: &'static SupportCode, detail: impl Into<String>) -> Self {
        Self::new(Category::Denied, code, detail)
    }

    /// Wrong input; the detail is what is wrong and what to do.
    pub fn invalid(detail: impl fmt::Display) -> Self {
        Self::new(Category::Invalid, &SupportCode::INPUT, detail.to_string())
    }

    /// It does not exist.
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(Category::NotFound, &SupportCode::INPUT, detail)
    }

    /// It contradicts what is there.
    pub fn conflict(detail: impl fmt::Display) -> Self {
        Self::new(Category::Conflict, &SupportCode::INPUT, detail.to_string())
    }

    /// A sealed row is not what we wrote. Outwardly "something changed meanwhile".
    pub fn tampering(what: &'static str, user: Option<UserId>, why: &dyn fmt::Display) -> Self {
        let detail = format!("{what}: {why}");
        let mut error = Self::denied(&SupportCode::NOT_SIGNED_IN, detail);
        error.tampering = Some(Tampering { what, user });
        error
    }

    /// A defect.
    pub fn internal(detail: impl Into<String>) -> Self {
        Self::new(Category::Internal, &SupportCode::INTERNAL, detail)
    }

    /// What kind of answer it is.
    pub fn category(&self) -> Category {
        self.category
    }

    /// The support code.
    pub fn code(&self) -> &'static SupportCode {
        self.code
    }

    /// Whether rows were altered outside claimbridge.
    pub(super) fn is_tampering(&self) -> bool {
        self.tampering.is_some()
    }

    /// Whether rows of that name were altered outside claimbridge.
    pub(super) fn is_tampering_with(&self, what: &str) -> bool {
        let tampering = self.tampering.as_ref();
        tampering.is_some_and(|tampering| tampering.what == what)
    }

    /// What happened, for operators.
    pub fn detail(&self) -> &str {
        &self.detail
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        let (category, code, detail) = if error.is_unavailable() {
            (
                Category::Unavailable,
                &SupportCode::UNAVAILABLE,
                "the database does not answer",
            )
        } else {
            (
                Category::Internal,
                &SupportCode::INTERNAL,
                "the database holds a row that cannot be",
            )
        };
        Self {
            category,
            code,
            detail: detail.to_owned(),
            source: Some(Box::new(error)),
            tampering: None,
        }
    }
}

impl App {
    /// Passes `result` on; if it failed because a row was tampered with, that is written
    /// down first, in a transaction of its own, because the failed one is rolled back.
    pub(super) async fn noting_tampering<T>(&self, result: Result<T, Error>) -> Result<T, Error> {
        if let Err(Error {
            tampering: Some(Tampering { what, user }),
            ..
        }) = &result
        {
            self.note_tampering(what, user.as_ref()).await?;
        }
        result
    }

    /// The same where whoever comes again and again would have the same written each time: once a
    /// minute.
    pub(super) async fn noting_tampering_once<T>(
        &self,
        result: Result<T, Error>,
    ) -> Result<T, Error> {
        if let Err(Error {
            tampering: Some(Tampering { what, user }),
            ..
        }) = &result
            && let Some(mine) = self.alarms.mine(what, user.as_ref(), self.now())
        {
            self.note_tampering(what, user.as_ref()).await?;
            mine.told();
        }
        result
    }

    async fn note_tampering(&self, what: &'static str, user: Option<&UserId>) -> Result<(), Error> {
        let mut tx = self.store.begin().await?;
        tx.append(Actor::System, user.cloned(), Event::TamperingFound { what });
        tx.commit().await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_sentences_end() {
        let mut codes: Vec<_> = SupportCode::ALL.iter().map(|entry| entry.code).collect();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), SupportCode::ALL.len());
        for entry in SupportCode::ALL {
            assert!(
                entry.person.ends_with('.') && entry.operator.ends_with('.'),
                "{}",
                entry.code
            );
        }
    }
}
