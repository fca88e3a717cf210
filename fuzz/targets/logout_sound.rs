//! What must be so of every message of single logout, whatever came in.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use claimbridge::{
    base::clock::Timestamp,
    protocol::saml::{
        authn_request::RequestWindow,
        logout::{LogoutArrival, LogoutError, UnverifiedLogout, request::LogoutSubject},
    },
    relying_party::{EntityId, EntraCloud, RelyingParty, RelyingPartyKind, RequestSignature},
};

/// Judges the bytes as the query of a redirect and as the XML of a posted form. How many of
/// the two were taken.
pub fn judge(bytes: &[u8]) -> usize {
    let mut taken = 0;
    if let Ok(query) = std::str::from_utf8(bytes) {
        taken += usize::from(verified(UnverifiedLogout::parse_redirect(query)));
    }
    let message = STANDARD.encode(bytes);
    for field in ["SAMLRequest", "SAMLResponse"] {
        let posted = UnverifiedLogout::parse_post([(field, message.as_str())]);
        taken += usize::from(verified(posted));
    }
    taken
}

/// Whether the message holds for a party that need not sign.
fn verified(parsed: Result<UnverifiedLogout, LogoutError>) -> bool {
    let Ok(parsed) = parsed else {
        return false;
    };
    let issuer = parsed.issuer().to_owned();
    assert!(!issuer.is_empty());
    let party = RelyingParty {
        entity_id: EntityId(issuer.clone()),
        kind: RelyingPartyKind::ServiceProvider,
        request_signature: RequestSignature::Optional,
        request_certificates: Vec::new(),
        ..EntraCloud::global().relying_party(Vec::new())
    };
    let arrival = LogoutArrival {
        slo_url: "https://idp.example.com/saml2/slo",
        now: Timestamp::from_millis(1_795_168_800_000),
        window: RequestWindow::default(),
    };
    let is_name = |id: &str| {
        !id.is_empty()
            && id
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte))
    };
    match parsed {
        UnverifiedLogout::Request(request) => match request.verify(&party, &arrival) {
            Err(_) => false,
            Ok(request) => {
                // What goes into our answer is a name of XML, and of the one who asked.
                assert_eq!(request.relying_party, issuer);
                assert!(is_name(&request.request_id), "{request:?}");
                if let LogoutSubject::Named {
                    name_id,
                    session_indexes,
                    ..
                } = &request.subject
                {
                    assert!(session_indexes.len() <= 32, "{request:?}");
                    assert_eq!(name_id.trim(), name_id);
                }
                // Nobody is meant by another name than their own.
                assert!(!request.subject.is("somebody\u{0}", "issuer", "session"));
                true
            }
        },
        UnverifiedLogout::Response(response) => {
            assert!(is_name(response.in_response_to()));
            response.verify(&party, &arrival).is_ok()
        }
    }
}
