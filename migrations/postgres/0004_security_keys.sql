-- Security keys and passkeys (WebAuthn). What the browser said (transports, discoverable)
-- and what changes with use (counter, backed_up, last_used_at) is not under the tag.

CREATE TABLE security_keys (
    id TEXT PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES users (id),
    name TEXT NOT NULL,
    credential_id TEXT NOT NULL UNIQUE,
    passkey TEXT NOT NULL,
    aaguid TEXT NOT NULL,
    algorithm BIGINT NOT NULL,
    backup_eligible BIGINT NOT NULL,
    user_verified BIGINT NOT NULL,
    attestation TEXT NOT NULL,
    attestation_key TEXT,
    transports TEXT NOT NULL,
    discoverable BIGINT,
    counter BIGINT NOT NULL,
    backed_up BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    last_used_at BIGINT,
    revoked_at BIGINT,
    tag TEXT NOT NULL
);
CREATE INDEX security_keys_of_user ON security_keys (user_id);

-- Every credential id ever registered and by whom. Rows are never deleted, and there is no
-- foreign key: an id stays taken whatever becomes of the key and the person.
CREATE TABLE used_credential_ids (
    credential_id TEXT PRIMARY KEY,
    user_id TEXT NOT NULL,
    first_used_at BIGINT NOT NULL
);

-- Questions that wait for a key's answer, one of each purpose in an attempt. The columns are
-- for finding and forgetting; what counts is inside the seal.
CREATE TABLE ceremonies (
    attempt TEXT NOT NULL REFERENCES attempts (id) ON DELETE CASCADE,
    purpose TEXT NOT NULL,
    user_id TEXT,
    expires_at BIGINT NOT NULL,
    sealed_state TEXT NOT NULL,
    PRIMARY KEY (attempt, purpose)
);
