//! All checks of the doctor, with the words that `explain` has for them.

use serde::Serialize;

/// What a check is about; findings are shown in this order.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Group {
    /// `claimbridge.toml` and the environment.
    Configuration,
    /// Files and who may do what with them.
    Files,
    /// The database and the master key.
    Database,
    /// Signing keys and their certificates.
    Keys,
    /// The clock.
    Clock,
    /// TLS.
    Tls,
    /// The public address, and what stands before it.
    Address,
    /// What Entra publishes and says of our domains.
    Entra,
    /// The tenant, read with the application of `[graph]`.
    Tenant,
}

impl Group {
    /// All, in their order.
    pub const ALL: [Self; 9] = [
        Self::Configuration,
        Self::Files,
        Self::Database,
        Self::Keys,
        Self::Clock,
        Self::Tls,
        Self::Address,
        Self::Entra,
        Self::Tenant,
    ];

    /// The word for people and programs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Configuration => "configuration",
            Self::Files => "files",
            Self::Database => "database",
            Self::Keys => "keys",
            Self::Clock => "clock",
            Self::Tls => "tls",
            Self::Address => "address",
            Self::Entra => "entra",
            Self::Tenant => "tenant",
        }
    }
}

/// One check.
#[derive(Debug, Eq, PartialEq)]
pub struct Check {
    /// `CB-DOC-010`: stable.
    pub id: &'static str,
    /// What it is about.
    pub group: Group,
    /// What is looked at.
    pub title: &'static str,
    /// Why it matters, for the operator.
    pub why: &'static str,
}

macro_rules! checks {
    ($($name:ident = $id:literal, $group:ident, $title:literal, $why:literal;)*) => {
        $(
            #[doc = $title]
            pub static $name: Check = Check { id: $id, group: Group::$group, title: $title, why: $why };
        )*

        /// All of them.
        pub static ALL: &[&Check] = &[$(&$name),*];
    };
}

checks! {
    CONFIGURATION = "CB-DOC-001", Configuration, "the configuration is good",
        "`serve` does not start with a configuration that is not good; `claimbridge check` says the same.";
    TENANT_NAMES = "CB-DOC-002", Configuration, "each tenant of External MFA names its own people",
        "Where several tenants ask, an account is somebody's here by its name only in a domain that its tenant was given: else one tenant's administrator could call an account as another's people are called. A tenant without domains names nobody; each of its accounts has to be linked by hand.";
    SECRET_FILE = "CB-DOC-010", Files, "nobody else reads what is secret",
        "Who reads the master key and the database can sign in as anybody; who reads the TLS key can stand in for this server.";
    FILE_OWNER = "CB-DOC-011", Files, "nobody else changes what the server believes",
        "Who can change the configuration, a certificate or a folder that holds them decides what this server does.";
    DATABASE = "CB-DOC-020", Database, "the database answers",
        "Without it nobody signs in.";
    SCHEMA = "CB-DOC-021", Database, "the database has this version's schema",
        "`serve` refuses to start on migrations that are missing or that it does not know.";
    JOURNAL = "CB-DOC-022", Database, "SQLite keeps a write-ahead log",
        "Without it every reader waits for every writer, and a sign-in may time out.";
    FILE_SYSTEM = "CB-DOC-023", Database, "SQLite lies on a disk of this machine",
        "Locks over a network do not hold; two processes then write at once and the database breaks. Use PostgreSQL for several machines.";
    FREE_SPACE = "CB-DOC-024", Database, "there is room to write",
        "A sign-in writes: used codes, sessions, the audit log. On a full disk nobody signs in.";
    SERVER_VERSION = "CB-DOC-025", Database, "PostgreSQL is of a version that is looked after",
        "A version that its makers gave up gets no repairs.";
    DATABASE_TLS = "CB-DOC-026", Database, "the way to the database is encrypted",
        "Names, sealed secrets and the password of the database go over that wire.";
    MASTER_KEY = "CB-DOC-027", Database, "the master key fits the database",
        "With another key nothing that is sealed opens. A lost master key cannot be made anew.";
    SIGNING_CERTIFICATE = "CB-DOC-030", Keys, "the signing certificates last",
        "A key is exchanged in steps that take days (`claimbridge keys stage`). Entra does not read our metadata: without the steps it refuses every sign-in with AADSTS5000811.";
    KEY_ROW = "CB-DOC-031", Keys, "no signing key was altered in the database",
        "A key that somebody else put there, or brought back, would sign in anybody. Each row carries a tag under the master key; what does not fit is not used.";
    KEYS_THERE = "CB-DOC-032", Keys, "the signing keys are all there",
        "Where a key is missing, or rows of an older copy were put back, nothing is signed: a key that was taken away for good reason might sign again. docs/keys.md, “Missing or altered keys”.";
    CLOCK = "CB-DOC-040", Clock, "the clock is right",
        "Assertions are good from one minute to another: a clock that is wrong makes Entra refuse them (AADSTS50008), and one-time codes stop being right. Let a time service (chrony, systemd-timesyncd) set it.";
    TLS_FILE = "CB-DOC-050", Tls, "the certificate in the files of [tls] is good",
        "It is what browsers see when this server speaks TLS itself. A renewed file is taken up by itself.";
    TLS_SEEN = "CB-DOC-051", Tls, "the certificate that the world sees is good",
        "Where it is not trusted, not for this name or expired, browsers stop before the sign-in page.";
    PLAIN_HTTP = "CB-DOC-052", Tls, "whoever comes by http is led to https",
        "A page that answers by http can be altered on its way, and a password typed there is read.";
    REACHABLE = "CB-DOC-060", Address, "public_url leads to this server",
        "Entra sends people's browsers there. The doctor puts a question that only a server with this master key can answer.";
    FORWARDED = "CB-DOC-061", Address, "the server sees the address of the browser",
        "Wrong guesses are counted by source address. Where every address is the proxy's, one guesser makes everybody wait; where a stranger's header is believed, no guesser waits.";
    LONG_ADDRESS = "CB-DOC-062", Address, "long addresses pass",
        "A sign-in request and its state (SAMLRequest, RelayState, wctx) can have 8 KiB in the address. A proxy with smaller buffers answers 400 or 414 to some people and not to others.";
    METADATA = "CB-DOC-063", Address, "our metadata says what it should",
        "Parties that read it believe the certificates and addresses that stand there.";
    EXTERNAL_MFA = "CB-DOC-064", Address, "Entra can read what it wants of External MFA",
        "Entra reads discovery document and keys at the public address and keeps them for 24 hours: a proxy that alters, compresses or redirects them stops every second factor (AADSTS50166, AADSTS50012). `claimbridge external-mfa verify` says the same, and looks at the tenants.";
    SP_METADATA = "CB-DOC-070", Entra, "Microsoft's metadata is as it is loaded",
        "Microsoft exchanges the keys that sign its requests without notice. A key that is not loaded makes signed requests fail.";
    REALM = "CB-DOC-071", Entra, "Entra sends people of the domain here",
        "What Entra tells a browser that types a name of the domain, asked without any credential (getuserrealm.srf).";
    TENANT = "CB-DOC-080", Tenant, "the tenant can be read",
        "With an application that may read, doctor and `serve` see whether somebody changed the federation.";
    TENANT_WRITE = "CB-DOC-081", Tenant, "the watching application can write nothing",
        "Its secret lies on this server. One that can write would turn a stolen server into a stolen tenant.";
    DRIFT = "CB-DOC-082", Tenant, "the tenant's federation is as it should be",
        "A changed federation is the best-known backdoor into a tenant: another certificate, another issuer, one more federated domain.";
}

/// The check of that id.
pub fn by_id(id: &str) -> Option<&'static Check> {
    ALL.iter().copied().find(|check| check.id == id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_ordered_and_each_once() {
        for pair in ALL.windows(2) {
            assert!(
                (pair[0].group, pair[0].id) < (pair[1].group, pair[1].id),
                "{} {}",
                pair[0].id,
                pair[1].id
            );
        }
        assert_eq!(by_id("CB-DOC-040"), Some(&CLOCK));
        assert_eq!(by_id("CB-DOC-999"), None);
    }
}
