use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;
use crate::base::{clock::SystemClock, random::SystemRandom};

const TENANT: &str = "2b7f1c9e-5a34-4d0e-9c5f-0d3a1e6b7c88";

/// An authority whose document has this issuer, with keys and one token for everybody.
async fn authority(issuer: &'static str) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let own = base.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = vec![0; 8192];
            let length = stream.read(&mut request).await.unwrap_or_default();
            let request = String::from_utf8_lossy(&request[..length]).into_owned();
            let body = if request.contains("/keys ") {
                serde_json::json!({"keys": []})
            } else if request.contains("/token ") {
                serde_json::json!({"access_token": "t", "token_type": "Bearer", "expires_in": 60})
            } else {
                serde_json::json!({
                    "issuer": issuer.replace("@BASE@", &own),
                    "authorization_endpoint": format!("{own}/authorize"),
                    "token_endpoint": format!("{own}/token"),
                    "jwks_uri": format!("{own}/keys"),
                    "response_types_supported": ["code"],
                    "subject_types_supported": ["pairwise"],
                    "id_token_signing_alg_values_supported": ["RS256"],
                })
            }
            .to_string();
            let text = format!(
                "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            );
            let _ = stream.write_all(text.as_bytes()).await;
        }
    });
    base
}

async fn application_of(
    base: &str,
    tenant: &str,
    graph_url: &str,
) -> Result<SignedInGraph, SignInError> {
    let plan = SignIn {
        authority: Authority::new(base, tenant).unwrap(),
        graph_url: Url::parse(graph_url).unwrap(),
        identity: ClientIdentity {
            id: "app".to_owned(),
            secret: Some(Secret::new("secret".to_owned())),
        },
        way: Way::Application,
        permissions: Vec::new(),
        login_hint: None,
        patience: Duration::from_secs(5),
    };
    sign_in(plan, &SystemClock, &mut SystemRandom, &mut |_| {}, |_| {}).await
}

#[tokio::test]
async fn an_authority_that_leaves_the_tenant_open_is_refused() {
    for issuer in ["@BASE@/{tenantid}/v2.0", "@BASE@/contoso.com/v2.0"] {
        let base = authority(issuer).await;
        for tenant in ["contoso.com", TENANT] {
            let graph = format!("{base}/graph");
            let error = application_of(&base, tenant, &graph).await.unwrap_err();
            assert!(
                matches!(&error, SignInError::Entra(EntraError::OtherTenant { .. })),
                "{issuer} {tenant}: {error:?}"
            );
        }
    }
}

#[tokio::test]
async fn an_applications_token_is_of_the_tenant_that_issued_it() {
    let base = authority("@BASE@/2b7f1c9e-5a34-4d0e-9c5f-0d3a1e6b7c88/v2.0").await;
    let graph = format!("{base}/graph");
    for tenant in ["contoso.com", TENANT] {
        let signed_in = application_of(&base, tenant, &graph).await.unwrap();
        assert_eq!(signed_in.tenant_id(), Some(TENANT));
    }
    let other = "3b7f1c9e-5a34-4d0e-9c5f-0d3a1e6b7c88";
    let error = application_of(&base, other, &graph).await.unwrap_err();
    assert!(
        matches!(&error, SignInError::Entra(EntraError::OtherTenant { .. })),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_token_of_microsofts_is_not_asked_for_another_graph() {
    for graph in [
        "https://graph.microsoft.com.evil.example",
        "http://127.0.0.1:9/graph",
        "https://graph.microsoft.us",
    ] {
        // Nothing is asked: the answer comes without a network.
        let authority = "https://login.microsoftonline.com";
        let error = application_of(authority, "contoso.com", graph)
            .await
            .unwrap_err();
        assert!(
            matches!(error, SignInError::Endpoints(_)),
            "{graph}: {error:?}"
        );
    }
}

#[test]
fn what_others_wrote_steers_no_terminal() {
    let evil = "x\u{1b}[2J\u{9b}\u{202e}";
    let refusal = Refusal::new(evil, evil);
    let said = SignInError::Refused(refusal).to_string();
    assert!(
        !said.chars().any(|c| c.is_control() || c == '\u{202e}'),
        "{said:?}"
    );
}
