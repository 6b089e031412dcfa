"""REST to gRPC, driven by the `google.api.http` annotations of compiled descriptors. No domain lives here."""
