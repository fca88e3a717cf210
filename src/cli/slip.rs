//! A temporary access pass as a page to print: one sheet of A6 that a person takes to the desk.
//!
//! Always true: it loads nothing and runs nothing (its own content security policy says so),
//! is black on white, and has the pass once.

use askama::Template as _;

use super::Failure;
use crate::{
    app::{
        App, new_password,
        passes::IssuedPass,
        user_view::{PasswordState, UserView},
    },
    directory::{MethodKind, PassReuse},
};

/// The page.
#[derive(askama::Template)]
#[template(path = "print/slip.html")]
struct Slip<'a> {
    brand: &'a str,
    name: &'a str,
    upn: &'a str,
    groups: Vec<String>,
    address: String,
    starts: String,
    ends: String,
    reuse: PassReuse,
    password: Password,
    min_length: usize,
    offered: Vec<&'static str>,
    whom_to_ask: &'a str,
}

/// Whether the person chooses a password on the way.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Password {
    Present,
    ToChoose,
}

/// The page for a pass of this person, as HTML.
pub fn render(
    app: &App,
    view: &UserView,
    pass: &IssuedPass,
    reuse: PassReuse,
) -> Result<String, Failure> {
    let settings = app.settings();
    let kinds = [MethodKind::SecurityKey, MethodKind::Totp];
    let offered = kinds
        .into_iter()
        .filter(|kind| view.policy.allows(*kind))
        .filter(|kind| *kind != MethodKind::SecurityKey || app.takes_keys())
        .filter_map(in_words)
        .collect();
    let slip = Slip {
        brand: &settings.service_name,
        name: &view.user.display_name,
        upn: view.user.upn.as_str(),
        groups: in_groups(pass.value.expose()),
        address: format!("{}/account", settings.public_url),
        starts: pass.starts_at.to_words(),
        ends: pass.expires_at.to_words(),
        reuse,
        password: match view.password {
            PasswordState::Set => Password::Present,
            PasswordState::None | PasswordState::Dead => Password::ToChoose,
        },
        min_length: new_password::SHORTEST,
        offered,
        whom_to_ask: settings
            .support_contact
            .as_deref()
            .unwrap_or("your administrator"),
    };
    slip.render()
        .map_err(|error| Failure::service(format!("the page could not be made: {error}")))
}

/// As the page that offers them calls them.
fn in_words(kind: MethodKind) -> Option<&'static str> {
    match kind {
        MethodKind::SecurityKey => Some("a security key"),
        MethodKind::Totp => Some("a code generator"),
        MethodKind::OathToken => None,
    }
}

/// In groups of four, which people copy without losing their place.
fn in_groups(value: &str) -> Vec<String> {
    let letters: Vec<char> = value.chars().collect();
    letters
        .chunks(4)
        .map(|group| group.iter().collect())
        .collect()
}
