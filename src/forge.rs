//! Tries to make each sealed type outside its file. Compiled only under
//! `--cfg forge`, by `tests/it/architecture/forge.rs`, which wants the compiler to
//! refuse every line marked `FORGE` because of a private field (E0451) or a
//! private name (E0603) — and nothing else. `..made_up()` stands for every field,
//! so the attempt stays right when fields change; the control line shows that it
//! is good Rust where fields are public.

fn made_up<T>() -> T {
    loop {}
}

fn forge() {
    let _ = crate::relying_party::EntraCloud { ..made_up() }; // control
    let _ = crate::factor::password::PasswordProof { ..made_up() }; // FORGE
    let _ = crate::factor::totp::TotpProof { ..made_up() }; // FORGE
    let _ = crate::factor::webauthn::assertion::WebAuthnProof { ..made_up() }; // FORGE
    let _ = crate::factor::app_password::ApplicationPasswordProof { ..made_up() }; // FORGE
    let _ = crate::factor::evidence::Evidence { ..made_up() }; // FORGE
    let _ = crate::signin::complete::SignedIn { ..made_up() }; // FORGE
    let _ = crate::signin::complete::SealedSession { ..made_up() }; // FORGE
    let _ = crate::signin::asked::AskedSecondFactor { ..made_up() }; // FORGE
    let _ = crate::signin::second_factor::SecondFactorDone { ..made_up() }; // FORGE
    let _ = crate::claims::second_factor::SecondFactorAnswer { ..made_up() }; // FORGE
    let _ = crate::claims::ClaimSet { ..made_up() }; // FORGE
    let _ = crate::claims::active::PasswordClaims { ..made_up() }; // FORGE
    let _ = crate::protocol::oidc::hint::VerifiedHint { ..made_up() }; // FORGE
    let _ = crate::protocol::oidc::request::VerifiedAuthorizationRequest { ..made_up() }; // FORGE
    let _ = crate::protocol::saml::authn_request::VerifiedAuthnRequest { ..made_up() }; // FORGE
}
