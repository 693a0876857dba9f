-- What has to be so before the tables of members can be spread over nodes: docs/decisions/0030.

-- No foreign key leads from a member's node to the coordinator; who writes those rows has just written the member.
ALTER TABLE coalition.wallet DROP CONSTRAINT wallet_member_id_fkey, DROP CONSTRAINT wallet_merged_into_fkey;

-- No index sees all members: what is unique over all of them is claimed on the coordinator.
INSERT INTO coalition.receipt (partner_id, reference, kind, reverses_txn_id, member_id, txn_id)
SELECT t.partner_id, t.reference, t.kind, t.reverses_txn_id, t.member_id, t.txn_id FROM coalition.txn t;
DROP INDEX coalition.txn_id, coalition.txn_reference;
CREATE UNIQUE INDEX txn_id ON coalition.txn (member_id, txn_id);
CREATE INDEX txn_id_alone ON coalition.txn (txn_id);
CREATE INDEX txn_reference ON coalition.txn (partner_id, reference);

-- Sealing a day summarises an index where it runs, which is not where these lie: each node does it by itself.
ALTER INDEX coalition.posting_day SET (autosummarize = on);
ALTER INDEX coalition.txn_day SET (autosummarize = on);

-- A policy may ask for the row's own columns only; a partner's request reads postings through coalition.moved_lots.
DROP POLICY own ON coalition.posting;
REVOKE SELECT ON coalition.posting FROM coalition_tenant;

CREATE OR REPLACE FUNCTION coalition.is_distributed() RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT true
$$;
