//! Claims within a token, and as they stand.

#![no_main]

use libfuzzer_sys::fuzz_target;

mod sound;

fuzz_target!(|bytes: &[u8]| {
    sound::judge(bytes);
    let payload = base64url(bytes);
    sound::judge(format!("eyJhbGciOiJSUzI1NiIsImtpZCI6ImEifQ.{payload}.c2ln").as_bytes());
});

fn base64url(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let word = chunk.iter().enumerate().fold(0_u32, |word, (at, byte)| {
            word | u32::from(*byte) << (16 - 8 * at)
        });
        for place in 0..=chunk.len() {
            let digit = word >> (18 - 6 * place) & 63;
            text.push(char::from(ALPHABET[digit as usize]));
        }
    }
    text
}
