"""A worker whose tasks are probes, and the ground on which it is shot at. Nothing here is a test."""
