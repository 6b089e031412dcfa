"""`python -m workers.backfill`: weeks of believable clicks and visits, written by the drain's writer.

`traffic` invents the clicks and `visits` the events, always the same ones; `history` writes them, and `live`
lets the live counters know.
"""
