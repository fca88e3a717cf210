//! A person for tests of signing in. Proofs come the real way, by right passwords and
//! right codes, and outside the file that makes `SignedIn`: a test has no other door.

use std::{convert::Infallible, future::Future as _, time::Duration};

use crate::{
    base::{
        clock::Timestamp,
        ids::{CredentialId, UserId},
        random::SystemRandom,
        secret::Secret,
    },
    directory::{
        ExternalAccount, ImmutableId, LinkedBy, PasswordCredential, TotpCredential, TotpParameters,
        User, identity_tag,
    },
    factor::{
        evidence::{self, Binding, EvidenceRecord},
        password::{self, HashCost},
        totp::{self, ConsumeStep, StepUse},
    },
    keys::sealing::{MasterKey, Sealing},
    signin::{
        asked,
        attempt::{self, Attempt, tests::NOW},
        complete::{FormerSession, Holder, NotSignedIn, SignedIn, complete},
        request::{Protocol, SignInRequest},
        second_factor::{self, Acr, Membership, SecondFactorDone, SecondFactorRequest},
    },
};

const AGE: Duration = Duration::from_mins(15);
const SECRET: &[u8] = b"12345678901234567890";

/// Takes every step: each test uses a code once.
struct Takes;

impl ConsumeStep for Takes {
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

/// A person with a password and a desktop program.
pub(crate) struct Someone {
    pub(crate) sealing: Sealing,
    pub(crate) user: User,
    password: PasswordCredential,
    totp: TotpCredential,
}

impl Someone {
    pub(crate) fn new(upn: &str, sealing: Sealing) -> Self {
        let random = &mut SystemRandom;
        let (id, upn) = (UserId::random(random), upn.parse().unwrap());
        let immutable_id = Some(ImmutableId::random(random));
        let tag = identity_tag(&sealing, &id, &upn, immutable_id.as_ref());
        let user = User {
            id: id.clone(),
            upn,
            display_name: "Agent One".to_owned(),
            immutable_id,
            disabled_at: None,
            created_at: NOW,
            identity_tag: tag,
        };
        let credential = CredentialId::random(random);
        let phc = password::hash(
            &Secret::new("correct horse".to_owned()),
            HashCost::FLOOR,
            random,
        )
        .unwrap();
        let tag = PasswordCredential::make_tag(&sealing, &credential, &id, &phc);
        let password = PasswordCredential {
            id: credential,
            user: id.clone(),
            phc,
            set_at: NOW,
            dead_at: None,
            tag,
        };
        let credential = CredentialId::random(random);
        let sealed_secret = sealing.seal(
            &TotpCredential::secret_place(&credential, &id),
            SECRET,
            random,
        );
        let parameters = TotpParameters::default();
        let tag = TotpCredential::make_tag(&sealing, &credential, &id, parameters, &sealed_secret);
        let totp = TotpCredential {
            id: credential,
            user: id,
            name: "desk".to_owned(),
            parameters,
            sealed_secret,
            drift_steps: 0,
            last_step: None,
            confirmed_at: Some(NOW),
            revoked_at: None,
            created_at: NOW,
            tag,
        };
        Self {
            sealing,
            user,
            password,
            totp,
        }
    }

    pub(crate) fn attempt(&self) -> Attempt {
        Attempt {
            user: Some(self.user.id.clone()),
            ..attempt::tests::attempt()
        }
    }

    pub(crate) fn password_record(&self, attempt: &Attempt, at: Timestamp) -> EvidenceRecord {
        let password = Secret::new("correct horse".to_owned());
        let (proof, _) = password::verify(
            &password,
            Some(&self.password),
            &attempt.id,
            HashCost::FLOOR,
            &self.sealing,
            at,
        )
        .unwrap();
        evidence::seal(
            proof,
            Binding {
                attempt: &attempt.id,
                browser: &attempt.browser,
            },
            &self.sealing,
        )
        .unwrap()
    }

    pub(crate) fn totp_record(&self, attempt: &Attempt, at: Timestamp) -> EvidenceRecord {
        let code = totp::code_at(SECRET, TotpParameters::default(), at).unwrap();
        let mut future = std::pin::pin!(async {
            totp::verify(
                &code,
                std::slice::from_ref(&self.totp),
                1,
                &attempt.id,
                &self.sealing,
                at,
                &mut Takes,
            )
            .await
        });
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        let std::task::Poll::Ready(Ok(proof)) = future.as_mut().poll(&mut context) else {
            panic!("the code is right");
        };
        evidence::seal(
            proof,
            Binding {
                attempt: &attempt.id,
                browser: &attempt.browser,
            },
            &self.sealing,
        )
        .unwrap()
    }

    pub(crate) fn live(&self) -> Vec<CredentialId> {
        vec![self.password.id.clone(), self.totp.id.clone()]
    }

    pub(crate) fn complete(
        &self,
        attempt: &Attempt,
        records: &[EvidenceRecord],
        now: Timestamp,
    ) -> Result<SignedIn, NotSignedIn> {
        self.complete_with(attempt, records, None, now)
    }

    pub(crate) fn complete_with(
        &self,
        attempt: &Attempt,
        records: &[EvidenceRecord],
        former: Option<FormerSession<'_>>,
        now: Timestamp,
    ) -> Result<SignedIn, NotSignedIn> {
        let live = self.live();
        complete(
            attempt,
            records,
            former,
            Holder {
                user: &self.user,
                live_credentials: &live,
            },
            &self.sealing,
            now,
            AGE,
        )
    }

    /// An attempt of the External MFA door.
    pub(crate) fn second_factor_attempt(&self, asked: &SecondFactorRequest) -> Attempt {
        let attempt = self.attempt();
        Attempt {
            request: SignInRequest {
                protocol: Protocol::ExternalMfa,
                second_factor: Some(asked.seal(attempt.binding(), &self.sealing).unwrap()),
                ..attempt.request.clone()
            },
            ..attempt
        }
    }

    /// Who this is for Entra in `asked`.
    pub(crate) fn link(&self, asked: &SecondFactorRequest) -> ExternalAccount {
        ExternalAccount::new(
            &self.sealing,
            (asked.tenant, asked.object_id),
            self.user.id.clone(),
            NOW,
            LinkedBy::Proof,
        )
    }

    /// A right code at that door.
    pub(crate) fn second_factor_done(&self, asked: &SecondFactorRequest) -> SecondFactorDone {
        let attempt = self.second_factor_attempt(asked);
        let records = [self.totp_record(&attempt, NOW)];
        let live = self.live();
        let holder = Holder {
            user: &self.user,
            live_credentials: &live,
        };
        let link = self.link(asked);
        second_factor::complete(&attempt, &records, &link, holder, &self.sealing, NOW, AGE).unwrap()
    }

    pub(crate) fn signed_in(&self) -> (Attempt, SignedIn) {
        let attempt = self.attempt();
        let records = [
            self.password_record(&attempt, NOW),
            self.totp_record(&attempt, NOW.plus(Duration::from_secs(9))),
        ];
        let signed_in = self
            .complete(&attempt, &records, NOW.plus(Duration::from_secs(9)))
            .unwrap();
        (attempt, signed_in)
    }
}

pub(crate) fn sealing() -> Sealing {
    Sealing::new(&MasterKey::random(&mut SystemRandom))
}

/// What Entra asks at the door of External MFA.
pub(crate) fn second_factor_request() -> SecondFactorRequest {
    SecondFactorRequest {
        tenant: "748b2d72-706b-42f8-8b25-82fd8733860f".parse().unwrap(),
        object_id: "11111111-2222-3333-4444-555555555555".parse().unwrap(),
        subject: "pairwise-subject".to_owned(),
        client_id: "client-of-contoso".to_owned(),
        nonce: "n-1".to_owned(),
        state: Some("s-1".to_owned()),
        reply_url: "https://login.microsoftonline.com/common/federation/externalauthprovider"
            .to_owned(),
        acr: vec![Acr::PossessionOrInherence],
        amr: ["fido", "hwk", "otp"].map(str::to_owned).to_vec(),
        first_amr: Vec::new(),
        shown_name: Some("agent1@contoso.com".to_owned()),
        membership: Membership::Member,
        asked_at_millis: NOW.as_millis(),
        client_request_id: None,
    }
}

/// An attempt in which `asked` is sealed.
pub(crate) fn attempt_asking(asked: &SecondFactorRequest, sealing: &Sealing) -> Attempt {
    let mut attempt = attempt::tests::attempt();
    attempt.expires_at = NOW.plus(asked::LIFETIME);
    attempt.request = SignInRequest {
        protocol: Protocol::ExternalMfa,
        relying_party: asked::party_of_tenant(asked.tenant),
        reply_url: asked.reply_url.clone(),
        second_factor: Some(asked.seal(attempt.binding(), sealing).unwrap()),
        ..attempt.request
    };
    attempt
}
