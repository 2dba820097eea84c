"""No snapshot, however broken, ends in a traceback."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.build import judge
from audit.mutate import run
from examples import examples
from pfntrack.audit import report_json
from pfntrack.audit.read import readings, system
from pfntrack.errors import InputFormatError


@pytest.mark.parametrize("seed", range(4))
def test_mutated_recordings(seed: int) -> None:
    """Recorded snapshots with cut, doubled, shuffled and replaced bytes."""
    assert run(500, seed) == 500


@settings(max_examples=examples(300))
@given(st.text(alphabet="PAT: [mem]0x19fe-@\n uncahd-mswritbo\0", max_size=300))
def test_any_text_as_a_file(text: str) -> None:
    """The parsers of single files take anything."""
    rows, bad = readings.parse(text)
    assert all(start < end for start, end, _ in rows)
    assert bad >= 0
    system.areas(text)
    system.mtrr(text)
    system.free_lines(text)
    system.kernel(text, text, text)


@settings(max_examples=examples(100))
@given(
    files=st.dictionaries(
        st.sampled_from(["version", "iomem", "vmallocinfo", "dmesg", "pat_memtype_list", "mtrr"]),
        st.binary(max_size=200),
        min_size=1,
    )
)
def test_any_bytes_in_any_file(
    tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes]
) -> None:
    """A directory of noise is judged or refused."""
    folder: Path = tmp_path_factory.mktemp("noise")
    for name, raw in files.items():
        (folder / name).write_bytes(raw)
    try:
        report_json.as_json(judge(folder))
    except InputFormatError as error:
        assert "expected" in str(error)
