-- Ids are TEXT, instants BIGINT milliseconds since 1970, flags a nullable *_at.
-- Never edit this file after it has landed: its checksum is stored. Add the next one.

CREATE TABLE users (
    id TEXT PRIMARY KEY,
    upn TEXT COLLATE "C" NOT NULL UNIQUE,
    display_name TEXT NOT NULL,
    immutable_id TEXT,
    disabled_at BIGINT,
    created_at BIGINT NOT NULL,
    identity_tag TEXT NOT NULL
);

-- Every ImmutableID ever used and by whom. Rows are never deleted, and there is no
-- foreign key: a value stays taken whatever becomes of the person.
CREATE TABLE immutable_ids (
    value TEXT PRIMARY KEY,
    user_id TEXT NOT NULL,
    first_used_at BIGINT NOT NULL
);

CREATE TABLE passwords (
    id TEXT PRIMARY KEY,
    user_id TEXT NOT NULL UNIQUE REFERENCES users (id),
    phc TEXT NOT NULL,
    set_at BIGINT NOT NULL,
    dead_at BIGINT,
    tag TEXT NOT NULL
);

CREATE TABLE totp (
    id TEXT PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES users (id),
    name TEXT NOT NULL,
    algorithm TEXT NOT NULL,
    digits BIGINT NOT NULL,
    period BIGINT NOT NULL,
    sealed_secret TEXT NOT NULL,
    drift_steps BIGINT NOT NULL,
    last_step BIGINT,
    confirmed_at BIGINT,
    revoked_at BIGINT,
    created_at BIGINT NOT NULL,
    tag TEXT NOT NULL
);
CREATE INDEX totp_of_user ON totp (user_id);

CREATE TABLE access_passes (
    id TEXT PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES users (id),
    value_tag TEXT NOT NULL,
    issued_by TEXT NOT NULL,
    issued_at BIGINT NOT NULL,
    starts_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    reuse TEXT NOT NULL,
    used_at BIGINT,
    revoked_at BIGINT
);
CREATE UNIQUE INDEX one_pass_at_a_time ON access_passes (user_id) WHERE revoked_at IS NULL;

CREATE TABLE attempts (
    id TEXT PRIMARY KEY,
    browser TEXT NOT NULL,
    relying_party TEXT NOT NULL,
    request_id TEXT NOT NULL,
    request TEXT NOT NULL,
    source TEXT NOT NULL,
    user_id TEXT REFERENCES users (id),
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    answered_at BIGINT,
    sealed_answer TEXT,
    UNIQUE (relying_party, request_id)
);
CREATE INDEX attempts_of_source ON attempts (source, expires_at);
CREATE INDEX attempts_of_user ON attempts (user_id);

CREATE TABLE evidence (
    attempt TEXT NOT NULL REFERENCES attempts (id) ON DELETE CASCADE,
    kind TEXT NOT NULL,
    user_id TEXT NOT NULL,
    credential TEXT NOT NULL,
    proved_at BIGINT NOT NULL,
    tag TEXT NOT NULL,
    PRIMARY KEY (attempt, kind)
);

CREATE TABLE enrolments (
    attempt TEXT PRIMARY KEY REFERENCES attempts (id) ON DELETE CASCADE,
    user_id TEXT NOT NULL REFERENCES users (id),
    pass TEXT NOT NULL,
    credential TEXT,
    expires_at BIGINT NOT NULL,
    finished_at BIGINT,
    tag TEXT NOT NULL
);

CREATE TABLE sessions (
    id TEXT PRIMARY KEY,
    token TEXT NOT NULL UNIQUE,
    user_id TEXT NOT NULL REFERENCES users (id),
    proofs TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    last_used_at BIGINT NOT NULL,
    revoked_at BIGINT,
    tag TEXT NOT NULL
);
CREATE INDEX sessions_of_user ON sessions (user_id);

CREATE TABLE session_parties (
    session_id TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    entity_id TEXT NOT NULL,
    session_index TEXT NOT NULL,
    answered_at BIGINT NOT NULL,
    reused_at BIGINT,
    PRIMARY KEY (session_id, entity_id)
);

-- `counts` is 'tries' (waits; forgotten after a while) or 'in-a-row' (kept until a right answer).
CREATE TABLE throttle (
    bucket TEXT PRIMARY KEY,
    counts TEXT NOT NULL,
    failures BIGINT NOT NULL,
    wait_until BIGINT NOT NULL,
    touched_at BIGINT NOT NULL
);

CREATE TABLE known_browsers (
    token TEXT NOT NULL,
    user_id TEXT NOT NULL REFERENCES users (id),
    seen_at BIGINT NOT NULL,
    PRIMARY KEY (token, user_id)
);
CREATE INDEX known_browsers_of_user ON known_browsers (user_id);

CREATE TABLE notices (
    id TEXT PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES users (id),
    kind TEXT NOT NULL,
    by_whom TEXT NOT NULL,
    noted_at BIGINT NOT NULL,
    seen_at BIGINT
);
CREATE INDEX notices_of_user ON notices (user_id);

-- One row a process that writes events: the number of its last event.
CREATE TABLE nodes (
    id TEXT PRIMARY KEY,
    sequence BIGINT NOT NULL
);

CREATE TABLE events (
    id TEXT PRIMARY KEY,
    node TEXT NOT NULL REFERENCES nodes (id),
    sequence BIGINT NOT NULL,
    written_at BIGINT NOT NULL,
    actor TEXT NOT NULL,
    actor_name TEXT,
    user_id TEXT,
    attempt TEXT,
    kind TEXT NOT NULL,
    body TEXT NOT NULL,
    UNIQUE (node, sequence)
);
CREATE INDEX events_of_user ON events (user_id, written_at);
CREATE INDEX events_of_attempt ON events (attempt);

CREATE TABLE refused (
    hour BIGINT NOT NULL,
    reason TEXT NOT NULL,
    count BIGINT NOT NULL,
    PRIMARY KEY (hour, reason)
);

CREATE TABLE receipts (
    assertion_id TEXT PRIMARY KEY,
    attempt TEXT NOT NULL UNIQUE,
    user_id TEXT NOT NULL,
    relying_party TEXT NOT NULL,
    request_id TEXT NOT NULL,
    issuer TEXT NOT NULL,
    name_id TEXT NOT NULL,
    proofs TEXT NOT NULL,
    session TEXT NOT NULL,
    authn_instant BIGINT NOT NULL,
    issued_at BIGINT NOT NULL,
    signing_key TEXT NOT NULL,
    sha256 TEXT NOT NULL
);
CREATE INDEX receipts_of_user ON receipts (user_id, issued_at);

CREATE TABLE domains (
    name TEXT PRIMARY KEY,
    root TEXT NOT NULL,
    issuer_uri TEXT NOT NULL,
    created_at BIGINT NOT NULL
);
-- Entra refuses one issuer on two root domains.
CREATE UNIQUE INDEX one_root_an_issuer ON domains (issuer_uri) WHERE name = root;

CREATE TABLE relying_parties (
    entity_id TEXT PRIMARY KEY,
    display_name TEXT NOT NULL,
    kind TEXT NOT NULL,
    reply_urls TEXT NOT NULL,
    request_certificates TEXT NOT NULL,
    request_signature TEXT NOT NULL,
    sha1 TEXT NOT NULL,
    response_signature TEXT NOT NULL,
    session_max_age BIGINT NOT NULL
);

-- `first_of` is the purpose in the first key of that purpose, else NULL: of two nodes
-- that start at once only one can write it.
CREATE TABLE signing_keys (
    id TEXT PRIMARY KEY,
    purpose TEXT NOT NULL,
    first_of TEXT UNIQUE,
    certificate BYTEA NOT NULL,
    sealed_private_key TEXT NOT NULL,
    created_at BIGINT NOT NULL
);

-- One row: the id of the master key that everything here is sealed under.
CREATE TABLE sealed_under (
    only_row BIGINT PRIMARY KEY CHECK (only_row = 1),
    master_key_id TEXT NOT NULL
);
