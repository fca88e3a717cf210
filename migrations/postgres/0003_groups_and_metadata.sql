-- Groups of people: which rules of the configuration apply to whom.
CREATE TABLE user_groups (
    user_id TEXT NOT NULL REFERENCES users (id),
    name TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (user_id, name)
);
CREATE INDEX users_of_group ON user_groups (name);

-- The highest number of a FIDO metadata file that was used, by the fingerprint of the
-- roots that it was verified under.
CREATE TABLE metadata_numbers (
    roots TEXT PRIMARY KEY,
    number BIGINT NOT NULL,
    seen_at BIGINT NOT NULL
);
