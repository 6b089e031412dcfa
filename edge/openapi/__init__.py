"""The OpenAPI 3.1 document of a contract, drawn from its compiled descriptors."""

from edge.openapi.document import make_document
from edge.openapi.millrace import millrace_document

__all__ = ["make_document", "millrace_document"]
