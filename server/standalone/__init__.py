"""The embedded stack: real backing services and every process of ours, started and watched by one supervisor.

No domain rules live here; nothing that runs in production imports this package.
"""
