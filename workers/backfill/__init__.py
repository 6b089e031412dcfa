"""`python -m workers.backfill`: weeks of believable clicks for a demo shop, written by the drain's writer.

`traffic` invents the clicks, always the same ones; `history` writes them. Nothing here touches Redis.
"""
