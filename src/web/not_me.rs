//! "Not you?" on the pages that ask for a second factor: the sign-in begins anew.

use std::sync::Arc;

use axum::{extract::State, response::Response};

use super::{Web, forms::Pressed, sign_in::on, visit::AttemptForm};

/// Who is named on the page is not who sits there: the sign-in begins anew.
pub async fn begin_anew(
    State(web): State<Arc<Web>>,
    AttemptForm { visit, .. }: AttemptForm<Pressed>,
) -> Response {
    match web.app.not_me(&visit.id, &visit.browser).await {
        Ok(()) => on(&visit),
        Err(error) => web.fail_at(&visit, &error).await,
    }
}
