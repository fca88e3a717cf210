//! A domain's federation: JSON, commands, listings.

#![no_main]

use libfuzzer_sys::fuzz_target;

mod sound;

fuzz_target!(|bytes: &[u8]| {
    sound::judge(bytes);
    sound::judge(
        &[
            &b"{\"issuerUri\":\"x\",\"passiveSignInUri\":\"y\","[..],
            bytes,
            b"}",
        ]
        .concat(),
    );
    sound::judge(&[&b"Update-MgDomainFederationConfiguration "[..], bytes].concat());
    sound::judge(&[&b"IssuerUri : x\nPassiveLogOnUri : y\n"[..], bytes].concat());
});
