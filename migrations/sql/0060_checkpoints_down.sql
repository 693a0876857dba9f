DROP TABLE coalition.log_leaf;
