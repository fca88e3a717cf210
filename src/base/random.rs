//! Randomness that is handed in as `&mut dyn Random`.

/// A source of random bytes.
pub trait Random: Send {
    /// Fills `bytes`.
    fn fill(&mut self, bytes: &mut [u8]);
}

/// The operating system's generator, through aws-lc.
#[derive(Debug, Default)]
pub struct SystemRandom;

impl Random for SystemRandom {
    #[expect(clippy::expect_used, reason = "without randomness nothing may go on")]
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that asks the system"
    )]
    fn fill(&mut self, bytes: &mut [u8]) {
        aws_lc_rs::rand::fill(bytes).expect("the system's random generator failed");
    }
}

/// `N` random bytes.
pub fn random_bytes<const N: usize>(random: &mut dyn Random) -> [u8; N] {
    let mut bytes = [0; N];
    random.fill(&mut bytes);
    bytes
}

/// 128 random bits as 26 lower-case base32 letters, for ids and tokens that stand in URLs.
pub fn random_token(random: &mut dyn Random) -> String {
    data_encoding::BASE32_NOPAD
        .encode(&random_bytes::<16>(random))
        .to_ascii_lowercase()
}
