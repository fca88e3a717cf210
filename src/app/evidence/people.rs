//! Coverage: who can sign in with what, and who last did.

use serde::Serialize;

use super::{
    super::user_view::{MethodStanding, PasswordState, UserView},
    issuance::{Tally, basis},
    names::Names,
};
use crate::{
    audit::Receipt,
    base::{aaguid::Aaguid, clock::Timestamp, text::harmless_cell},
    directory::{GroupName, MethodKind},
};

/// One person, as `coverage.json` has it.
#[derive(Debug, Serialize)]
pub(super) struct Person {
    /// The user principal name, or a pseudonym.
    pub person: String,
    /// The display name; none in a bundle with pseudonyms.
    pub name: Option<String>,
    pub domain: String,
    pub status: Status,
    /// Whether the person can sign in with two factors.
    pub covered: bool,
    pub password: PasswordState,
    pub methods: Vec<Method>,
    /// How many methods count, and how many the policy wants.
    pub counting_methods: usize,
    pub wanted_methods: u32,
    pub groups: Vec<GroupName>,
    /// Until when an access pass, which opens enrolment and nothing else, may be used.
    pub access_pass_until: Option<Timestamp>,
    pub recovery_codes: i64,
    /// The last answer of any time.
    pub last_with_mfa: Option<Answer>,
    /// The last of the period, or the last of any time if that is one.
    pub last_without_mfa: Option<Timestamp>,
    /// Of the period.
    pub answers: u64,
    pub answers_without_mfa: u64,
}

/// Whether somebody may sign in at all.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Status {
    Active,
    Disabled,
}

/// One method. What the person calls it stays out: people write names there.
#[derive(Debug, Serialize)]
pub(super) struct Method {
    pub kind: MethodKind,
    pub standing: MethodStanding,
    pub since: Option<Timestamp>,
    pub last_used_at: Option<Timestamp>,
    /// A security key's model, and how far it was proved.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<Aaguid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attestation: Option<&'static str>,
}

/// One answer, as the ledger has it.
#[derive(Debug, Serialize)]
pub(super) struct Answer {
    pub at: Timestamp,
    /// What it rested on.
    pub proofs: String,
    pub relying_party: String,
    /// The key that signed it.
    pub key: String,
    /// SHA-256 over the bytes that left.
    pub sha256: String,
}

impl Answer {
    fn of(receipt: &Receipt) -> Self {
        Self {
            at: Timestamp::from_millis(receipt.issued_at_millis),
            proofs: basis(receipt).how,
            relying_party: receipt.relying_party.clone(),
            key: receipt.key.to_string(),
            sha256: receipt.sha256.clone(),
        }
    }
}

impl Person {
    pub fn new(view: &UserView, tally: &Tally, names: &Names<'_>) -> Self {
        let user = &view.user;
        let (person, name) = names.person(user);
        let last = view.last_mfa.as_ref();
        let (with, without) = match last {
            Some(receipt) if basis(receipt).is_mfa => (Some(Answer::of(receipt)), None),
            Some(receipt) => (
                tally.last_with.as_ref().map(Answer::of),
                Some(Timestamp::from_millis(receipt.issued_at_millis)),
            ),
            None => (None, None),
        };
        Self {
            person,
            name,
            domain: user.upn.domain().to_string(),
            status: if user.disabled_at.is_some() {
                Status::Disabled
            } else {
                Status::Active
            },
            covered: view.is_covered(),
            password: view.password,
            methods: view
                .methods
                .iter()
                .map(|method| Method {
                    kind: method.kind,
                    standing: method.standing,
                    since: method.confirmed_at,
                    last_used_at: method.last_used_at,
                    model: method.model.as_ref().map(|(model, _)| *model),
                    attestation: method.model.as_ref().map(|(_, state)| state.as_str()),
                })
                .collect(),
            counting_methods: view.counting(),
            wanted_methods: view.policy.minimum(),
            groups: view.groups.clone(),
            access_pass_until: view.live_pass.as_ref().map(|pass| pass.expires_at),
            recovery_codes: view.recovery_codes,
            last_with_mfa: with,
            last_without_mfa: tally.last_without.or(without),
            answers: tally.answers,
            answers_without_mfa: tally.without,
        }
    }

    pub fn is_disabled(&self) -> bool {
        self.status == Status::Disabled
    }

    pub fn password_in_words(&self) -> &'static str {
        match self.password {
            PasswordState::None => "none",
            PasswordState::Set => "set",
            PasswordState::Dead => "dead",
        }
    }

    /// How many methods of a kind count.
    pub fn counting(&self, kind: MethodKind) -> usize {
        let counts =
            |method: &&Method| method.kind == kind && method.standing == MethodStanding::Counts;
        self.methods.iter().filter(counts).count()
    }

    /// The methods that count, in words.
    pub fn methods_in_words(&self) -> String {
        let words: Vec<String> = MethodKind::ALL
            .into_iter()
            .filter_map(|kind| match (self.counting(kind), in_words(kind)) {
                (0, _) => None,
                (1, (one, _)) => Some(one.to_owned()),
                (count, (_, many)) => Some(format!("{count} {many}")),
            })
            .collect();
        if words.is_empty() {
            "none".to_owned()
        } else {
            words.join(", ")
        }
    }
}

fn in_words(kind: MethodKind) -> (&'static str, &'static str) {
    match kind {
        MethodKind::Totp => ("code generator", "code generators"),
        MethodKind::OathToken => ("hardware token", "hardware tokens"),
        MethodKind::SecurityKey => ("security key", "security keys"),
    }
}

/// `coverage.csv`.
pub(super) fn csv(people: &[Person]) -> Result<Vec<u8>, csv::Error> {
    let mut csv = csv::Writer::from_writer(Vec::new());
    csv.write_record([
        "person",
        "name",
        "domain",
        "status",
        "covered",
        "password",
        "totp",
        "oath_token",
        "security_key",
        "last_with_mfa",
        "last_proofs",
        "last_relying_party",
        "last_sha256",
        "last_without_mfa",
        "answers",
        "answers_without_mfa",
    ])?;
    for person in people {
        let last = person.last_with_mfa.as_ref();
        let cell = |text: &str| harmless_cell(text);
        csv.write_record([
            cell(&person.person),
            cell(person.name.as_deref().unwrap_or_default()),
            cell(&person.domain),
            match person.status {
                Status::Active => "active".to_owned(),
                Status::Disabled => "disabled".to_owned(),
            },
            if person.covered { "yes" } else { "no" }.to_owned(),
            person.password_in_words().to_owned(),
            person.counting(MethodKind::Totp).to_string(),
            person.counting(MethodKind::OathToken).to_string(),
            person.counting(MethodKind::SecurityKey).to_string(),
            last.map(|answer| answer.at.to_rfc3339())
                .unwrap_or_default(),
            last.map(|answer| answer.proofs.clone()).unwrap_or_default(),
            cell(last.map_or("", |answer| &answer.relying_party)),
            last.map(|answer| answer.sha256.clone()).unwrap_or_default(),
            person
                .last_without_mfa
                .map(Timestamp::to_rfc3339)
                .unwrap_or_default(),
            person.answers.to_string(),
            person.answers_without_mfa.to_string(),
        ])?;
    }
    csv.into_inner()
        .map_err(|error| csv::Error::from(error.into_error()))
}
