"""The image's own commands: the entry, the health check, and the variables that `docker-compose.yml` needs.

What the processes do is in their own packages; nothing here is needed to run them from a checkout.
"""
