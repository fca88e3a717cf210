//! What people see: one askama struct per page, its states as enums.
//!
//! Always true: pages need no JavaScript but for asking a security key, load nothing from elsewhere and hold no
//! inline script or style (the content security policy would refuse them); a page
//! with a form of ours cannot be made without a [`CsrfToken`]; nobody is asked for
//! a phone number or a private mail address. Every page and state has a sample
//! that a test renders, reads as XML and judges (see the tests below; they also
//! write the samples to `target/pages/` to look at).

use std::{fmt, sync::Arc, time::Duration};

use crate::base::clock::Timestamp;

use super::assets::AssetPaths;

/// A signed-in person's own page.
pub mod account;
/// Adding a code generator.
pub mod enrol;
/// External MFA.
pub mod external_mfa;
/// The token inspector.
pub mod inspect;
/// Security keys.
pub mod keys;
/// Pages that end a journey: sent on, refused, start again, signed out.
pub mod outcome;
/// QR codes as one SVG path.
pub mod qr;
/// The steps of a sign-in.
pub mod sign_in;
/// Signing out.
pub mod sign_out;
/// A hardware token is activated, or brought back into step.
pub mod token;

#[cfg(test)]
mod samples;

/// What stands around every page; made once from the configuration.
#[derive(Clone, Debug)]
pub struct Frame {
    /// The name of the organisation or service, from `[branding]`.
    pub brand: String,
    /// Whom people ask for help, from `[branding]`.
    pub support: Option<Support>,
    /// Where the style sheet and the script are.
    pub assets: AssetPaths,
    /// For how long Entra waits for this page, and the way back (External MFA).
    pub waiting: Option<external_mfa::Waiting>,
}

impl Frame {
    /// A frame with the configured name and, if there is one, support contact.
    #[must_use]
    pub fn new(brand: &str, support: Option<&str>) -> Arc<Self> {
        Arc::new(Self {
            brand: brand.to_owned(),
            support: support.map(Support::new),
            assets: AssetPaths::of_this_build(),
            waiting: None,
        })
    }

    /// Whom to ask, in the middle of a sentence.
    #[must_use]
    pub fn whom_to_ask(&self) -> &str {
        self.support
            .as_ref()
            .map_or("your administrator", |support| &support.words)
    }
}

/// Whom people ask for help.
#[derive(Clone, Debug)]
pub struct Support {
    /// As the operator wrote it.
    pub words: String,
    /// A link, if what the operator wrote is a mail address or an https address.
    pub href: Option<String>,
}

impl Support {
    fn new(words: &str) -> Self {
        let words = words.trim();
        let one_word = !words.contains(char::is_whitespace);
        // Only these two: an address of another scheme (javascript:) stays plain text.
        let href = if one_word && words.starts_with("https://") {
            Some(words.to_owned())
        } else if one_word && words.contains('@') && !words.contains([':', '?', '&']) {
            Some(format!("mailto:{words}"))
        } else {
            None
        };
        Self {
            words: words.to_owned(),
            href,
        }
    }
}

/// The value of a form's hidden `csrf` input.
#[derive(Clone, Debug)]
pub struct CsrfToken(pub(in crate::web) String);

impl fmt::Display for CsrfToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl askama::filters::HtmlSafe for CsrfToken {}

/// An instant as people read it: `2026-11-20 10:00 UTC`.
#[derive(Clone, Copy, Debug)]
pub struct Moment(pub Timestamp);

impl Moment {
    /// RFC 3339, for `<time datetime>`.
    #[must_use]
    pub fn iso(&self) -> String {
        self.0.to_rfc3339()
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let iso = self.0.to_rfc3339();
        match (iso.get(..10), iso.get(11..16)) {
            (Some(date), Some(time)) => write!(f, "{date} {time} UTC"),
            _ => f.write_str(&iso),
        }
    }
}

/// How long to wait, in the largest unit that fits, rounded up: who waits that
/// long is not refused again for having come a second early.
#[must_use]
pub fn waiting_time(wait: Duration) -> String {
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    let (count, unit) = match seconds {
        0..=90 => (seconds.max(1), "second"),
        91..=5_400 => (seconds.div_ceil(60), "minute"),
        _ => (seconds.div_ceil(3_600), "hour"),
    };
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {unit}{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_times_round_up_and_use_the_largest_fitting_unit() {
        for (millis, words) in [
            (1, "1 second"),
            (1_000, "1 second"),
            (1_001, "2 seconds"),
            (90_000, "90 seconds"),
            (91_000, "2 minutes"),
            (3_600_000, "60 minutes"),
            (5_401_000, "2 hours"),
        ] {
            assert_eq!(waiting_time(Duration::from_millis(millis)), words);
        }
    }

    #[test]
    fn only_mail_and_https_contacts_become_links() {
        for (words, href) in [
            ("help@contoso.com", Some("mailto:help@contoso.com")),
            (
                "https://help.contoso.com/idp",
                Some("https://help.contoso.com/idp"),
            ),
            ("the service desk, room 2", None),
            ("javascript:alert(1)@x", None),
            ("http://help.contoso.com", None),
            ("a@b.c?body=x", None),
        ] {
            assert_eq!(Support::new(words).href.as_deref(), href, "{words}");
        }
    }

    #[test]
    fn a_moment_reads_as_date_and_time_in_utc() {
        let at = Timestamp::parse_rfc3339("2026-11-20T10:00:59Z").unwrap();
        assert_eq!(Moment(at).to_string(), "2026-11-20 10:00 UTC");
    }
}
