"""Checkpoints: nothing is lost, nothing is mixed up."""

from __future__ import annotations

from pathlib import Path

import pytest

from pfntrack.check.search import checkpoint
from pfntrack.check.search.bounds import Bounds
from pfntrack.check.search.explore import Limits, Search
from pfntrack.check.search.setting import Setting
from pfntrack.errors import InputFormatError
from pfntrack.releases import RELEASES

SETTING = Setting(RELEASES["7.3"], Bounds(2, 2, 1, 1, 2))
NEVER: frozenset[str] = frozenset()


@pytest.mark.parametrize("states", [1, 50, 500])
def test_resumed(tmp_path: Path, states: int) -> None:
    """A search that is broken off and resumed ends like one that was not."""
    whole = Search(SETTING).run(until=NEVER)
    broken_off = Search(SETTING)
    part = broken_off.run(Limits(states=states), until=NEVER)
    assert not part.complete
    checkpoint.save(broken_off, tmp_path / "save")
    again = Search(SETTING, workers=2)
    checkpoint.resume(again, tmp_path / "save")
    assert again.run(until=NEVER) == whole


def test_refuses_another_search(tmp_path: Path) -> None:
    """A checkpoint of other bounds, another release or a changed model is refused."""
    path = tmp_path / "save"
    checkpoint.save(Search(SETTING), path)
    others = [
        Setting(RELEASES["6.12"], SETTING.bounds),
        Setting(RELEASES["7.3"], Bounds(2, 2, 2, 2, 2)),
        Setting(RELEASES["7.3"], SETTING.bounds, ("map",)),
    ]
    for other in others:
        with pytest.raises(InputFormatError, match="of another search"):
            checkpoint.resume(Search(other), path)
    with pytest.raises(InputFormatError, match="properties differ"):
        checkpoint.resume(Search(SETTING, frozenset({"I1"})), path)


def test_refuses_a_changed_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The model's sources are part of a checkpoint."""
    path = tmp_path / "save"
    checkpoint.save(Search(SETTING), path)
    monkeypatch.setattr(checkpoint, "model_hash", lambda: "another")
    with pytest.raises(InputFormatError, match="the model has changed"):
        checkpoint.resume(Search(SETTING), path)


@pytest.mark.parametrize("keep", [0, 10, 400, -40])
def test_damaged(tmp_path: Path, keep: int) -> None:
    """A file that is cut short is an input error."""
    path = tmp_path / "save"
    checkpoint.save(Search(SETTING), path)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(InputFormatError):
        checkpoint.resume(Search(SETTING), path)


def test_missing(tmp_path: Path) -> None:
    """A file that is not there is an input error, too."""
    with pytest.raises(InputFormatError, match="No such file"):
        checkpoint.resume(Search(SETTING), tmp_path / "none")
