-- Ids are TEXT, instants INTEGER milliseconds since 1970, flags a nullable *_at.
-- Never edit this file after it has landed: its checksum is stored. Add the next one.

CREATE TABLE users (
    id TEXT PRIMARY KEY,
    upn TEXT NOT NULL UNIQUE,
    display_name TEXT NOT NULL,
    immutable_id TEXT,
    disabled_at INTEGER,
    created_at INTEGER NOT NULL,
    identity_tag TEXT NOT NULL
) STRICT;

-- Every ImmutableID ever used and by whom. Rows are never deleted, and there is no
-- foreign key: a value stays taken whatever becomes of the person.
CREATE TABLE immutable_ids (
    value TEXT PRIMARY KEY,
    user_id TEXT NOT NULL,
    first_used_at INTEGER NOT NULL
) STRICT;

CREATE TABLE passwords (
    id TEXT PRIMARY KEY,
    user_id TEXT NOT NULL UNIQUE REFERENCES users (id),
    phc TEXT NOT NULL,
    set_at INTEGER NOT NULL,
    dead_at INTEGER,
    tag TEXT NOT NULL
) STRICT;

CREATE TABLE totp (
    id TEXT PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES users (id),
    name TEXT NOT NULL,
    algorithm TEXT NOT NULL,
    digits INTEGER NOT NULL,
    period INTEGER NOT NULL,
    sealed_secret TEXT NOT NULL,
    drift_steps INTEGER NOT NULL,
    last_step INTEGER,
    confirmed_at INTEGER,
    revoked_at INTEGER,
    created_at INTEGER NOT NULL,
    tag TEXT NOT NULL
) STRICT;
CREATE INDEX totp_of_user ON totp (user_id);

CREATE TABLE access_passes (
    id TEXT PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES users (id),
    value_tag TEXT NOT NULL,
    issued_by TEXT NOT NULL,
    issued_at INTEGER NOT NULL,
    starts_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    reuse TEXT NOT NULL,
    used_at INTEGER,
    revoked_at INTEGER
) STRICT;
CREATE UNIQUE INDEX one_pass_at_a_time ON access_passes (user_id) WHERE revoked_at IS NULL;

CREATE TABLE attempts (
    id TEXT PRIMARY KEY,
    browser TEXT NOT NULL,
    relying_party TEXT NOT NULL,
    request_id TEXT NOT NULL,
    request TEXT NOT NULL,
    source TEXT NOT NULL,
    user_id TEXT REFERENCES users (id),
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    answered_at INTEGER,
    sealed_answer TEXT,
    UNIQUE (relying_party, request_id)
) STRICT;
CREATE INDEX attempts_of_source ON attempts (source, expires_at);
CREATE INDEX attempts_of_user ON attempts (user_id);

CREATE TABLE evidence (
    attempt TEXT NOT NULL REFERENCES attempts (id) ON DELETE CASCADE,
    kind TEXT NOT NULL,
    user_id TEXT NOT NULL,
    credential TEXT NOT NULL,
    proved_at INTEGER NOT NULL,
    tag TEXT NOT NULL,
    PRIMARY KEY (attempt, kind)
) STRICT;

CREATE TABLE enrolments (
    attempt TEXT PRIMARY KEY REFERENCES attempts (id) ON DELETE CASCADE,
    user_id TEXT NOT NULL REFERENCES users (id),
    pass TEXT NOT NULL,
    credential TEXT,
    expires_at INTEGER NOT NULL,
    finished_at INTEGER,
    tag TEXT NOT NULL
) STRICT;

CREATE TABLE sessions (
    id TEXT PRIMARY KEY,
    token TEXT NOT NULL UNIQUE,
    user_id TEXT NOT NULL REFERENCES users (id),
    proofs TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    last_used_at INTEGER NOT NULL,
    revoked_at INTEGER,
    tag TEXT NOT NULL
) STRICT;
CREATE INDEX sessions_of_user ON sessions (user_id);

CREATE TABLE session_parties (
    session_id TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    entity_id TEXT NOT NULL,
    session_index TEXT NOT NULL,
    answered_at INTEGER NOT NULL,
    reused_at INTEGER,
    PRIMARY KEY (session_id, entity_id)
) STRICT;

-- `counts` is 'tries' (waits; forgotten after a while) or 'in-a-row' (kept until a right answer).
CREATE TABLE throttle (
    bucket TEXT PRIMARY KEY,
    counts TEXT NOT NULL,
    failures INTEGER NOT NULL,
    wait_until INTEGER NOT NULL,
    touched_at INTEGER NOT NULL
) STRICT;

CREATE TABLE known_browsers (
    token TEXT NOT NULL,
    user_id TEXT NOT NULL REFERENCES users (id),
    seen_at INTEGER NOT NULL,
    PRIMARY KEY (token, user_id)
) STRICT;
CREATE INDEX known_browsers_of_user ON known_browsers (user_id);

CREATE TABLE notices (
    id TEXT PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES users (id),
    kind TEXT NOT NULL,
    by_whom TEXT NOT NULL,
    noted_at INTEGER NOT NULL,
    seen_at INTEGER
) STRICT;
CREATE INDEX notices_of_user ON notices (user_id);

-- One row a process that writes events: the number of its last event.
CREATE TABLE nodes (
    id TEXT PRIMARY KEY,
    sequence INTEGER NOT NULL
) STRICT;

CREATE TABLE events (
    id TEXT PRIMARY KEY,
    node TEXT NOT NULL REFERENCES nodes (id),
    sequence INTEGER NOT NULL,
    written_at INTEGER NOT NULL,
    actor TEXT NOT NULL,
    actor_name TEXT,
    user_id TEXT,
    attempt TEXT,
    kind TEXT NOT NULL,
    body TEXT NOT NULL,
    UNIQUE (node, sequence)
) STRICT;
CREATE INDEX events_of_user ON events (user_id, written_at);
CREATE INDEX events_of_attempt ON events (attempt);

CREATE TABLE refused (
    hour INTEGER NOT NULL,
    reason TEXT NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (hour, reason)
) STRICT;

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
    authn_instant INTEGER NOT NULL,
    issued_at INTEGER NOT NULL,
    signing_key TEXT NOT NULL,
    sha256 TEXT NOT NULL
) STRICT;
CREATE INDEX receipts_of_user ON receipts (user_id, issued_at);

CREATE TABLE domains (
    name TEXT PRIMARY KEY,
    root TEXT NOT NULL,
    issuer_uri TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;
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
    session_max_age INTEGER NOT NULL
) STRICT;

-- `first_of` is the purpose in the first key of that purpose, else NULL: of two nodes
-- that start at once only one can write it.
CREATE TABLE signing_keys (
    id TEXT PRIMARY KEY,
    purpose TEXT NOT NULL,
    first_of TEXT UNIQUE,
    certificate BLOB NOT NULL,
    sealed_private_key TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;

-- One row: the id of the master key that everything here is sealed under.
CREATE TABLE sealed_under (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    master_key_id TEXT NOT NULL
) STRICT;
