"""The drain: records from the Redis streams into PostgreSQL, each exactly once, and counted as they go in.

`consumer` is the loop; `stream` speaks to Redis, `writer` to PostgreSQL. What becomes of a click or an event
is in `click_kind` and `event_kind`; what may be one, the edge decides.
"""
