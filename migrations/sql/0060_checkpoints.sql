-- The log of closed days. Whoever was given a checkpoint relies on it that a leaf stays what it is.
CREATE TABLE coalition.log_leaf (
    index    bigint      PRIMARY KEY CHECK (index >= 0),
    day      date        NOT NULL UNIQUE REFERENCES coalition.sealed_day,
    leaf     text        NOT NULL CHECK (length(leaf) BETWEEN 1 AND 10000),
    salt     bytea       NOT NULL CHECK (length(salt) = 32),  -- blinds the statements of the day
    added_at timestamptz NOT NULL
);
CREATE TRIGGER log_leaf_append_only BEFORE UPDATE OR DELETE ON coalition.log_leaf
    FOR EACH ROW EXECUTE FUNCTION coalition.refuse_change();
CREATE TRIGGER log_leaf_no_truncate BEFORE TRUNCATE ON coalition.log_leaf
    FOR EACH STATEMENT EXECUTE FUNCTION coalition.refuse_change();
GRANT SELECT, INSERT ON coalition.log_leaf TO coalition_service;
