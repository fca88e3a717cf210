-- Groups of people: which rules of the configuration apply to whom.
CREATE TABLE user_groups (
    user_id TEXT NOT NULL REFERENCES users (id),
    name TEXT NOT NULL,
    PRIMARY KEY (user_id, name)
) STRICT;
CREATE INDEX users_of_group ON user_groups (name);

-- The highest number of a FIDO metadata file that was used, by the fingerprint of the
-- roots that it was verified under.
CREATE TABLE metadata_numbers (
    roots TEXT PRIMARY KEY,
    number INTEGER NOT NULL,
    seen_at INTEGER NOT NULL
) STRICT;
