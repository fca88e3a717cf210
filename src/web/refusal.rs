//! What the web frame itself refuses, with the words for people and the support code.
//!
//! What a use case refuses has its words where the handler matches its outcome.

use super::pages::outcome::ErrorKind;

/// A refusal with fixed words. Nothing that the sender wrote stands in it.
#[derive(Clone, Copy, Debug)]
pub struct Refusal {
    /// Heading and status.
    pub kind: ErrorKind,
    /// What the operator types after `claimbridge explain`.
    pub code: &'static str,
    /// One sentence on what happened.
    pub happened: &'static str,
    /// One sentence on what the person can do.
    pub remedy: &'static str,
    /// What `claimbridge explain` says to the operator.
    pub explanation: &'static str,
}

const GO_BACK: &str = "Go back to the application you want to use and sign in there again.";

/// A form that is not readable as one.
pub const BAD_FORM: Refusal = Refusal {
    kind: ErrorKind::BadRequest,
    code: "CB-WEB-001",
    happened: "What your browser sent could not be read.",
    remedy: GO_BACK,
    explanation: "A form came without the fields or in another encoding than our pages send. Browsers do not do that; look for a script or a proxy that rewrites requests.",
};

/// A form that a page of another site sent.
pub const FOREIGN_FORM: Refusal = Refusal {
    kind: ErrorKind::Refused,
    code: "CB-WEB-002",
    happened: "This form was sent by a page of another site, so nothing was done.",
    remedy: GO_BACK,
    explanation: "The Origin header of a form is not public_url. Either another site tried to act for the person, or people open this service under a name that is not public_url.",
};

/// A name that is not ours.
pub const WRONG_HOST: Refusal = Refusal {
    kind: ErrorKind::WrongHost,
    code: "CB-WEB-003",
    happened: "You came here under a name that is not the name of this service.",
    remedy: GO_BACK,
    explanation: "The Host header is not the one of public_url. Let the reverse proxy pass the Host header on unchanged, or correct public_url.",
};

/// No such page.
pub const NOT_FOUND: Refusal = Refusal {
    kind: ErrorKind::NotFound,
    code: "CB-WEB-004",
    happened: "There is nothing at this address.",
    remedy: "Check the address, or go back to the application you want to use.",
    explanation: "The path is none of this service's. Entra is given the paths /saml2/sso and /saml2/metadata.",
};

/// A method that a page does not answer.
pub const WRONG_METHOD: Refusal = Refusal {
    kind: ErrorKind::Method,
    code: "CB-WEB-005",
    happened: "This address answers another kind of request.",
    remedy: GO_BACK,
    explanation: "The HTTP method does not fit the path: a form's address was opened as a link, or the other way round.",
};

/// More bytes than anything here needs.
pub const TOO_LARGE: Refusal = Refusal {
    kind: ErrorKind::TooLarge,
    code: "CB-WEB-006",
    happened: "What your browser sent is larger than anything this service reads.",
    remedy: GO_BACK,
    explanation: "The body is over 256 KiB. No sign-in request comes near that.",
};

/// A panic.
pub const INTERNAL: Refusal = Refusal {
    kind: ErrorKind::Internal,
    code: "CB-WEB-007",
    happened: "Something went wrong on our side, and nothing was changed.",
    remedy: "Try again in a minute.",
    explanation: "A defect in claimbridge. The log has a line with this reference; please report it.",
};

/// No answer in time.
pub const TIMED_OUT: Refusal = Refusal {
    kind: ErrorKind::Unavailable,
    code: "CB-WEB-008",
    happened: "The service did not answer in time.",
    remedy: "Try again in a minute.",
    explanation: "A request took over 30 seconds and was given up. Look at the database and at the load.",
};

/// The database does not answer.
pub const UNAVAILABLE: Refusal = Refusal {
    kind: ErrorKind::Unavailable,
    code: "CB-WEB-009",
    happened: "The service cannot reach its records now, and nothing was changed.",
    remedy: "Try again in a minute.",
    explanation: "The database is locked or does not answer. No token leaves in this state. /readyz says what is wrong.",
};

/// All of them, for `claimbridge explain`.
pub const ALL: [&Refusal; 9] = [
    &BAD_FORM,
    &FOREIGN_FORM,
    &WRONG_HOST,
    &NOT_FOUND,
    &WRONG_METHOD,
    &TOO_LARGE,
    &INTERNAL,
    &TIMED_OUT,
    &UNAVAILABLE,
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_code_stands_for_one_refusal() {
        let codes: BTreeSet<&str> = ALL.iter().map(|refusal| refusal.code).collect();
        assert_eq!(codes.len(), ALL.len());
    }
}
