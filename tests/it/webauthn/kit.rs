//! A person with a key, and the way of a ceremony without a store.

use std::{convert::Infallible, future::Future, time::Duration};

use claimbridge::{
    base::{
        browser::{CookieToken, TokenHash},
        clock::Timestamp,
        ids::{AttemptId, CredentialId, UserId},
        random::SystemRandom,
    },
    directory::{AttestationState, SecurityKey, User, identity_tag},
    factor::{
        FactorKind, Proof as _,
        evidence::Binding,
        webauthn::{
            Ceremony, Demand, KeyRefused, Purpose, Scope,
            assertion::{self, AssertionRefused, CountUse, KeyUse, Rules, UseOutcome},
            ceremony::{Asked, Asking},
            policy::{Backup, PolicyRefusal, UserVerified, WebAuthnPolicy},
            registration::{self, NewKey},
            response::{UnverifiedAssertion, UnverifiedRegistration},
        },
    },
    keys::sealing::{MasterKey, Sealing},
};
use serde_json::Value as Json;

use crate::soft_key::{Assertion, Registration, SoftKey};

pub const ORIGIN: &str = "https://idp.contoso.com";
pub const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

pub struct Kit {
    pub sealing: Sealing,
    pub scope: Scope,
    pub user: User,
    pub policy: WebAuthnPolicy,
    pub attempt: AttemptId,
    pub browser: TokenHash,
}

impl Kit {
    pub fn new() -> Self {
        let random = &mut SystemRandom;
        let sealing = Sealing::new(&MasterKey::random(random));
        Self {
            scope: Scope::new(ORIGIN, "Contoso").unwrap(),
            user: person("agent1@contoso.com", &sealing),
            policy: WebAuthnPolicy::default(),
            attempt: AttemptId::random(random),
            browser: CookieToken::random(random).hash(),
            sealing,
        }
    }

    pub fn binding(&self) -> Binding<'_> {
        Binding {
            attempt: &self.attempt,
            browser: &self.browser,
        }
    }

    fn asking(&self, purpose: Purpose) -> Asking<'_> {
        Asking {
            scope: &self.scope,
            binding: self.binding(),
            demand: Demand::of(&self.policy, purpose),
            sealing: &self.sealing,
            now: NOW,
        }
    }

    pub fn asks_registration(&self) -> Asked {
        self.asking(Purpose::Register)
            .registration(&self.user, &[], &mut SystemRandom)
            .unwrap()
    }

    pub fn asks(&self, purpose: Purpose, keys: &[SecurityKey]) -> Asked {
        let asking = self.asking(purpose);
        match purpose {
            Purpose::Passwordless => asking.passwordless(&mut SystemRandom),
            _ => asking.second_factor(&self.user.id, keys, &mut SystemRandom),
        }
        .unwrap()
    }

    pub fn registers(&self, ceremony: Ceremony, json: &str) -> Result<NewKey, KeyRefused> {
        let answer = UnverifiedRegistration::parse(json)?;
        let open = ceremony.open(
            self.binding(),
            Purpose::Register,
            Some(&self.user.id),
            &self.sealing,
            NOW,
        )?;
        registration::verify(&answer, open, &self.scope)
    }

    /// A registration that differs from a good one by what `change` does.
    pub fn registration(
        &self,
        key: &mut SoftKey,
        change: impl FnOnce(&mut Registration),
    ) -> Result<NewKey, KeyRefused> {
        let asked = self.asks_registration();
        let mut answer = key.registration(&parsed(&asked.options), ORIGIN);
        change(&mut answer);
        self.registers(asked.ceremony, &key.finish_registration(&answer))
    }

    /// A key of the person, as stored.
    pub fn stored(&self, key: &mut SoftKey) -> SecurityKey {
        let new = self.registration(key, |_| ()).unwrap();
        self.row(new, &self.user.id)
    }

    pub fn row(&self, new: NewKey, user: &UserId) -> SecurityKey {
        let mut row = SecurityKey {
            id: CredentialId::random(&mut SystemRandom),
            user: user.clone(),
            name: "blue key".to_owned(),
            credential_id: new.credential_id,
            passkey: new.passkey,
            aaguid: new.aaguid,
            algorithm: new.algorithm,
            backup_eligible: new.backup == Backup::Eligible,
            user_verified: new.user_verified == UserVerified::Yes,
            attestation: AttestationState::SelfAttested,
            attestation_key: None,
            transports: new.transports,
            discoverable: new.discoverable,
            counter: new.counter,
            backed_up: new.backed_up,
            created_at: NOW,
            last_used_at: None,
            revoked_at: None,
            tag: String::new(),
        };
        row.tag = row.make_tag(&self.sealing);
        row
    }

    pub fn signs(
        &self,
        ceremony: Ceremony,
        purpose: Purpose,
        json: &str,
        row: &SecurityKey,
    ) -> Result<FactorKind, Refused> {
        let answer = UnverifiedAssertion::parse(json).map_err(Refused::Key)?;
        let user = (purpose == Purpose::SecondFactor).then_some(&self.user.id);
        let open = ceremony
            .open(self.binding(), purpose, user, &self.sealing, NOW)
            .map_err(Refused::Key)?;
        let rules = Rules {
            scope: &self.scope,
            policy: &self.policy,
            metadata: None,
        };
        let mut counts = Uses {
            counter: row.counter,
        };
        let verified = at_once(assertion::verify(
            &answer,
            open,
            row,
            rules,
            &self.sealing,
            NOW,
            &mut counts,
        ));
        match verified {
            Ok(proof) => {
                let facts = proof.facts();
                assert_eq!(
                    (facts.user, facts.credential, facts.attempt, facts.at),
                    (&row.user, &row.id, &self.attempt, NOW)
                );
                Ok(facts.kind)
            }
            Err(AssertionRefused::Refused(refused)) => Err(Refused::Key(refused)),
            Err(AssertionRefused::Policy(refused)) => Err(Refused::Policy(refused)),
            Err(AssertionRefused::Store(never)) => match never {},
        }
    }

    /// A sign-in that differs from a good one by what `change` does.
    pub fn assertion(
        &self,
        purpose: Purpose,
        key: &mut SoftKey,
        row: &SecurityKey,
        change: impl FnOnce(&mut Assertion),
    ) -> Result<FactorKind, Refused> {
        let asked = self.asks(purpose, std::slice::from_ref(row));
        let mut answer = key.assertion(&parsed(&asked.options), ORIGIN);
        change(&mut answer);
        self.signs(asked.ceremony, purpose, &key.finish_assertion(&answer), row)
    }
}

#[derive(Debug, Eq, PartialEq)]
pub enum Refused {
    Key(KeyRefused),
    Policy(PolicyRefusal),
}

/// Counts as the store does.
struct Uses {
    counter: u32,
}

impl CountUse for Uses {
    type Error = Infallible;

    async fn count_use(
        &mut self,
        _: &CredentialId,
        used: KeyUse,
    ) -> Result<UseOutcome, Infallible> {
        let on = self.counter < used.counter || (self.counter, used.counter) == (0, 0);
        Ok(if on {
            UseOutcome::Counted
        } else {
            UseOutcome::WentBack
        })
    }
}

pub fn person(upn: &str, sealing: &Sealing) -> User {
    let (id, upn) = (UserId::random(&mut SystemRandom), upn.parse().unwrap());
    User {
        identity_tag: identity_tag(sealing, &id, &upn, None),
        id,
        upn,
        display_name: "Agent One".to_owned(),
        immutable_id: None,
        disabled_at: None,
        created_at: NOW,
    }
}

pub fn parsed(options: &str) -> Json {
    serde_json::from_str(options).unwrap()
}

/// The result of something that waits for nothing.
pub fn at_once<T>(future: impl Future<Output = T>) -> T {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match std::pin::pin!(future).poll(&mut context) {
        std::task::Poll::Ready(value) => value,
        std::task::Poll::Pending => panic!("it waits"),
    }
}

pub const MILLI: Duration = Duration::from_millis(1);
