"""The job queue: rows written in the transaction that made the work necessary, run at least once with one effect.

Infrastructure like `db`: every domain may enqueue. Running jobs is done by `workers`, on top of `execution`.
"""
