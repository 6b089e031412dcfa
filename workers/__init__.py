"""Processes beside the server: they carry facts to where they are read. No API lives here."""
