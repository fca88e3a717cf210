//! The few filters that the tenant's Graph knows.

use super::errors::Refusal;
use crate::practice::directory::Person;

/// What is asked of a person.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Filter {
    /// No `$filter`.
    All,
    EndsWith(String),
    StartsWith(String),
    UpnIs(String),
    ImmutableIdIs(String),
}

impl Filter {
    pub(super) fn parse(text: Option<&str>) -> Result<Self, Refusal> {
        let Some(text) = text.map(str::trim) else {
            return Ok(Self::All);
        };
        let unknown = || {
            Refusal::query(format!(
                "Unsupported or invalid query filter clause specified: '{text}'."
            ))
        };
        let call = |name: &str| {
            let inner = text
                .strip_prefix(name)?
                .strip_prefix('(')?
                .strip_suffix(')')?;
            let (property, value) = inner.split_once(',')?;
            (property.trim() == "userPrincipalName").then(|| quoted(value.trim()))?
        };
        if let Some(value) = call("endswith") {
            return Ok(Self::EndsWith(value.to_lowercase()));
        }
        if let Some(value) = call("startswith") {
            return Ok(Self::StartsWith(value.to_lowercase()));
        }
        let (property, value) = text.split_once(" eq ").ok_or_else(unknown)?;
        let value = quoted(value.trim()).ok_or_else(unknown)?;
        match property.trim() {
            "userPrincipalName" => Ok(Self::UpnIs(value.to_lowercase())),
            "onPremisesImmutableId" => Ok(Self::ImmutableIdIs(value)),
            _ => Err(unknown()),
        }
    }

    /// Whether Graph answers it only with `ConsistencyLevel: eventual` and `$count=true`.
    pub(super) fn is_advanced(&self) -> bool {
        matches!(self, Self::EndsWith(_))
    }

    pub(super) fn fits(&self, person: &Person) -> bool {
        match self {
            Self::All => true,
            Self::EndsWith(end) => person.upn.as_str().ends_with(end),
            Self::StartsWith(start) => person.upn.as_str().starts_with(start),
            Self::UpnIs(upn) => person.upn.as_str() == upn,
            Self::ImmutableIdIs(id) => person.immutable_id.as_ref() == Some(id),
        }
    }
}

/// `'it''s'` as it is meant.
pub(super) fn quoted(text: &str) -> Option<String> {
    let inner = text.strip_prefix('\'')?.strip_suffix('\'')?;
    let plain = inner.replace("''", "\u{0}");
    (!plain.contains('\'')).then(|| plain.replace('\u{0}', "'"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_filters_that_are_known() {
        for (text, wanted) in [
            (
                "endswith(userPrincipalName,'@Contoso.com')",
                Filter::EndsWith("@contoso.com".to_owned()),
            ),
            (
                "startswith(userPrincipalName, 'o''hara')",
                Filter::StartsWith("o'hara".to_owned()),
            ),
            (
                "userPrincipalName eq 'a@b.com'",
                Filter::UpnIs("a@b.com".to_owned()),
            ),
            (
                "onPremisesImmutableId eq 'Ab'",
                Filter::ImmutableIdIs("Ab".to_owned()),
            ),
        ] {
            assert_eq!(Filter::parse(Some(text)), Ok(wanted), "{text}");
        }
        for text in [
            "",
            "endswith(mail,'x')",
            "userPrincipalName eq 'a' or 1 eq 1",
            "userPrincipalName eq a",
            "x eq 'y'",
        ] {
            assert!(Filter::parse(Some(text)).is_err(), "{text}");
        }
    }
}
