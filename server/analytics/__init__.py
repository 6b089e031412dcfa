"""Shop events and what an operator asks of them: rollups, dashboards, funnels, proof, erasure.

Reading streams into rows is the drain's; accepting events from the world is the edge's.
"""
