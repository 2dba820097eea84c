"""Checkpoints: nothing is lost, nothing is mixed up."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
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


def test_a_finished_search_is_resumed(tmp_path: Path) -> None:
    """Nothing is left to do, and the result is the same."""
    search = Search(SETTING)
    whole = search.run(until=NEVER)
    checkpoint.save(search, tmp_path / "save")
    again = Search(SETTING)
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


def test_one_checkpoint_one_search(tmp_path: Path) -> None:
    """The second search is refused while the first runs, and welcome when it has ended."""
    path = tmp_path / "kept"
    with checkpoint.owned(path):
        with pytest.raises(InputFormatError, match="another search"), checkpoint.owned(path):
            pass
        with checkpoint.owned(tmp_path / "other"):
            pass
    with checkpoint.owned(path):
        pass
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["word0", "word1", "parent", "move", "keys", "log", "header"])
@pytest.mark.parametrize("way", ["short", "long", "float", "none", "deep"])
def test_arrays_that_do_not_fit_are_refused(tmp_path: Path, name: str, way: str) -> None:
    """In one line, whatever the damage."""
    search = Search(SETTING)
    search.run(Limits(states=200), until=NEVER)
    path = tmp_path / "kept"
    checkpoint.save(search, path)
    with np.load(path) as data:
        arrays = {key: data[key] for key in data.files}
    checkpoint.resume(Search(SETTING), path)  # as it is, it fits
    assert len(arrays["word0"]) > 1
    one = arrays[name]
    changed = {
        "short": one[: len(one) // 2],
        "long": np.concatenate([one, one]),
        "float": one.astype(np.float64) + 0.5,
        "deep": one[..., None],
    }
    if way == "none":
        del arrays[name]
    else:
        arrays[name] = changed[way]
    with path.open("wb") as file:
        np.savez(file, **arrays)
    fresh = Search(SETTING)
    if (name, way) == ("header", "deep"):
        # What is told in another shape says the same.
        checkpoint.resume(fresh, path)
        assert fresh.run(until=NEVER) == Search(SETTING).run(until=NEVER)
        return
    with pytest.raises(InputFormatError, match=r"damaged|other search"):
        checkpoint.resume(fresh, path)


def test_a_full_disk_keeps_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And the search goes on."""
    search = Search(SETTING)
    search.run(Limits(depth=1))
    path = tmp_path / "kept"
    checkpoint.save(search, path)
    before = path.read_bytes()

    def full(_number: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputFormatError, match="No space left"):
        checkpoint.save(search, path)
    assert path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == ["kept"]
