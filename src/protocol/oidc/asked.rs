//! The `claims` parameter (OpenID Connect Core §5.5): which `acr` and `amr` Entra wants of the
//! id_token (facts §5.3).
//!
//! Always true: a text over its limit is not parsed; what is unknown is passed over, so that a
//! value of tomorrow beside one of today stops nobody.

use serde::Deserialize;

use crate::signin::second_factor::Acr;

/// The longest `claims`, in bytes. Entra's has about 200.
pub const MAX_CLAIMS: usize = 16 * 1024;
/// How many values a claim may have.
const MAX_VALUES: usize = 64;

/// What is asked for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Asked {
    /// The values of `acr` that we know, in their order; not empty.
    pub acr: Vec<Acr>,
    /// The values of `amr`; empty: any.
    pub amr: Vec<String>,
}

/// Why it cannot be told what is asked for.
#[derive(Debug, thiserror::Error)]
pub enum AskedError {
    /// There is no `claims`.
    #[error("there are no claims in the request, so it does not say which acr it wants")]
    Missing,
    /// Over [`MAX_CLAIMS`].
    #[error("claims has more than {MAX_CLAIMS} bytes")]
    TooLarge,
    /// No JSON of that form.
    #[error("claims cannot be read")]
    Form(#[source] serde_json::Error),
    /// Over a limit.
    #[error("a claim is asked for with more than {MAX_VALUES} values")]
    TooMany,
    /// None that we know.
    #[error("no acr is asked for that this service knows")]
    NoAcr,
}

#[derive(Deserialize)]
struct Written {
    id_token: Option<WrittenClaims>,
}

#[derive(Deserialize)]
struct WrittenClaims {
    acr: Option<WrittenClaim>,
    amr: Option<WrittenClaim>,
}

/// `{"essential": true, "values": […]}` or `{"value": …}`. What is not essential is wanted all the
/// same: an answer that leaves it out would do Entra no good.
#[derive(Default, Deserialize)]
struct WrittenClaim {
    value: Option<String>,
    values: Option<Vec<String>>,
}

impl WrittenClaim {
    fn values(self) -> Result<Vec<String>, AskedError> {
        let values: Vec<String> = self
            .value
            .into_iter()
            .chain(self.values.unwrap_or_default())
            .collect();
        if values.len() > MAX_VALUES {
            return Err(AskedError::TooMany);
        }
        Ok(values)
    }
}

/// Reads the parameter.
///
/// # Errors
/// See [`AskedError`].
pub fn parse(claims: Option<&str>) -> Result<Asked, AskedError> {
    let claims = claims.ok_or(AskedError::Missing)?;
    if claims.len() > MAX_CLAIMS {
        return Err(AskedError::TooLarge);
    }
    let written: Written = serde_json::from_str(claims).map_err(AskedError::Form)?;
    let of_token = written.id_token.ok_or(AskedError::NoAcr)?;
    let mut acr = Vec::new();
    for value in of_token.acr.unwrap_or_default().values()? {
        if let Some(known) = Acr::parse(&value)
            && !acr.contains(&known)
        {
            acr.push(known);
        }
    }
    if acr.is_empty() {
        return Err(AskedError::NoAcr);
    }
    Ok(Asked {
        acr,
        amr: of_token.amr.unwrap_or_default().values()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As Microsoft's documentation has it (facts §5.3).
    const EXAMPLE: &str = r#"{"id_token":{"acr":{"essential":true,"values":["possessionorinherence"]},"amr":{"essential":true,"values":["face","fido","fpt","hwk","iris","otp","pop","retina","sc","sms","swk","tel","vbm"]}}}"#;

    #[test]
    fn the_documented_example_is_understood() {
        let asked = parse(Some(EXAMPLE)).unwrap();
        assert_eq!(asked.acr, [Acr::PossessionOrInherence]);
        assert_eq!(asked.amr.len(), 13);
        assert_eq!(asked.amr[5], "otp");
    }

    #[test]
    fn unknown_values_are_passed_over_and_one_value_does() {
        let asked = |text: &str| parse(Some(text)).map(|asked| asked.acr);
        for (text, wanted) in [
            (
                r#"{"id_token":{"acr":{"values":["possession","tomorrow","possession"]}}}"#,
                &[Acr::Possession][..],
            ),
            (
                r#"{"id_token":{"acr":{"value":"inherence"},"x":1},"userinfo":{}}"#,
                &[Acr::Inherence],
            ),
            (
                r#"{"id_token":{"acr":{"values":["inherence","possession"]},"amr":null}}"#,
                &[Acr::Inherence, Acr::Possession],
            ),
        ] {
            assert_eq!(asked(text).unwrap(), wanted, "{text}");
        }
    }

    #[test]
    fn attack_17_what_is_too_large_deep_or_doubled_is_refused() {
        let padded = format!("{EXAMPLE}{}", " ".repeat(MAX_CLAIMS));
        let deep = format!("{{\"id_token\":{{\"x\":{}", "[".repeat(8000));
        let many = format!(
            r#"{{"id_token":{{"acr":{{"values":["possession"{}]}}}}}}"#,
            r#","a""#.repeat(MAX_VALUES)
        );
        for (text, wanted) in [
            (padded.as_str(), "more than 16384"),
            (&deep, "cannot be read"),
            (&many, "more than 64"),
            ("", "cannot be read"),
            ("[]", "cannot be read"),
            (r#"{"id_token":[]}"#, "cannot be read"),
            (
                r#"{"id_token":{"acr":{"values":["possession"]},"acr":{"values":["inherence"]}}}"#,
                "cannot be read",
            ),
            (r#"{"id_token":{"acr":{"values":[1]}}}"#, "cannot be read"),
            (r#"{"id_token":{}}"#, "no acr"),
            (r"{}", "no acr"),
            (
                r#"{"id_token":{"acr":{"values":["Possession"]}}}"#,
                "no acr",
            ),
        ] {
            let error = parse(Some(text)).unwrap_err().to_string();
            assert!(error.contains(wanted), "{error}: {text:.80}");
        }
        assert!(matches!(parse(None), Err(AskedError::Missing)));
    }
}
