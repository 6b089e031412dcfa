"""The translator as a tool of its own: any compiled contract with HTTP rules, before any gRPC server."""
