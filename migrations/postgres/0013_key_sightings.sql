-- held_at is since when a party was seen to know a key without a gap, looked_at when last.

ALTER TABLE key_sightings ADD COLUMN looked_at BIGINT;
