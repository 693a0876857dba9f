DROP TABLE settlement.run_party;
