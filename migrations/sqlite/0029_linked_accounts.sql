-- Read whenever an account of External MFA is looked up: whether its link was taken away, in one
-- look, however many events the person has.
CREATE INDEX events_of_linked_accounts ON events (user_id, kind)
    WHERE kind IN ('external-account-linked', 'external-account-unlinked');
