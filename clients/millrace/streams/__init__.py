"""The Redis contract shared by the edge, the server and the drain: keys, records, functions, the client.

Nothing here decides what a click means or who may redirect where. Needs the ``streams`` extra.
"""
