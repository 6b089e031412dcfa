"""The affiliate program: its settings, its partners and their links.

Rules live in modules named after them (`codes`, `destinations`, `commission`, `partner_status`, …); requests
travel servicer → service → repository → models. Counting clicks is done by `clicks` and the drain. `tasks`
names what is left for workers to do.
"""
