"""What every RPC passes through between the socket and a servicer. No domain rule lives here."""
