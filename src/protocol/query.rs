//! Parameters of an address or a posted form, taken out one by one.
//!
//! Always true: a parameter that stands twice, or once under an encoded name, is refused,
//! because two readers would take two different ones (attack 14); a value is decoded
//! strictly or not at all, so that what is given back is what came.

use percent_encoding::percent_decode_str;

/// Why a parameter could not be taken.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum QueryError {
    /// It stands twice, or under an encoded name.
    #[error("the parameter {0} is there twice or is spelt unusually")]
    Repeated(&'static str),
    /// Its value is not percent-encoded UTF-8.
    #[error("the parameter {0} is not percent-encoded UTF-8")]
    PercentEncoding(&'static str),
}

/// The raw value of the parameter `name` of a query string (without `?`) or a form's body.
///
/// # Errors
/// [`QueryError::Repeated`]; a name that is encoded counts too: some readers would see it,
/// others not.
pub fn raw_parameter<'a>(
    raw_query: &'a str,
    name: &'static str,
) -> Result<Option<&'a str>, QueryError> {
    let mut found = None;
    for pair in raw_query.split('&') {
        let (raw_name, value) = pair.split_once('=').unwrap_or((pair, ""));
        if raw_name == name {
            if found.replace(value).is_some() {
                return Err(QueryError::Repeated(name));
            }
        } else if percent_decode_str(raw_name).eq(name.bytes()) {
            return Err(QueryError::Repeated(name));
        }
    }
    Ok(found)
}

/// Percent-decoding with `+` as space, as forms do it.
///
/// # Errors
/// [`QueryError::PercentEncoding`].
pub fn decode(raw: &str, name: &'static str) -> Result<String, QueryError> {
    let spaced = raw.replace('+', " ");
    let mut bytes = spaced.bytes();
    while let Some(byte) = bytes.next() {
        let is_broken = byte == b'%'
            && !(bytes.next().is_some_and(|b| b.is_ascii_hexdigit())
                && bytes.next().is_some_and(|b| b.is_ascii_hexdigit()));
        if is_broken {
            return Err(QueryError::PercentEncoding(name));
        }
    }
    percent_decode_str(&spaced)
        .decode_utf8()
        .map(std::borrow::Cow::into_owned)
        .map_err(|_| QueryError::PercentEncoding(name))
}
