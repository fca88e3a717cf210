-- Read at each WS-Trust request: which application passwords of a person were revoked, in one look,
-- however many events the person has.
CREATE INDEX events_of_revoked_app_passwords ON events (user_id, kind)
    WHERE kind = 'app-password-revoked';
