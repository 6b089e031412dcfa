"""The use cases of the affiliate domain, each one transaction; no protobuf and no status code."""
