"""`python -m workers.demo`: visitors who click, look and buy in the demo shop of a running stack.

They speak HTTP to the edge as browsers do, and know nothing else of the system. Their walks are those of the
backfill.
"""
