-- Ten codes a person, each opens re-enrolment once. Only an HMAC of each is kept.
CREATE TABLE recovery_codes (
    id TEXT PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES users (id),
    value_tag TEXT NOT NULL,
    made_at INTEGER NOT NULL,
    used_at INTEGER,
    revoked_at INTEGER
) STRICT;
CREATE INDEX recovery_codes_of_user ON recovery_codes (user_id);
