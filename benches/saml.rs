//! What one answer costs, against the one thing that cannot be saved: the raw
//! RSA-2048 signature with the same key in the same run.
//!
//! `cargo bench --bench saml` prints criterion's numbers and, at the end, each target
//! with what was measured. They are targets, not tests: a busy machine fails nothing.

use std::{fs, path::PathBuf, sync::Arc};

use claimbridge::{
    factor::totp,
    inspect::{Consumer, Context, GivenRequest, pre_flight},
    keys::{KeyPurpose, SigningKey},
    protocol::{
        saml::{
            authn_request::{Arrival, RequestWindow, UnverifiedAuthnRequest},
            response::{Envelope, encode_response},
        },
        wsfed::{
            assertion, parameters::Parameters, request::UnverifiedSignInRequest,
            response as wsfed_response,
        },
    },
    relying_party::{EntraCloud, ResponseSignature},
};
use criterion::Criterion;

#[path = "../tests/it/saml_kit.rs"]
#[expect(clippy::unwrap_used, reason = "shared with the tests")]
#[expect(dead_code, reason = "the tests use more of it")]
mod saml_kit;

use saml_kit::{Agent, NOW, assertion_key, entra, new_key};

const RAW: &str = "raw RSA-2048 signature";
const SIGNED: &str = "ClaimSet to signed bytes";
const CHECKED: &str = "ClaimSet to signed bytes, with pre-flight";
const WSFED: &str = "ClaimSet to signed bytes over WS-Federation";
const WSFED_CHECKED: &str = "ClaimSet to signed bytes over WS-Federation, with pre-flight";
const PARSED: &str = "AuthnRequest parsed and verified";
const WSFED_PARSED: &str = "wsignin1.0 parsed and verified";
const TOTP: &str = "TOTP code verified, without storage";

const REQUEST: &str = "_1e089e5c-a976-4881-af74-3b92c89e7e2c";
const ACS: &str = "https://login.microsoftonline.com/login.srf";

fn envelope() -> Envelope<'static> {
    Envelope {
        response_id: "_weg2jdhkjqewo24ob36nqbuucq".to_owned(),
        assertion_id: "_mudaonqdfo4jqqqnbbr5zjzfha".to_owned(),
        in_response_to: REQUEST,
        acs: ACS,
        now: NOW,
        response_signature: ResponseSignature::AssertionOnly,
    }
}

fn answers(criterion: &mut Criterion) {
    let key: Arc<SigningKey> = assertion_key(&new_key());
    let mut agent = Agent::of_contoso();
    let claims = agent.sign_in(&entra(), NOW);
    let mut context = Context::at(NOW);
    context.issuer = Some(claims.issuer().to_owned());
    context.realm = Some(agent.domains[0].root.clone());
    context.cloud = Some(EntraCloud::global());
    context.certificates = vec![key.certificate.clone()];
    context.known.extend(key.read_certificate()); // as `app::issue` does
    context.request = Some(GivenRequest {
        id: REQUEST.to_owned(),
    });

    let signer = key.signer_for(KeyPurpose::Assertion);
    // As long as a canonical SignedInfo.
    let message = vec![b'x'; 700];
    criterion.bench_function(RAW, |bencher| {
        bencher.iter(|| signer.as_ref().map(|signer| signer.sign(&message)));
    });
    criterion.bench_function(SIGNED, |bencher| {
        bencher.iter(|| encode_response(&claims, &envelope(), &key));
    });
    criterion.bench_function(CHECKED, |bencher| {
        bencher.iter(|| {
            encode_response(&claims, &envelope(), &key)
                .map(|response| pre_flight(response.xml.as_bytes(), &context).is_ok())
        });
    });
    let passed = encode_response(&claims, &envelope(), &key)
        .is_ok_and(|response| pre_flight(response.xml.as_bytes(), &context).is_ok());
    assert!(passed, "the pre-flight that was measured must pass");

    let wsfed_envelope = || assertion::Envelope {
        assertion_id: "_mudaonqdfo4jqqqnbbr5zjzfha".to_owned(),
        now: NOW,
        stay: claimbridge::session::Stay::UntilClosed,
    };
    context.expect = Some(Consumer::EntraWsfed);
    context.request = None;
    criterion.bench_function(WSFED, |bencher| {
        bencher.iter(|| wsfed_response::encode_response(&claims, &wsfed_envelope(), &key));
    });
    let checked = || {
        wsfed_response::encode_response(&claims, &wsfed_envelope(), &key)
            .is_ok_and(|xml| pre_flight(xml.as_bytes(), &context).is_ok())
    };
    criterion.bench_function(WSFED_CHECKED, |bencher| bencher.iter(checked));
    assert!(checked(), "the pre-flight that was measured must pass");

    criterion.bench_function(TOTP, |bencher| {
        let code = agent.code(NOW);
        bencher.iter(|| totp::matching_step(&code, &agent.totp, 1, &agent.sealing, NOW));
    });
    assert!(totp::matching_step(&agent.code(NOW), &agent.totp, 1, &agent.sealing, NOW).is_some());
}

fn requests(criterion: &mut Criterion) {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    let xml = include_str!("../tests/fixtures/entra/authn-request-unsigned.xml");
    let message = STANDARD.encode(xml.replace("2024-03-12T14:00:18.450Z", "2026-11-20T10:00:00Z"));
    let party = entra();
    let arrival = Arrival {
        sso_url: "https://idp.contoso.com/saml2/sso",
        domain: None,
        now: NOW,
        window: RequestWindow::default(),
    };
    let run = || {
        UnverifiedAuthnRequest::parse_post([("SAMLRequest", message.as_str())])
            .and_then(|request| request.verify(&party, &arrival))
    };
    assert!(run().is_ok(), "the request that is measured must be taken");
    criterion.bench_function(PARSED, |bencher| bencher.iter(run));
    let query = "client-request-id=4b6fbbbc-3d28-4ae6-8e6d-0b3ef9f1ba2c&wa=wsignin1.0&wtrealm=urn%3afederation%3aMicrosoftOnline&wctx=LoginOptions%3D3%26estsredirect%3d2%26estsrequest%3drQIIAa&cbcxt=&username=agent1%40contoso.com&mkt=&lc=&wfresh=0";
    let run = || {
        Parameters::of(query, "").is_ok_and(|parameters| {
            UnverifiedSignInRequest::parse(&parameters)
                .and_then(|request| request.verify(&party, None, NOW))
                .is_ok()
        })
    };
    assert!(run(), "the request that is measured must be taken");
    criterion.bench_function(WSFED_PARSED, |bencher| bencher.iter(run));
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    answers(&mut criterion);
    requests(&mut criterion);
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
    let signed = [(SIGNED, 1.15), (WSFED, 1.15)];
    for (name, most) in signed
        .into_iter()
        .chain([(CHECKED, 1.3), (WSFED_CHECKED, 1.3)])
    {
        if let Some(time) = median(name) {
            let ratio = time / raw;
            println!("{name}: {ratio:.2} × raw (target ≤ {most} ×)");
        }
    }
    for (name, most) in [(PARSED, 60.0), (WSFED_PARSED, 10.0), (TOTP, 5.0)] {
        if let Some(time) = median(name) {
            let micros = time / 1000.0;
            println!("{name}: {micros:.1} µs (target ≤ {most} µs)");
        }
    }
}
