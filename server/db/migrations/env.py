"""Alembic's entry: runs the versions on the connection that `server.db.migrations.upgrade` opened."""

from __future__ import annotations

from alembic import context

# The caller owns the transaction; Alembic notices and neither begins nor commits one of its own.
context.configure(connection=context.config.attributes["connection"])
context.run_migrations()
