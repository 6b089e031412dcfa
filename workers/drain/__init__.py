"""The drain: click records from the Redis streams into PostgreSQL, each exactly once.

`consumer` is the loop; `stream` speaks to Redis, `writer` to PostgreSQL. What a click is, the edge decides.
"""
