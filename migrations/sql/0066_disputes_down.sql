DROP TABLE settlement.dispute_resolution, settlement.dispute_answer, settlement.dispute;
ALTER TABLE settlement.policy DROP COLUMN dispute_days;
