"""Lets one audit serve every domain: `affiliate_audit` becomes `audit`.

Revision ID: 0005_audit
Revises: 0004_jobs
"""

from __future__ import annotations

from alembic import op

revision = "0005_audit"
down_revision = "0004_jobs"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.rename_table("affiliate_audit", "audit")
    op.execute("ALTER TABLE audit RENAME CONSTRAINT pk_affiliate_audit TO pk_audit")
    op.execute("ALTER INDEX ix_affiliate_audit_subject_entry_id RENAME TO ix_audit_subject_entry_id")


def downgrade() -> None:
    op.execute("ALTER INDEX ix_audit_subject_entry_id RENAME TO ix_affiliate_audit_subject_entry_id")
    op.execute("ALTER TABLE audit RENAME CONSTRAINT pk_audit TO pk_affiliate_audit")
    op.rename_table("audit", "affiliate_audit")
