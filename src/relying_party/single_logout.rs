//! Where a party is told of a sign-out (SAML metadata §2.4.1, bindings §3.4 and §3.5).

/// Where a SAML party takes part in single logout.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SingleLogout {
    /// How messages go there, both ways.
    pub binding: LogoutBinding,
    /// Where a LogoutRequest goes.
    pub request_url: String,
    /// Where a LogoutResponse goes, if elsewhere.
    pub response_url: Option<String>,
}

/// How a message of single logout travels.
///
/// HTTP-Redirect is preferred where a party offers both: a form posted from our site brings
/// no `SameSite=Lax` cookie along, so that the party would not find the session to end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum LogoutBinding {
    /// HTTP-Redirect.
    Redirect,
    /// HTTP-POST.
    Post,
}

impl LogoutBinding {
    /// The stored spelling.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Redirect => "redirect",
            Self::Post => "post",
        }
    }

    /// From the stored spelling.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Redirect, Self::Post]
            .into_iter()
            .find(|binding| binding.as_str() == text)
    }
}

impl SingleLogout {
    /// Where a LogoutResponse goes.
    pub fn response_url(&self) -> &str {
        self.response_url.as_deref().unwrap_or(&self.request_url)
    }
}
