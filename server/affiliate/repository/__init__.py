"""The questions this domain asks of PostgreSQL, one class per table, each over the session it is given."""
