DROP TABLE settlement.write_off, settlement.payment_change, settlement.bank_entry, settlement.instructed_payment,
    settlement.instructed_party, settlement.payment_file;
