-- All keys of a purpose together, under a tag of the master key: what is missing, and what was
-- put back from an older copy, fits no more. The generation counts every change.
CREATE TABLE key_marks (
    purpose TEXT PRIMARY KEY,
    generation INTEGER NOT NULL,
    digest TEXT NOT NULL,
    tag TEXT NOT NULL
) STRICT;

-- Read at each start: which keys there were.
CREATE INDEX events_of_keys ON events (kind) WHERE kind IN ('key-created', 'key-retired');
