"""`POST /api/v1/analytics/events`: takes events from strangers, and answers once they are durable.

What an event must look like is decided in `millrace.streams.event_input`; how it reaches Redis, in
`millrace.streams.event_writer`; what happens while Redis is away, in `edge.spool`.
"""
