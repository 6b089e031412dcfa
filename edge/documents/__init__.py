"""The interface described for people and programs: `/api/openapi.json`, and `/api/docs` to read and try it.

What the document says is made elsewhere; here it is served, with everything the page needs, from this process
alone.
"""

from edge.documents.routes import add_documents

__all__ = ["add_documents"]
