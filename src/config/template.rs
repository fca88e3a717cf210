//! The commented file that `init` writes. It names every key; a test holds it to that.

use url::Url;

/// `claimbridge.toml` for a server that people reach at `public_url`, with its database.
pub fn commented(public_url: &Url, database_url: &str) -> String {
    let public_url = public_url.as_str().trim_end_matches('/');
    format!(
        r#"# claimbridge.toml — every key that there is. What stands behind a # is the default.
# Each key is also a variable: [policy] session_idle is CLAIMBRIDGE_POLICY__SESSION_IDLE.
# A variable wins over this file. Relative paths are relative to this file.
# `claimbridge check` says everything that is wrong with it at once.

# What people and Entra call this server: scheme, host and port, no path.
public_url = "{public_url}"

# Where it listens. Put a reverse proxy before it, or fill in [tls].
# listen = "127.0.0.1:8080"

# sqlite://FILE or postgres://user:password@host/name.
# database_url_file names a file that has the address instead.
database_url = "{database_url}"

# The key that everything secret is sealed under: 64 hexadecimal digits in a file
# that only this user can read (or master_key = "…" here, if this file is like that).
# Back it up apart from the database. Without it everything sealed is lost.
master_key_file = "master.key"

# PEM files. They are looked at every minute and on SIGHUP: new ones are used without a restart.
[tls]
# certificate_file = "tls.pem"
# private_key_file = "tls.key"

[entra]
# "global", "us-gov" or "china"; or endpoints of your own:
# cloud = {{ entity_id = "…", reply_url = "https://…/login.srf", metadata_url = "https://…",
#           authority_url = "https://…", graph_url = "https://…" }}
# cloud = "global"
# A copy of Microsoft's metadata of that cloud; needed only for signed requests:
# metadata_file = "federationmetadata.xml"
# require_signed_requests = false
# allow_sha1_in_requests = false
# Sign the response too; the assertion always is:
# sign_response = false

# Domains of your tenant that another provider federates, rightly: `domain drift`, `doctor` and the
# watch then only mention them. Another issuer or another key is told as before. Thumbprints as
# `claimbridge domain drift` shows them (SHA-1), or SHA-256; ask the provider whether they are its own.
# [[entra.known_federation]]
# domain = "…"
# issuer = "http://…/adfs/services/trust"
# certificates = ["…"]

# Domains whose people sign in here. `claimbridge domain add` does the same.
# A sub-domain uses the issuer of its root.
# [[domain]]
# name = "contoso.com"
# issuer = "{public_url}/contoso.com"
# How Entra sends its people here: "saml", or "wsFed" where Windows joins computers (docs/federation.md).
# protocol = "saml"

# Tenants of Entra that ask here for the second factor only (External MFA): docs/external-mfa.md.
# `claimbridge external-mfa add` does the same. client_id is the one that you gave Entra,
# application_id that of the application registration; cloud is that of [entra] unless it says other.
# [[tenant]]
# tenant_id = "…"
# client_id = "…"
# application_id = "…"
# cloud = "…"
# name = "…"
# Whose people it may name. Where several tenants ask here, each needs this, or you link its people.
# domains = ["…"]

[policy]
# Lengths of time are written "90s", "15m", "8h" or "30d".
# session_idle = "1h"
# session_lifetime = "10h"
# Keep people signed in when they close the browser, for session_lifetime at most, and let Entra do so:
# stay_signed_in = false
# How old the proofs may be to answer Entra without asking again (it keeps a session of its own):
# entra_session_max_age = "15m"
# How long one sign-in may take:
# attempt_lifetime = "15m"
# How many 30-second steps before and after now a code is good (0 to 2):
# totp_skew_steps = 1
# Wrong tries that cost nothing; then the waiting time doubles from first to longest.
# One person, over all browsers and servers:
# person_free_tries = 5
# person_first_delay = "30s"
# person_longest_delay = "30m"
# One source address, over all people (one wrong try is forgiven each minute; browsers in which
# the person signed in before are not counted to their address):
# source_free_tries = 60
# source_first_delay = "15s"
# source_longest_delay = "5m"
# Sign-ins that one source address may begin and leave without a person, within attempt_lifetime:
# open_attempts_per_source = 200
# Temporary access passes:
# pass_lifetime = "1h"
# pass_length = 16
# Passwords have 12 to 128 characters and must be hard to guess. If you have a list of leaked
# ones (lines of SHA-1:count ordered by hash, as haveibeenpwned.com gives it), none of them:
# breached_passwords_file = "/var/lib/claimbridge/pwned-passwords-sha1-ordered-by-hash.txt"
# Reverse proxies whose X-Forwarded-For is believed:
# trusted_proxies = ["127.0.0.1"]
# Kinds of methods that people may add and sign in with, and how many they must keep:
# allowed_methods = ["totp", "oath-token", "security-key"]
# minimum_methods = 1
# Shared PCs and no phones: no QR codes, sessions of 5m unused and 1h in all that end with the
# browser, attested keys only (needs mds_file). `check` names what contradicts it:
# clean_desk = false

# Security keys and passkeys. Which models, and whether a key may be synced, is asked when a key
# is added and at each sign-in; attestation only when it is added.
[policy.webauthn]
# "required", or "preferred": a key that did not check PIN or fingerprint needs a password too.
# user_verification = "preferred"
# algorithms = ["ES256", "RS256"]
# "not-asked", "recorded", or "enforced": only keys for which a root in mds_file vouches.
# attestation = "recorded"
# Models by AAGUID: only these, or all but these. It is the key's own word unless attestation is enforced.
# allowed_models = ["…"]
# refused_models = ["…"]
# Keys that are copied to other devices, and keys that name no model (U2F): "allowed" or "refused".
# synced_passkeys = "allowed"
# keys_without_model = "refused"
# The metadata of the FIDO Alliance, downloaded from https://mds3.fidoalliance.org about once a month.
# mds_file = "mds.jwt"
# Certificates that may sign it instead of FIDO's:
# mds_root_file = "mds-root.pem"
# What a model does that FIDO reports as compromised, and what a file does that FIDO has replaced
# since (it stops new keys, never sign-ins): "refuse" or "warn".
# compromised_models = "refuse"
# stale_metadata = "refuse"

# Other rules for a group of people (`claimbridge user group add`). Who is in several may use what
# any of them allows, and must keep the highest minimum. What is left out is as in [policy].
# [[policy.group]]
# name = "…"
# allowed_methods = ["…"]
# minimum_methods = …

[branding]
# name = "claimbridge"
# Whom people ask, on every page:
# support_contact = "the service desk, extension …"

# WS-Trust: programs that cannot show a page (hybrid join, the lock screen of Windows, old clients)
# get a token for a name and a password. It never carries the MFA claim: docs/ws-trust.md.
[trust]
# enabled = false
# "application": only application passwords (`claimbridge user app-password add`, or the account
# page), or "own": the person's own password too.
# password = "application"

[listen_ops]
# /healthz, /readyz and /metrics on an address of their own; /readyz is at no other then:
# address = "127.0.0.1:9090"

# Signing keys in a token (HSM, smart card) by its vendor's PKCS#11 module: docs/keys.md.
[pkcs11]
# module = "/usr/lib/….so"
# token_label = "…"
# … or, if several have one label: token_serial = "…"
# pin_file = "token.pin"

# An application in your tenant that may only read: Domain.Read.All and Policy.Read.All. With it
# `doctor` and `serve` see whether somebody changed the federation. One that can write is refused.
[graph]
# tenant_id = "…"
# client_id = "…"
# client_secret_file = "graph.secret"

[watch]
# How often `serve` looks at the federation:
# every = "60m"
# Whom it tells of a change besides the log: JSON by POST over https, signed with the secret
# (header Claimbridge-Signature: HMAC-SHA256; docs/operations.md says how to check it).
# webhook_url = "https://…"
# webhook_secret_file = "webhook.secret"
"#
    )
}
