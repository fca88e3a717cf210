//! What must be so of every request for a token, whatever came in.

use claimbridge::{
    base::clock::Timestamp,
    protocol::wstrust::{TOKEN_TYPES, Version, request::UnverifiedTokenRequest},
};

const AUDIENCE: &str = "urn:federation:MicrosoftOnline";

/// Judges the bytes as a request of each version. How many took it.
pub fn judge(bytes: &[u8]) -> usize {
    let now = Timestamp::from_millis(1_795_168_800_000);
    let mut taken = 0;
    for version in Version::ALL {
        let request = UnverifiedTokenRequest::parse(bytes, version);
        // It goes back in the answer.
        assert!(request.message_id().is_none_or(|id| id.len() <= 256));
        let Ok(request) = request.verify(AUDIENCE, now) else {
            continue;
        };
        assert!(TOKEN_TYPES.contains(&request.token_type));
        taken += 1;
    }
    taken
}
