//! A request of WS-Federation: the address, and the form of a POST behind a NUL.

#![no_main]

use claimbridge::{
    base::clock::Timestamp,
    protocol::wsfed::{
        parameters::Parameters,
        request::{MAX_CONTEXT, UnverifiedSignInRequest},
    },
    relying_party::EntraCloud,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let (query, form) = text.split_once('\0').unwrap_or((text, ""));
    let Ok(parameters) = Parameters::of(query, form) else {
        return;
    };
    let _ = parameters.action();
    let _ = parameters.client_request_id();
    let Ok(request) = UnverifiedSignInRequest::parse(&parameters) else {
        return;
    };
    let entra = EntraCloud::global().relying_party(Vec::new());
    let now = Timestamp::from_millis(1_795_168_800_000);
    let Ok(verified) = request.verify(&entra, None, now) else {
        return;
    };
    // What passes goes to the one registered address, asks for nothing weaker, and brings a
    // context that a form gives back as it is.
    let request = verified.into_sign_in_request("_1".to_owned());
    assert_eq!(request.reply_url, entra.reply_urls[0].url);
    assert!(request.max_age().is_none_or(|age| age <= entra.session_max_age));
    let context = request.relay_state.unwrap_or_default();
    assert!(context.len() <= MAX_CONTEXT && !context.chars().any(char::is_control));
    assert!(request.login_hint.is_none_or(|hint| hint.len() <= 256));
});
