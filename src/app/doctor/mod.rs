//! The doctor: looks at the world around the server and says what is to be mended.
//!
//! Always true: looking ([`look`]) is apart from judging (the other files: what was seen in,
//! findings out, no I/O); nothing is changed anywhere; what leaves goes through
//! [`crate::outbound::guard`]; no secret stands in a finding; every check that is not good says
//! what to do; what could not be looked at is said, never taken for good.
//!
//! Read next: [`catalogue`], all checks with their ids; [`look`].

/// The server's own address, as the world sees it.
pub mod address;
/// All checks with their ids.
pub mod catalogue;
/// Certificates: of TLS, and of the signing keys.
pub mod certificates;
/// The clock.
pub mod clock;
/// The database.
pub mod database;
/// What Entra publishes and says of our domains.
pub mod entra;
/// Files and who may do what with them.
pub mod files;
/// Asking the world.
pub mod look;
/// A question that only this installation can answer.
pub mod probe;

use serde::Serialize;

pub use catalogue::{Check, Group};

/// How a check ended, from good to bad.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// As it should be.
    Good,
    /// Good to know; nothing is to be mended.
    Note,
    /// It could not be looked at.
    Unseen,
    /// To be mended soon.
    Warning,
    /// To be mended now.
    Problem,
}

impl Outcome {
    /// The word for people and programs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Note => "note",
            Self::Unseen => "unseen",
            Self::Warning => "warning",
            Self::Problem => "problem",
        }
    }
}

/// What one check says of one thing.
#[derive(Clone, Debug)]
pub struct Finding {
    /// Which check.
    pub check: &'static Check,
    /// How it ended.
    pub outcome: Outcome,
    /// About what: a file, a domain, a host, a certificate.
    pub about: String,
    /// What was seen, in one sentence.
    pub sentence: String,
    /// What to do; empty where there is nothing to do.
    pub remedy: String,
}

impl Check {
    fn finding(
        &'static self,
        outcome: Outcome,
        about: impl Into<String>,
        sentence: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Finding {
        Finding {
            check: self,
            outcome,
            about: about.into(),
            sentence: sentence.into(),
            remedy: remedy.into(),
        }
    }

    /// It is as it should be.
    pub fn good(&'static self, about: impl Into<String>, sentence: impl Into<String>) -> Finding {
        self.finding(Outcome::Good, about, sentence, "")
    }

    /// It is good to know.
    pub fn note(
        &'static self,
        about: impl Into<String>,
        sentence: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Finding {
        self.finding(Outcome::Note, about, sentence, remedy)
    }

    /// It is to be mended soon.
    pub fn warning(
        &'static self,
        about: impl Into<String>,
        sentence: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Finding {
        self.finding(Outcome::Warning, about, sentence, remedy)
    }

    /// It is to be mended now.
    pub fn problem(
        &'static self,
        about: impl Into<String>,
        sentence: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Finding {
        self.finding(Outcome::Problem, about, sentence, remedy)
    }

    /// It could not be looked at.
    pub fn unseen(
        &'static self,
        about: impl Into<String>,
        sentence: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Finding {
        self.finding(Outcome::Unseen, about, sentence, remedy)
    }
}

/// What the doctor says, in the order of [`Group`].
#[derive(Clone, Debug, Default)]
pub struct Report {
    findings: Vec<Finding>,
}

impl Report {
    /// A report of these findings.
    pub fn of(mut findings: Vec<Finding>) -> Self {
        findings.sort_by_key(|finding| (finding.check.group, finding.check.id));
        Self { findings }
    }

    /// Adds one more.
    pub fn add(&mut self, finding: Finding) {
        self.findings.push(finding);
        self.findings
            .sort_by_key(|finding| (finding.check.group, finding.check.id));
    }

    /// All findings, the good ones too.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// The worst of all; something to mend counts more than something unseen.
    pub fn worst(&self) -> Outcome {
        let outcomes = self.findings.iter().map(|finding| finding.outcome);
        outcomes.max().unwrap_or(Outcome::Good)
    }

    /// The findings of a group.
    pub fn of_group(&self, group: Group) -> impl Iterator<Item = &Finding> {
        self.findings
            .iter()
            .filter(move |finding| finding.check.group == group)
    }
}
