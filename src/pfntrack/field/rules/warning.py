"""One warning, six causes: told apart by the frames of the trace, then by the kernel release.

The table is ordered: a failed remap also shows the frames of a zap, and a failed fork
those of an exit.
"""

from __future__ import annotations

import re

import attrs

from pfntrack.field.finding import Finding
from pfntrack.field.read.facts import Fact
from pfntrack.field.rules.base import (
    Case,
    Rule,
    always,
    finding,
    first_match,
    implied_limit,
)

_TRACKING = re.compile(r"^(?:untrack_pfn\w*|track_pfn_copy|get_pat_info|follow_phys)$")
_REMAP = re.compile(r"^(?:io_)?remap_pfn_range\w*$|^vm_iomap_memory$")
_FORK = re.compile(
    r"^(?:copy_process|dup_mm|dup_mmap|copy_mm|_?do_fork|kernel_clone|\w*sys_clone3?|\w*sys_v?fork)$"
)
_MOVE = re.compile(r"^(?:move_vma|\w*sys_mremap|SyS_mremap|mremap_to)$", re.IGNORECASE)
_ZAP = re.compile(
    r"^(?:truncate_pagecache|unmap_mapping_\w+|zap_vma_ptes|revoke_iomem|\w*revoke\w*)$"
)
_LOCK = re.compile(r"rwsem\.h|mmap_lock\.h")
_EXIT = re.compile(
    r"^(?:do_exit|do_group_exit|exit_mmap|mmput|__mmput|exit_mm|begin_new_exec|exec_mmap)$"
)


def _frames(pattern: re.Pattern[str], fact: Fact) -> bool:
    return any(pattern.match(frame) for frame in fact.frames)


def about_tracking(fact: Fact) -> bool:
    """Whether the warning comes from the tracking of mappings."""
    func = fact.text_of("func")
    if re.search(r"(?:rwsem|mmap_lock)\.h$", fact.text_of("file")):
        # The lock assertion: only a zap that releases a reservation is about tracking.
        return _frames(_ZAP, fact) or any(f.startswith("untrack_pfn") for f in fact.frames)
    # From 6.16 on there is nothing to read back; what warns there is another check.
    if re.search(r"^pfnmap_", func):
        return False
    return bool(_TRACKING.match(func)) or _frames(_TRACKING, fact)


def _zapped_without_lock(fact: Fact, _: Case) -> bool:
    return _frames(_ZAP, fact) or (
        bool(_LOCK.search(fact.text_of("file"))) and "zap_page_range_single" in fact.frames
    )


def _emptied(_: Fact, case: Case) -> bool:
    return case.log.has("suspend") or case.log.has("revoke")


def _copying(fact: Fact, _: Case) -> bool:
    """fork() reads the parent's range: no tear-down is in the trace."""
    top = (fact.text_of("func"), *fact.frames)
    return "track_pfn_copy" in top and not any(f.startswith("untrack_pfn") for f in top)


def _emptied_or_unknown(fact: Fact, case: Case) -> bool:
    return _frames(_EXIT, fact) and case.window("UNTRACK_COW_FIRST_PAGE") is True


WARNING_RULES: tuple[Rule, ...] = (
    Rule(
        "FORK_COPY_FAILED",
        _copying,
        "high",
        "track_pfn_copy() is in the trace and nothing is torn down: fork() only reads the range",
    ),
    Rule(
        "UNTRACK_AFTER_FAILED_REMAP",
        lambda f, _: _frames(_REMAP, f),
        "high",
        "remap_pfn_range is in the trace: it emptied its own half-made mapping",
    ),
    Rule(
        "UNTRACK_FAILED_FORK",
        lambda f, _: _frames(_FORK, f),
        "high",
        "the mapping is torn down from inside fork, so fork has failed",
    ),
    Rule(
        "UNTRACK_MREMAP_MOVE",
        lambda f, _: _frames(_MOVE, f),
        "high",
        "the mapping is unmapped from inside mremap, after its pages have moved",
    ),
    Rule(
        "UNTRACK_FROM_ZAP_WITHOUT_MMAP_LOCK",
        _zapped_without_lock,
        "high",
        "the mapping is emptied through its file (truncation or revoke), without the mmap lock",
    ),
    Rule(
        "UNTRACK_AFTER_ZAP",
        _emptied,
        "high",
        "the log shows a suspend, reset or revoke before, which empties such mappings",
    ),
    Rule(
        "UNTRACK_COW_FIRST_PAGE",
        _emptied_or_unknown,
        "medium",
        "the mapping dies at exit and the kernel lacks the copy-on-write fix; an earlier zap "
        "(truncation, revoke) would leave the same trace",
    ),
    Rule(
        "UNTRACK_AFTER_ZAP",
        lambda _, case: case.window("UNTRACK_COW_FIRST_PAGE") is False,
        "medium",
        "the kernel has the copy-on-write fix, so the mapping must have been emptied earlier",
    ),
    Rule(
        "UNTRACK_COW_FIRST_PAGE",
        lambda f, _: _frames(_EXIT, f),
        "low",
        "the mapping dies at exit; an earlier zap would leave the same trace, and the kernel is "
        "not known",
    ),
    Rule(
        "UNTRACK_AFTER_ZAP",
        always,
        "medium",
        "a normal unmap found the page tables empty, so something emptied them earlier",
    ),
)


def warnings(case: Case, used: set[int]) -> list[Finding]:
    """Findings for warnings of the tracking code."""
    found = []
    for fact in case.log.of("warning"):
        if id(fact) in used or not about_tracking(fact):
            continue
        used.add(id(fact))
        rule = first_match(WARNING_RULES, fact, case)
        made = finding(rule, (fact,), case)
        if rule.code == "UNTRACK_COW_FIRST_PAGE":
            made = attrs.evolve(made, alternatives=("UNTRACK_AFTER_ZAP",))
        elif rule.code == "UNTRACK_AFTER_ZAP" and rule.confidence == "medium":
            made = attrs.evolve(made, alternatives=("UNTRACK_COW_FIRST_PAGE",))
        if implied_limit((fact,)) is not None and made.affected is False:
            old = attrs.evolve(
                made.entry,
                window=None,
                fixed_by=(),
                do=("Use a later kernel; from 6.16 on the range is kept with the mapping.",),
            )
            made = attrs.evolve(made, variant=old)
        found.append(made)
    return found
