//! A trace, and one exchange of it.

#![no_main]

use libfuzzer_sys::fuzz_target;

mod sound;

fuzz_target!(|bytes: &[u8]| {
    sound::judge(bytes);
    sound::judge(&[&b"{\"log\":{\"entries\":["[..], bytes, b"]}}"].concat());
    sound::judge(&[&b"{\"requests\":["[..], bytes, b"]}"].concat());
});
