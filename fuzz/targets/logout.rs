//! A message of single logout: the query of a redirect, or the XML of a form.

#![no_main]

use libfuzzer_sys::fuzz_target;

mod logout_sound;

fuzz_target!(|bytes: &[u8]| {
    logout_sound::judge(bytes);
});
