//! A person in a real browser: Chromium, the real binary, the demo. Run by `tests/run.sh`.
//!
//! Each test starts its own `claimbridge demo` and its own chromedriver on free ports
//! and ends both; nothing sleeps: what must appear is waited for. Pictures of every
//! step are in `target/screenshots/`.

#[cfg(test)]
mod demo;
#[cfg(test)]
mod device_code;
#[cfg(test)]
mod enrolment;
#[cfg(test)]
mod external_mfa;
#[cfg(test)]
mod inspector;
#[cfg(test)]
mod journey;
#[cfg(test)]
mod keys;
#[cfg(test)]
mod refusals;
#[cfg(test)]
mod shop;
#[cfg(test)]
mod sign_out;
#[cfg(test)]
mod ways;
#[cfg(test)]
mod window;
#[cfg(test)]
mod wsfed;
