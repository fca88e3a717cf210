//! The door that takes a password alone cannot say "multi-factor": neither the type that holds
//! the claim nor the words for it are within reach of its files (attack 22).

use super::{doors::Door, source};

/// Between a password and its token. The names and words are those of the claim.
const DOOR: Door = Door {
    files: &[
        "src/claims/active.rs",
        "src/factor/app_password.rs",
        "src/protocol/wstrust/",
        "src/app/trust",
        "src/web/trust.rs",
    ],
    names: &[
        "ClaimSet",
        "SignedIn",
        "authn_context",
        "for_sign_in",
        "MULTIPLE_AUTHN",
        "METHODS",
        "MULTI_FACTOR_INSTANT",
        "encode_assertion",
        "encode_response",
    ],
    words: &[
        "multipleauthn",
        "wiaormultiauthn",
        "methodsreferences",
        "multifactorauthentication",
    ],
};

#[test]
fn attack_22_the_door_for_passwords_does_not_know_the_words() {
    DOOR.holds(&source::library());
}

#[test]
fn the_check_of_the_door_can_fail() {
    for text in [
        "use crate::claims::ClaimSet;",
        "use crate::claims::{self, authn_context};",
        "use crate::protocol::wsfed::assertion::*;",
        "fn f() { let _ = crate::claims::for_sign_in(); }",
        "fn f(signed_in: S) { signed_in.for_sign_in(); }",
        "const X: &str = \"http://schemas.microsoft.com/claims/multipleauthn\";",
        "fn f() { g(format_args!(\"<a>{}MultipleAuthn\", 1)); }",
        "fn f() { g(format!(\"{}\", authn_context::MULTIPLE_AUTHN)); }",
        "fn f() { g(format!(\"{MULTIPLE_AUTHN}\")); }",
    ] {
        let file = source::snippet("src/protocol/wstrust/assertion.rs", text);
        assert!(!DOOR.problems(&[file]).is_empty(), "{text}");
    }
    let elsewhere = source::snippet("src/claims/mod.rs", "struct ClaimSet;");
    assert!(DOOR.problems(&[elsewhere]).is_empty());
}
