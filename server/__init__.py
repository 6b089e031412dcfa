"""The domain services over gRPC: tables, rules and the process that hosts them. No HTTP lives here."""
