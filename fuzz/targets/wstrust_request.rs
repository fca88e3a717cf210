//! A SOAP request for a token, and the inside of one.

#![no_main]

use libfuzzer_sys::fuzz_target;

mod wstrust_sound;

fuzz_target!(|bytes: &[u8]| {
    wstrust_sound::judge(bytes);
    let whole = [
        br#"<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" xmlns:wsa="http://www.w3.org/2005/08/addressing"><s:Header>"#,
        bytes,
        b"</s:Header></s:Envelope>",
    ]
    .concat();
    wstrust_sound::judge(&whole);
});
