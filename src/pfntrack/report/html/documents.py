"""Published JSON documents, read back and judged by their schemas before they are shown."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import attrs

from pfntrack.edges import documents
from pfntrack.errors import InputFormatError
from pfntrack.report.html.strings import shown, visible
from pfntrack.report.schemas import schema

Json = dict[str, Any]

# Kinds of documents with the highest version that is understood.
VERSIONS = {"run": 1, "comparison": 1, "conformance": 1, "check": 1, "audit": 1, "triage": 1}
MAX_ADDRESS = 1 << 64
_MARK = re.compile(r"pfntrack\.([a-z-]+)/([0-9]{1,6})")


@attrs.frozen
class Document:
    """A document of one kind; `body` is a list for comparisons. `name` says where it came from."""

    kind: str
    body: Any
    name: str


def read(text: str, name: str) -> Document:
    """A document from its text.

    Raises InputFormatError: not JSON, not of a known kind and version, or not
    as the schema of that kind says; `name` begins the message.
    """
    name = shown(name)
    body = documents.load(text, name)
    kind = _kind(body, name)
    _conforms(body, kind, name)
    return document_of(kind, body, name)


def document_of(kind: str, body: Any, name: str) -> Document:
    """A document that this program has just made; strings are made harmless here."""
    return Document(kind, visible(body), shown(name))


def merged(documents: Sequence[Document]) -> Document:
    """Several documents as one: runs side by side, comparisons one after the other.

    Raises InputFormatError: their kinds do not fit together, or the runs are
    not of one scenario.
    """
    first = documents[0]
    if len(documents) == 1:
        return first
    kinds = {document.kind for document in documents}
    if kinds == {"comparison"}:
        return attrs.evolve(first, body=[one for each in documents for one in each.body])
    if kinds != {"run"}:
        what = " and ".join(sorted(kinds))
        raise InputFormatError(f"one page of {what}: expected several runs, or one document")
    for other in documents[1:]:
        for step, theirs in zip(first.body["steps"], other.body["steps"], strict=False):
            if step["text"] != theirs["text"]:
                raise InputFormatError(
                    f"{other.name}: step {theirs['number']} is not that of {first.name}: "
                    "expected runs of one scenario"
                )
    runs = [document.body for document in documents]
    comparison = {"scenario": first.body["scenario"]["name"], "runs": runs}
    return Document("comparison", [comparison], first.name)


def _kind(body: Any, name: str) -> str:
    """The kind that the document's `schema` field names."""
    head = body
    if isinstance(body, list):
        if not body:
            raise InputFormatError(f"{name}: an empty list: expected a document of pfntrack")
        head = body[0]
    mark = head.get("schema") if isinstance(head, dict) else None
    found = _MARK.fullmatch(mark) if isinstance(mark, str) else None
    if found is None:
        raise InputFormatError(
            f"{name}: field 'schema': expected one of "
            + ", ".join(f"pfntrack.{kind}/{number}" for kind, number in VERSIONS.items())
        )
    kind, number = found[1], int(found[2])
    if kind not in VERSIONS:
        raise InputFormatError(
            f"{name}: no page is made of pfntrack.{kind}: expected one of {', '.join(VERSIONS)}"
        )
    if number != VERSIONS[kind]:
        age = "newer" if number > VERSIONS[kind] else "older"
        raise InputFormatError(
            f"{name}: pfntrack.{kind}/{number} is {age} than this program, "
            f"which expects pfntrack.{kind}/{VERSIONS[kind]}"
        )
    if isinstance(body, list) != (kind == "comparison"):
        form = "a list" if kind == "comparison" else "one object"
        raise InputFormatError(f"{name}: pfntrack.{kind}: expected {form}")
    return kind


def _conforms(body: Any, kind: str, name: str) -> None:
    # What this program has just made is not judged, and needs no judge.
    from jsonschema import Draft202012Validator  # noqa: PLC0415
    from jsonschema.exceptions import best_match  # noqa: PLC0415

    validator = Draft202012Validator(_open(schema(kind)))
    errors: Iterator[Any] = validator.iter_errors(body)
    error = best_match(errors)
    if error is not None:
        place = "/".join(str(part) for part in error.absolute_path) or "the document"
        raise InputFormatError(f"{name}: {shown(place)}: {_expected(error)}")
    for place, span in _spans(body, ""):
        start, end = span["start"], span["end"]
        if not 0 <= start <= end <= MAX_ADDRESS:
            raise InputFormatError(
                f"{name}: {shown(place)}: expected 0 <= start <= end <= {MAX_ADDRESS:#x}"
            )


def _open(part: Any) -> Any:
    """A schema that lets pass fields it does not know: a later minor addition is no mistake."""
    if isinstance(part, dict):
        return {
            key: _open(value)
            for key, value in part.items()
            if not (key == "additionalProperties" and value is False)
        }
    return [_open(each) for each in part] if isinstance(part, list) else part


def _expected(error: Any) -> str:
    """What the schema wants, in few words, whatever was found."""
    wanted = error.validator_value
    match error.validator:
        case "required":
            missing = next((key for key in wanted if key not in error.instance), "")
            return f"the field {missing!r} is missing"
        case "type":
            names = wanted if isinstance(wanted, list) else [wanted]
            return f"expected {' or '.join(names)}, found {type(error.instance).__name__}"
        case "enum":
            return f"expected one of {', '.join(map(str, wanted))}"
        case "const":
            return f"expected {wanted!r}"
        case "minimum" | "maximum":
            return f"expected {error.validator} {wanted}"
    return f"not as the schema says ({error.validator})"


def _spans(part: Any, place: str) -> Iterator[tuple[str, Mapping[str, int]]]:
    """All objects with a start and an end."""
    if isinstance(part, dict):
        if isinstance(part.get("start"), int) and isinstance(part.get("end"), int):
            yield place or "the document", part
        for key, value in part.items():
            if isinstance(value, dict | list):
                yield from _spans(value, f"{place}/{key}" if place else key)
    elif isinstance(part, list):
        for number, each in enumerate(part):
            if isinstance(each, dict | list):
                yield from _spans(each, f"{place}/{number}" if place else str(number))
