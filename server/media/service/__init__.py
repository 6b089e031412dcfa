"""The use cases of the media domain; no protobuf and no status code."""
