"""The job queue: rows written in the transaction that made the work necessary, with one effect each.

Infrastructure like `db`: every domain may enqueue. Running jobs is done by `workers`, on top of `execution`.
"""
