"""Bytes in, variants out: what is done to a picture. Knows no database, no store and no job."""
