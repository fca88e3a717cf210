//! The kinds of second step that a person may hold.

/// A kind of method of possession. Spelled as in `policy.allowed_methods`; stored; never rename.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum MethodKind {
    /// A program that makes one-time codes (TOTP).
    Totp,
    /// A hardware OATH token.
    OathToken,
    /// A WebAuthn authenticator: a security key or a passkey.
    SecurityKey,
}

impl MethodKind {
    /// All kinds.
    pub const ALL: [Self; 3] = [Self::Totp, Self::OathToken, Self::SecurityKey];

    /// The configured and stored spelling.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Totp => "totp",
            Self::OathToken => "oath-token",
            Self::SecurityKey => "security-key",
        }
    }

    /// From that spelling.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// A text names no kind of method.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the kinds of methods are totp, oath-token and security-key")]
pub struct MethodKindError;

impl std::str::FromStr for MethodKind {
    type Err = MethodKindError;

    fn from_str(text: &str) -> Result<Self, MethodKindError> {
        Self::parse(text).ok_or(MethodKindError)
    }
}

impl std::fmt::Display for MethodKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::MethodKind;

    #[test]
    fn a_spelling_reads_back() {
        for kind in MethodKind::ALL {
            assert_eq!(MethodKind::parse(kind.as_str()), Some(kind));
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
        }
        assert_eq!(MethodKind::parse("TOTP"), None);
    }
}
