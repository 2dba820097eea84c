"""One self-contained HTML page of a run, a comparison, a check, a report or a machine.

The page is made from the published JSON, so a result that was saved last week
can be shown today, and a page never shows what its JSON does not say.
"""

from pfntrack.report.html.documents import Document, document_of, merged, read
from pfntrack.report.html.page import page

__all__ = ["Document", "document_of", "merged", "page", "read"]
