//! Status codes (SAML core §3.2.2.2).

/// Why a party gets an answer without an assertion.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Status {
    /// `IsPassive` was asked and the person would have to be shown a page.
    NoPassive,
    /// What RequestedAuthnContext asks cannot be given.
    NoAuthnContext,
    /// The person or the operator's rules do not allow it.
    RequestDenied,
    /// The NameIDPolicy cannot be followed.
    InvalidNameIdPolicy,
    /// Something in the request is not supported.
    RequestUnsupported,
    /// The answer cannot go over the binding that was asked.
    UnsupportedBinding,
    /// The person could not be authenticated.
    AuthnFailed,
}

impl Status {
    /// The top-level code: whose side the reason is on.
    pub fn top_level(self) -> &'static str {
        match self {
            Self::InvalidNameIdPolicy => "urn:oasis:names:tc:SAML:2.0:status:Requester",
            _ => "urn:oasis:names:tc:SAML:2.0:status:Responder",
        }
    }

    /// The second-level code.
    pub fn second_level(self) -> &'static str {
        match self {
            Self::NoPassive => "urn:oasis:names:tc:SAML:2.0:status:NoPassive",
            Self::NoAuthnContext => "urn:oasis:names:tc:SAML:2.0:status:NoAuthnContext",
            Self::RequestDenied => "urn:oasis:names:tc:SAML:2.0:status:RequestDenied",
            Self::InvalidNameIdPolicy => "urn:oasis:names:tc:SAML:2.0:status:InvalidNameIDPolicy",
            Self::RequestUnsupported => "urn:oasis:names:tc:SAML:2.0:status:RequestUnsupported",
            Self::UnsupportedBinding => "urn:oasis:names:tc:SAML:2.0:status:UnsupportedBinding",
            Self::AuthnFailed => "urn:oasis:names:tc:SAML:2.0:status:AuthnFailed",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_name_policy_is_the_fault_of_who_asks() {
        assert_eq!(
            Status::InvalidNameIdPolicy.top_level(),
            "urn:oasis:names:tc:SAML:2.0:status:Requester"
        );
        for ours in [
            Status::NoPassive,
            Status::NoAuthnContext,
            Status::RequestDenied,
            Status::RequestUnsupported,
            Status::UnsupportedBinding,
            Status::AuthnFailed,
        ] {
            assert_eq!(
                ours.top_level(),
                "urn:oasis:names:tc:SAML:2.0:status:Responder",
                "{ours:?}"
            );
        }
    }
}
