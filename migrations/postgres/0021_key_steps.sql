-- Read at each start: how many changes of the keys there were.
CREATE INDEX events_of_key_steps ON events (kind)
    WHERE kind IN ('key-created', 'key-staged', 'key-activated', 'key-retired');
