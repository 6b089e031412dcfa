"""Bringing a file of products into a running stack. It uses the public client and touches no table."""
