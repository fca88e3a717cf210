//! What strangers cause: counted, never stored row by row.

/// What a stranger can cause; counted per hour and reason.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Refused {
    /// A message that is not what it should be.
    MalformedRequest,
    /// A request of a party that is not registered.
    UnknownParty,
    /// A party's request that asks what is not offered.
    RefusedParameters,
    /// A request that another page embeds or fetches instead of going there.
    NotNavigated,
    /// A request that forbids to ask, from a browser in which nobody is signed in.
    NoPassive,
    /// An attempt's address without its cookie.
    OtherBrowser,
    /// A name that nobody has.
    UnknownName,
    /// Too much from one address.
    SourceLimit,
    /// A form without its token.
    ForgedForm,
    /// A try while a wait is running.
    Waiting,
    /// A security key's answer before anybody was named.
    SecurityKey,
    /// A request of a party that sends a person's browser in a circle.
    Loop,
}

impl Refused {
    /// The stored spelling.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::MalformedRequest => "malformed-request",
            Self::UnknownParty => "unknown-party",
            Self::RefusedParameters => "refused-parameters",
            Self::NotNavigated => "not-navigated",
            Self::NoPassive => "no-passive",
            Self::OtherBrowser => "other-browser",
            Self::UnknownName => "unknown-name",
            Self::SourceLimit => "source-limit",
            Self::ForgedForm => "forged-form",
            Self::Waiting => "waiting",
            Self::SecurityKey => "security-key",
            Self::Loop => "loop",
        }
    }
}
