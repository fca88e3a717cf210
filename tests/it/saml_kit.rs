//! A person with a real password and a real TOTP, who signs in for real: the only
//! way to a `ClaimSet`. Also used by the benches and by what writes files for the
//! independent verifiers.

use std::{convert::Infallible, sync::Arc, time::Duration};

use claimbridge::{
    base::{
        browser::CookieToken,
        clock::Timestamp,
        ids::{AttemptId, CredentialId, KeyId, UserId},
        random::{Random, SystemRandom},
        secret::Secret,
        text::DomainName,
    },
    claims::{self, ClaimSet, NotReleased},
    directory::{PasswordCredential, TotpCredential, TotpParameters, User, identity_tag},
    factor::{
        evidence::{self, Binding},
        password::{self, HashCost},
        totp::{self, ConsumeStep, StepUse},
    },
    keys::{
        KeyPurpose, SigningKey,
        sealing::{MasterKey, Sealing},
        signing::{CERTIFICATE_LIFETIME, NewKey, RsaSize, generate, load},
    },
    relying_party::{Domain, EntraCloud, RelyingParty, domain::new_domain},
    signin::{
        attempt::{Attempt, LIFETIME},
        complete::{self, Holder},
        request::{Interaction, Protocol, Reauthentication, SignInRequest},
    },
};
use rand_chacha::ChaCha8Rng;
use rand_core::{RngCore, SeedableRng};

/// 2026-11-20T10:00:00Z.
pub const NOW: Timestamp = Timestamp::from_millis(1_795_168_800_000);

/// A generator that gives the same bytes in each run.
pub struct Seeded(ChaCha8Rng);

impl Seeded {
    pub fn new(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    pub fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.0.next_u64() % u64::try_from(limit).unwrap()).unwrap()
    }
}

impl Random for Seeded {
    fn fill(&mut self, bytes: &mut [u8]) {
        self.0.fill_bytes(bytes);
    }
}

/// What the demo would have in its database: a domain, a person, two credentials.
pub struct Agent {
    pub user: User,
    pub domains: Vec<Domain>,
    pub sealing: Sealing,
    pub totp: TotpCredential,
    password: PasswordCredential,
    secret: [u8; 20],
    random: Seeded,
}

const PASSWORD: &str = "correct horse battery staple";
const CHEAP: HashCost = HashCost {
    memory_kib: 64,
    passes: 1,
    lanes: 1,
};

impl Agent {
    pub fn new(upn: &str, immutable_id: &str, issuer: &str) -> Self {
        let mut random = Seeded::new(7);
        let sealing = Sealing::new(&MasterKey::random(&mut random));
        let id = UserId::random(&mut random);
        let (upn, immutable_id) = (upn.parse().unwrap(), Some(immutable_id.parse().unwrap()));
        let user = User {
            identity_tag: identity_tag(&sealing, &id, &upn, immutable_id.as_ref()),
            id: id.clone(),
            display_name: "Agent One".to_owned(),
            immutable_id,
            disabled_at: None,
            created_at: NOW,
            upn,
        };
        let domain = new_domain(user.upn.domain(), Some(issuer), issuer, &[], NOW).unwrap();

        let password_id = CredentialId::random(&mut random);
        let phc = password::hash(&Secret::new(PASSWORD.to_owned()), CHEAP, &mut random).unwrap();
        let password = PasswordCredential {
            tag: PasswordCredential::make_tag(&sealing, &password_id, &id, &phc),
            id: password_id,
            user: id.clone(),
            phc,
            set_at: NOW,
            dead_at: None,
        };
        let totp_id = CredentialId::random(&mut random);
        let secret = *b"12345678901234567890";
        let parameters = TotpParameters::default();
        let sealed_secret = sealing.seal(
            &TotpCredential::secret_place(&totp_id, &id),
            &secret,
            &mut random,
        );
        let totp = TotpCredential {
            tag: TotpCredential::make_tag(&sealing, &totp_id, &id, parameters, &sealed_secret),
            id: totp_id,
            user: id,
            name: "desktop".to_owned(),
            parameters,
            sealed_secret,
            drift_steps: 0,
            last_step: None,
            confirmed_at: Some(NOW),
            revoked_at: None,
            created_at: NOW,
        };
        Self {
            user,
            domains: vec![domain],
            sealing,
            totp,
            password,
            secret,
            random,
        }
    }

    /// The person of the documentation's examples.
    pub fn of_contoso() -> Self {
        Self::new(
            "agent1@contoso.com",
            "ABCDEG1234567890",
            "https://idp.contoso.com/contoso.com",
        )
    }

    /// The code that the person's program shows at `now`.
    pub fn code(&self, now: Timestamp) -> String {
        totp::code_at(&self.secret, self.totp.parameters, now).unwrap()
    }

    /// Password at `now` minus 20 seconds, code at `now`; what `party` may know of it.
    pub fn sign_in(&mut self, party: &RelyingParty, now: Timestamp) -> ClaimSet {
        self.release(party, now, None).unwrap()
    }

    /// The same for a request to the address of the domain `asked`.
    pub fn release(
        &mut self,
        party: &RelyingParty,
        now: Timestamp,
        asked: Option<&DomainName>,
    ) -> Result<ClaimSet, NotReleased> {
        let attempt = Attempt {
            id: AttemptId::random(&mut self.random),
            browser: CookieToken::random(&mut self.random).hash(),
            request: SignInRequest {
                protocol: Protocol::Saml2,
                relying_party: party.entity_id.to_string(),
                request_id: "_request".to_owned(),
                reply_url: party.reply_urls[0].url.clone(),
                relay_state: None,
                domain: None,
                reauthentication: Reauthentication::AsNeeded,
                interaction: Interaction::Allowed,
                max_age_seconds: None,
                login_hint: None,
                second_factor: None,
                received_at_millis: now.as_millis(),
            },
            user: Some(self.user.id.clone()),
            created_at: now,
            expires_at: now.plus(LIFETIME),
            answered_at: None,
        };
        let binding = Binding {
            attempt: &attempt.id,
            browser: &attempt.browser,
        };
        let (first, _) = password::verify(
            &Secret::new(PASSWORD.to_owned()),
            Some(&self.password),
            &attempt.id,
            CHEAP,
            &self.sealing,
            now.minus(Duration::from_secs(20)),
        )
        .unwrap();
        let second = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap()
            .block_on(totp::verify(
                &self.code(now),
                std::slice::from_ref(&self.totp),
                1,
                &attempt.id,
                &self.sealing,
                now,
                &mut Steps,
            ))
            .unwrap();
        let records = [
            evidence::seal(first, binding, &self.sealing).unwrap(),
            evidence::seal(second, binding, &self.sealing).unwrap(),
        ];
        let live = [self.password.id.clone(), self.totp.id.clone()];
        let signed_in = complete::complete(
            &attempt,
            &records,
            None,
            Holder {
                user: &self.user,
                live_credentials: &live,
            },
            &self.sealing,
            now,
            Duration::from_mins(10),
        )
        .unwrap();
        claims::for_sign_in(
            &signed_in,
            &self.user,
            &self.domains,
            asked,
            party,
            "_session".to_owned(),
            &self.sealing,
        )
    }
}

/// A store with nothing in it: every step is free.
struct Steps;

impl ConsumeStep for Steps {
    type Error = Infallible;

    async fn consume_step(
        &mut self,
        _: &CredentialId,
        _: i64,
        _: i64,
    ) -> Result<StepUse, Infallible> {
        Ok(StepUse::Consumed)
    }
}

/// A new RSA-2048 key.
pub fn new_key() -> NewKey {
    generate(
        RsaSize::Bits2048,
        "contoso",
        NOW,
        CERTIFICATE_LIFETIME,
        &mut SystemRandom,
    )
    .unwrap()
}

/// `new` loaded for assertions.
pub fn assertion_key(new: &NewKey) -> Arc<SigningKey> {
    Arc::new(
        load(
            KeyId::random(&mut SystemRandom),
            KeyPurpose::Assertion,
            &new.pkcs8,
            new.certificate.clone(),
            NOW,
        )
        .unwrap(),
    )
}

/// Entra's global cloud, with no request certificates.
pub fn entra() -> RelyingParty {
    EntraCloud::global().relying_party(Vec::new())
}
