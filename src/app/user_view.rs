//! What operators see of people.
//!
//! Whoever adds a kind of method adds it to [`UserView`]: coverage counts what stands there.

use super::{App, Error, groups::kind_of, own_methods::last_used, users::find};
use crate::{
    audit::Receipt,
    base::{
        aaguid::Aaguid,
        clock::Timestamp,
        ids::{CredentialId, UserId},
        text::Upn,
    },
    directory::{
        AccessPass, AttestationState, EffectivePolicy, GroupName, MethodKind, SecurityKey,
        TokenState, TotpCredential, User,
    },
    factor::webauthn::policy::KeyFacts,
    storage::{MfaClaim, ReadTx, StoredEvent},
};

/// A person with everything an operator wants to see.
#[derive(Debug)]
pub struct UserView {
    /// The row.
    pub user: User,
    /// Whether there is a password, and whether it is dead.
    pub password: PasswordState,
    /// Methods that are not revoked, also those that do not count (see [`MethodView::standing`]).
    pub methods: Vec<MethodView>,
    /// The last answer that carried the MFA claim: every one does but a token of WS-Trust.
    pub last_mfa: Option<Receipt>,
    /// The last token of WS-Trust, which never carries it.
    pub last_without_mfa: Option<Receipt>,
    /// A pass that could be used.
    pub live_pass: Option<AccessPass>,
    /// How many recovery codes are left.
    pub recovery_codes: i64,
    /// The groups the person is in.
    pub groups: Vec<GroupName>,
    /// What they ask of the person.
    pub policy: EffectivePolicy,
    /// The last time that something of this person was refused.
    pub last_refusal: Option<StoredEvent>,
}

/// One method of a person.
#[derive(Debug)]
pub struct MethodView {
    /// Its id.
    pub id: CredentialId,
    /// Its kind.
    pub kind: MethodKind,
    /// What the person calls it. Text everywhere.
    pub name: String,
    /// Since when it counts; none if no code confirmed it.
    pub confirmed_at: Option<Timestamp>,
    /// When it was last used.
    pub last_used_at: Option<Timestamp>,
    /// A key's model, as it said, and how far that was proved.
    pub model: Option<(Aaguid, AttestationState)>,
    /// Whether it counts.
    pub standing: MethodStanding,
    /// What it proves.
    pub strength: Strength,
}

/// Whether a method counts.
#[derive(Clone, Copy, Debug, Eq, PartialEq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum MethodStanding {
    /// It does.
    Counts,
    /// No code confirmed it.
    Unconfirmed,
    /// The person's groups do not allow its kind, or the rules for security keys this one.
    NotAllowed,
    /// The row of a hardware token in use was altered outside claimbridge: until it is taken
    /// away, each sign-in of the person is refused with an alarm.
    Altered,
}

/// What a method proves when it is used.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Strength {
    /// Possession: a password is asked too.
    OneFactor,
    /// Possession and the key's own PIN or biometric.
    TwoFactors,
}

impl UserView {
    /// How many methods count.
    pub fn counting(&self) -> usize {
        let counts = |method: &&MethodView| method.standing == MethodStanding::Counts;
        self.methods.iter().filter(counts).count()
    }

    /// Whether the person may sign in and has what a sign-in with two factors needs: a key
    /// that verifies its person, or a password and any method.
    pub fn is_covered(&self) -> bool {
        if self.user.disabled_at.is_some() {
            return false;
        }
        let has_password = matches!(self.password, PasswordState::Set);
        self.methods
            .iter()
            .filter(|method| method.standing == MethodStanding::Counts)
            .any(|method| has_password || method.strength == Strength::TwoFactors)
    }
}

/// What there is of a password.
#[derive(Clone, Copy, Debug, Eq, PartialEq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum PasswordState {
    /// None.
    None,
    /// Usable.
    Set,
    /// Switched off after too many wrong codes.
    Dead,
}

impl App {
    /// One person, with credentials and the last answer.
    pub async fn view_user(&self, upn: &Upn) -> Result<UserView, Error> {
        let mut tx = self.store.read().await?;
        let user = find(&mut tx, upn).await?;
        self.view(&mut tx, user).await
    }

    /// People in the order of their names, `limit` after `after`.
    pub async fn list_users(
        &self,
        after: Option<&Upn>,
        limit: u32,
    ) -> Result<Vec<UserView>, Error> {
        let mut tx = self.store.read().await?;
        let mut views = Vec::new();
        for user in tx.users(after, limit).await? {
            views.push(self.view(&mut tx, user).await?);
        }
        Ok(views)
    }

    pub(super) async fn view(&self, tx: &mut ReadTx<'_>, user: User) -> Result<UserView, Error> {
        let password = match tx.password_of(&user.id).await? {
            None => PasswordState::None,
            Some(password) if password.dead_at.is_some() => PasswordState::Dead,
            Some(_) => PasswordState::Set,
        };
        let last_mfa = tx.last_receipt_of(&user.id, MfaClaim::Made).await?;
        let last_without_mfa = tx.last_receipt_of(&user.id, MfaClaim::None).await?;
        let live_pass = tx.live_pass_of(&user.id, self.now()).await?;
        let recovery_codes = tx.recovery_codes_left(&user.id).await?;
        let groups = tx.groups_of(&user.id).await?;
        let policy = self.settings.methods.for_groups(&groups);
        // An altered row must not hide everybody from operators; sign-ins raise the alarm.
        let mut tokens = tx.oath_tokens_of(&user.id).await?;
        tokens.retain(|token| token.state == TokenState::Active);
        let in_use = tokens.len();
        tokens.retain(|token| token.require_tag(&self.sealing).is_ok());
        let is_altered = tokens.len() < in_use;
        let generators = tx.totp_of(&user.id).await?.into_iter();
        let keys = tx.security_keys_of(&user.id).await?.into_iter();
        let mut methods: Vec<MethodView> = generators
            .map(|totp| code_generator(kind_of(&totp, &tokens), totp, &policy))
            .chain(keys.map(|key| {
                let standing = self.standing_of(&key, &policy);
                security_key(key, standing)
            }))
            .collect();
        if is_altered {
            for method in &mut methods {
                method.standing = MethodStanding::Altered;
            }
        }
        let last_refusal = tx.last_refusal_of(&user.id).await?;
        Ok(UserView {
            user,
            password,
            methods,
            last_mfa,
            last_without_mfa,
            live_pass,
            recovery_codes,
            groups,
            policy,
            last_refusal,
        })
    }

    /// The keys of a person that no sign-in would take now: they do not count to what the
    /// person must keep.
    pub(super) async fn refused_keys(
        &self,
        tx: &mut ReadTx<'_>,
        user: &UserId,
    ) -> Result<Vec<CredentialId>, Error> {
        let policy = self.method_policy_of(tx, user).await?;
        let keys = tx.security_keys_of(user).await?.into_iter();
        Ok(keys
            .filter(|key| self.standing_of(key, &policy) != MethodStanding::Counts)
            .map(|key| key.id)
            .collect())
    }

    /// Whether a key would be taken at a sign-in now, as far as can be known before.
    fn standing_of(&self, key: &SecurityKey, policy: &EffectivePolicy) -> MethodStanding {
        let facts = KeyFacts::expected_of(key);
        let metadata = self.reported_models();
        let taken = self
            .settings
            .webauthn
            .require_use(&facts, metadata.as_deref(), self.now());
        match taken {
            Ok(()) => allowed(MethodKind::SecurityKey, policy),
            Err(_) => MethodStanding::NotAllowed,
        }
    }
}

fn code_generator(kind: MethodKind, totp: TotpCredential, policy: &EffectivePolicy) -> MethodView {
    MethodView {
        last_used_at: last_used(&totp),
        standing: match totp.confirmed_at {
            None => MethodStanding::Unconfirmed,
            Some(_) => allowed(kind, policy),
        },
        id: totp.id,
        kind,
        name: totp.name,
        confirmed_at: totp.confirmed_at,
        model: None,
        strength: Strength::OneFactor,
    }
}

fn security_key(key: SecurityKey, standing: MethodStanding) -> MethodView {
    MethodView {
        standing,
        id: key.id,
        kind: MethodKind::SecurityKey,
        name: key.name,
        confirmed_at: Some(key.created_at),
        last_used_at: key.last_used_at,
        model: Some((key.aaguid, key.attestation)),
        strength: if key.user_verified {
            Strength::TwoFactors
        } else {
            Strength::OneFactor
        },
    }
}

fn allowed(kind: MethodKind, policy: &EffectivePolicy) -> MethodStanding {
    if policy.allows(kind) {
        MethodStanding::Counts
    } else {
        MethodStanding::NotAllowed
    }
}
