"""The catalogue of diagnoses: for each code what it means, the rule behind it, cure and traps.

Pure data. Windows count mainline and kernel.org stable releases; Debian keeps the
upstream number, so the same window holds for its kernels.
"""

from __future__ import annotations

from pfntrack.field.catalogue.diagnoses.base import LIST, UNAME, Citation, Code
from pfntrack.field.catalogue.diagnoses.kernel import KERNEL
from pfntrack.field.catalogue.diagnoses.near import NEAR_CODES
from pfntrack.field.catalogue.diagnoses.refused import REFUSED
from pfntrack.field.catalogue.diagnoses.state import STATE

__all__ = ["CODES", "LIST", "UNAME", "Citation", "Code"]

CODES: dict[str, Code] = {code.code: code for code in (*REFUSED, *KERNEL, *NEAR_CODES, *STATE)}
