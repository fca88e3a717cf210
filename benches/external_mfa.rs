//! What an answer to External MFA costs, against the one thing that cannot be saved: the raw
//! RSA-2048 signature with the same key in the same run.
//!
//! `cargo bench --bench external_mfa` prints criterion's numbers and, at the end, each target
//! with what was measured. They are targets, not tests: a busy machine fails nothing.

use std::{convert::Infallible, fs, path::PathBuf, time::Duration};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use claimbridge::{
    base::{
        browser::CookieToken,
        ids::{AttemptId, CredentialId, KeyId},
        random::SystemRandom,
    },
    claims::second_factor::SecondFactorAnswer,
    directory::{ExternalAccount, LinkedBy},
    factor::{
        evidence,
        totp::{self, ConsumeStep, StepUse},
    },
    keys::{KeyPurpose, SigningKey, signing},
    protocol::oidc::{
        hint_keys::HintKeys,
        id_token::encode_id_token,
        jwks::{PublicKey, encode_jwks, kid_of},
        request::{AuthorizationRequest, PostedRequest},
    },
    relying_party::{ExternalMfaCloud, ExternalMfaTenant},
    signin::{
        asked::LIFETIME,
        attempt::Attempt,
        complete::Holder,
        request::{Interaction, Protocol, Reauthentication, SignInRequest},
        second_factor::{self, Acr, Membership, SecondFactorRequest},
    },
};
use criterion::Criterion;

#[path = "../tests/it/saml_kit.rs"]
#[expect(clippy::unwrap_used, reason = "shared with the tests")]
#[expect(dead_code, reason = "the tests use more of it")]
mod saml_kit;

use saml_kit::{Agent, NOW, new_key};

const RAW: &str = "raw RSA-2048 signature of an id_token";
const SIGNED: &str = "SecondFactorAnswer to signed id_token";
const VERIFIED: &str = "External MFA request parsed, its hint verified";

fn key() -> Result<SigningKey, signing::KeyError> {
    let new = new_key();
    let id = KeyId::random(&mut SystemRandom);
    signing::load(id, KeyPurpose::Oidc, &new.pkcs8, new.certificate, NOW)
}

/// A store with nothing in it: every step is free.
struct Steps;

impl ConsumeStep for Steps {
    type Error = Infallible;

    async fn consume_step(
        &mut self,
        _: &CredentialId,
        _: i64,
        _: i64,
    ) -> Result<StepUse, Infallible> {
        Ok(StepUse::Consumed)
    }
}

/// One code of the person, in an attempt of this door.
fn answer(agent: &Agent) -> Option<SecondFactorAnswer> {
    let random = &mut SystemRandom;
    let asked = SecondFactorRequest {
        tenant: "aaaabbbb-0000-cccc-1111-dddd2222eeee".parse().ok()?,
        object_id: "bbbbcccc-1111-dddd-2222-eeee3333ffff".parse().ok()?,
        subject: "mBfcvuhSHkDWVgV72x2ruIYdSsPSvcj2R0qfc6mGEAA".to_owned(),
        client_id: "claimbridge-of-contoso".to_owned(),
        nonce: "AwABEgEAAAACAOz_BQD0".to_owned(),
        state: None,
        reply_url: "https://login.microsoftonline.com/common/federation/externalauthprovider"
            .to_owned(),
        acr: vec![Acr::PossessionOrInherence],
        amr: Vec::new(),
        first_amr: Vec::new(),
        shown_name: None,
        membership: Membership::Member,
        asked_at_millis: NOW.as_millis(),
        client_request_id: None,
    };
    let mut attempt = Attempt {
        id: AttemptId::random(random),
        browser: CookieToken::random(random).hash(),
        request: SignInRequest {
            protocol: Protocol::ExternalMfa,
            relying_party: String::new(),
            request_id: String::new(),
            reply_url: asked.reply_url.clone(),
            relay_state: None,
            domain: None,
            reauthentication: Reauthentication::Always,
            interaction: Interaction::Allowed,
            max_age_seconds: None,
            login_hint: None,
            second_factor: None,
            received_at_millis: NOW.as_millis(),
        },
        user: Some(agent.user.id.clone()),
        created_at: NOW,
        expires_at: NOW.plus(LIFETIME),
        answered_at: None,
    };
    attempt.request.second_factor = Some(asked.seal(attempt.binding(), &agent.sealing).ok()?);
    let runtime = tokio::runtime::Builder::new_current_thread().build().ok()?;
    let code = agent.code(NOW);
    let own = std::slice::from_ref(&agent.totp);
    let (id, sealing) = (&attempt.id, &agent.sealing);
    let proof = runtime.block_on(totp::verify(&code, own, 1, id, sealing, NOW, &mut Steps));
    let record = evidence::seal(proof.ok()?, attempt.binding(), sealing).ok()?;
    let account = ExternalAccount::new(
        sealing,
        (asked.tenant, asked.object_id),
        agent.user.id.clone(),
        NOW,
        LinkedBy::Operator,
    );
    let holder = Holder {
        user: &agent.user,
        live_credentials: std::slice::from_ref(&agent.totp.id),
    };
    let age = Duration::from_mins(5);
    let done =
        second_factor::complete(&attempt, &[record], &account, holder, sealing, NOW, age).ok()?;
    SecondFactorAnswer::release(done, "https://idp.contoso.com/oidc").ok()
}

fn answers(criterion: &mut Criterion, key: &SigningKey) -> Option<()> {
    let answer = answer(&Agent::of_contoso())?;
    let signer = key.signer_for(KeyPurpose::Oidc);
    let token = encode_id_token(&answer, key, NOW).unwrap_or_default();
    // As long as what is signed.
    let message = vec![b'x'; token.rfind('.').unwrap_or_default()];
    criterion.bench_function(RAW, |bencher| {
        bencher.iter(|| signer.as_ref().map(|signer| signer.sign(&message)));
    });
    criterion.bench_function(SIGNED, |bencher| {
        bencher.iter(|| encode_id_token(&answer, key, NOW));
    });
    Some(())
}

/// A cloud whose hints `key` signs, and Entra's form.
fn requests(criterion: &mut Criterion, key: &SigningKey) -> Option<()> {
    let cloud = ExternalMfaCloud::by_name("global")?;
    let published = PublicKey {
        id: &key.id,
        certificate: &key.certificate,
    };
    let list = encode_jwks([published]).ok()?;
    let keys = HintKeys::parse(&cloud, list.as_bytes(), NOW).ok()?;
    let tenant = "aaaabbbb-0000-cccc-1111-dddd2222eeee";
    let application = "6fa6c2ba-0d5a-4b53-9a0c-7e6a2d3f1b11";
    let header = serde_json::json!({"typ": "JWT", "alg": "RS256", "kid": kid_of(&key.id)});
    let claims = serde_json::json!({
        "ver": "2.0", "iss": format!("https://login.microsoftonline.com/{tenant}/v2.0"),
        "aud": application, "sub": "mBfcvuhSHkDWVgV72x2ruIYdSsPSvcj2R0qfc6mGEAA", "tid": tenant,
        "oid": "bbbbcccc-1111-dddd-2222-eeee3333ffff", "preferred_username": "agent1@contoso.com",
        "iat": NOW.as_secs(), "nbf": NOW.as_secs(), "exp": NOW.as_secs() - 1,
    });
    let [header, claims] = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
    let signed = format!("{header}.{claims}");
    let signature = key
        .signer_for(KeyPurpose::Oidc)
        .ok()?
        .sign(signed.as_bytes());
    let hint = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.ok()?));
    let body = format!(
        "scope=openid&response_mode=form_post&response_type=id_token&client_id=c&nonce=n&state=s&redirect_uri=https%3A%2F%2Flogin.microsoftonline.com%2Fcommon%2Ffederation%2Fexternalauthprovider&claims=%7B%22id_token%22%3A%7B%22acr%22%3A%7B%22values%22%3A%5B%22possessionorinherence%22%5D%7D%7D%7D&id_token_hint={hint}"
    );
    let tenants = [ExternalMfaTenant {
        tenant: tenant.parse().ok()?,
        client_id: "c".to_owned(),
        application: application.parse().ok()?,
        cloud,
    }];
    let run = || {
        let posted = PostedRequest::read(&body).ok()?;
        let request = AuthorizationRequest::parse(posted, &tenants).ok()?;
        request.verify(&tenants, &keys, NOW).ok()
    };
    assert!(
        run().is_some(),
        "the request that is measured must be taken"
    );
    criterion.bench_function(VERIFIED, |bencher| bencher.iter(run));
    Some(())
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let measured = key().is_ok_and(|key| {
        answers(&mut criterion, &key).is_some() && requests(&mut criterion, &key).is_some()
    });
    assert!(measured, "what is measured could not be made");
    criterion.final_summary();
    print_targets();
}

/// The median of a bench in nanoseconds, as criterion left it.
fn median(name: &str) -> Option<f64> {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target"),
        PathBuf::from,
    );
    let file = target
        .join("criterion")
        .join(name)
        .join("new/estimates.json");
    let estimates: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(file).ok()?).ok()?;
    estimates["median"]["point_estimate"].as_f64()
}

fn print_targets() {
    let Some(raw) = median(RAW) else {
        return; // `cargo test --benches` runs each once and measures nothing
    };
    if let Some(time) = median(SIGNED) {
        println!("{SIGNED}: {:.2} × raw (target ≤ 1.15 ×)", time / raw);
    }
    if let Some(time) = median(VERIFIED) {
        println!("{VERIFIED}: {:.1} µs (target ≤ 300 µs)", time / 1000.0);
    }
}
