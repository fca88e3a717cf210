//! The door at which Entra asks for one factor cannot say "two": neither the type that holds
//! that claim nor a session is within reach of its files; and no other encoder takes what this
//! door has to say (attack 40).

use syn::{FnArg, Type, visit::Visit};

use super::{
    doors::Door,
    source::{self, SourceFile},
};

/// Between a request of Entra and its id_token. The names are those under which two factors, or a
/// session, would come in.
const DOOR: Door = Door {
    files: &[
        "src/signin/second_factor.rs",
        "src/claims/second_factor.rs",
        "src/protocol/oidc/",
        "src/app/external_mfa/",
        "src/web/oidc.rs",
    ],
    names: &[
        "ClaimSet",
        "SignedIn",
        "SealedSession",
        "SessionRow",
        "authn_context",
        "for_sign_in",
        "seal_session",
        "resume",
        "MULTIPLE_AUTHN",
        "METHODS",
    ],
    words: &["multipleauthn", "methodsreferences"],
};

/// Functions of the protocols that take an answer of this door.
fn takers(files: &[SourceFile]) -> Vec<String> {
    struct Takers<'f>(&'f str, Vec<String>);
    impl<'ast> Visit<'ast> for Takers<'_> {
        fn visit_signature(&mut self, signature: &'ast syn::Signature) {
            let takes = signature.inputs.iter().any(|input| match input {
                FnArg::Typed(typed) => mentions(&typed.ty),
                FnArg::Receiver(_) => false,
            });
            if takes {
                self.1.push(format!("{}: {}", self.0, signature.ident));
            }
        }
    }
    let mut found = Vec::new();
    for file in files {
        if !file.path.starts_with("src/protocol/") {
            continue;
        }
        let mut takers = Takers(&file.path, Vec::new());
        for item in &file.items {
            takers.visit_item(item);
        }
        found.append(&mut takers.1);
    }
    found
}

fn mentions(ty: &Type) -> bool {
    struct Search(bool);
    impl<'ast> Visit<'ast> for Search {
        fn visit_path_segment(&mut self, segment: &'ast syn::PathSegment) {
            self.0 |= segment.ident == "SecondFactorAnswer";
            syn::visit::visit_path_segment(self, segment);
        }
    }
    let mut search = Search(false);
    search.visit_type(ty);
    search.0
}

#[test]
fn attack_40_the_door_for_one_factor_does_not_know_two_nor_sessions() {
    let files = source::library();
    DOOR.holds(&files);
    assert_eq!(
        takers(&files),
        ["src/protocol/oidc/id_token.rs: encode_id_token"]
    );
}

#[test]
fn the_check_of_the_one_factor_door_can_fail() {
    for text in [
        "use crate::claims::ClaimSet;",
        "use crate::signin::complete::{self, SignedIn};",
        "use crate::session::*;",
        "fn f() { let _ = crate::claims::for_sign_in(); }",
        "fn f(app: &App) { app.resume(); }",
        "fn f() { let _ = json!({\"amr\": \"multipleauthn\"}); }",
    ] {
        let file = source::snippet("src/protocol/oidc/id_token.rs", text);
        assert!(!DOOR.problems(&[file]).is_empty(), "{text}");
    }
    let taker = source::snippet(
        "src/protocol/saml/response.rs",
        "fn encode(claims: &crate::claims::second_factor::SecondFactorAnswer) {}",
    );
    assert_eq!(takers(&[taker]).len(), 1);
    let elsewhere = source::snippet("src/claims/mod.rs", "struct ClaimSet;");
    assert!(DOOR.problems(&[elsewhere]).is_empty());
}
