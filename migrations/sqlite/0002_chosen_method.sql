-- What a person is setting up in an enrolment; NULL: still to be chosen, or, where
-- `credential` is set, a code generator (all that there was before).
ALTER TABLE enrolments ADD COLUMN method TEXT;
