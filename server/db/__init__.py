"""PostgreSQL: engine, sessions, the table metadata and its migrations. No table is defined here."""
