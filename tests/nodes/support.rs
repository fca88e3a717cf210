//! The browser and the messages of `tests/it`.

#[expect(dead_code, reason = "the sign-in tests use more of it")]
#[path = "../it/support/browser.rs"]
pub mod browser;
#[expect(dead_code, reason = "the sign-in tests use more of it")]
#[path = "../it/support/entra.rs"]
pub mod entra;

pub const PUBLIC_URL: &str = "https://idp.example.com";
pub const PASSWORD: &str = "correct horse battery";
