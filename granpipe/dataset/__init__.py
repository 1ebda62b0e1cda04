"""What is in OUTPUT: arrays, tables, the ledger and what is drawn of them."""
