//! "Not you?" on the pages that ask for a second factor: the sign-in begins anew.

use std::sync::Arc;

use axum::{extract::State, response::Response};

use super::{
    Web,
    forms::{CsrfForm, Pressed},
    sign_in::on,
    visit::AttemptVisit,
};

/// Who is named on the page is not who sits there: the sign-in begins anew.
pub async fn begin_anew(
    State(web): State<Arc<Web>>,
    visit: AttemptVisit,
    form: CsrfForm<Pressed>,
) -> Response {
    if form
        .verify(&web.forms, visit.browser.binding.as_ref())
        .is_err()
    {
        return web.stale_form();
    }
    match web.app.not_me(&visit.id, &visit.browser).await {
        Ok(()) => on(&visit),
        Err(error) => web.fail_at(&visit, &error),
    }
}
