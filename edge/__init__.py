"""The door: shoppers' redirects answered Redis-first, and everything else translated to gRPC.

No SQL, no domain rule and nothing of the server lives here.
"""
