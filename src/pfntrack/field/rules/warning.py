"""One warning, six causes: told apart by the frames of the trace, then by the kernel release.

The table is ordered: a failed remap also shows the frames of a zap, and a failed fork
those of an exit.
"""

from __future__ import annotations

import re

from pfntrack.field.finding import Finding
from pfntrack.field.read.facts import Fact
from pfntrack.field.rules.base import Case, Rule, always, finding, first_match

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
    return bool(_TRACKING.match(func)) or _frames(_TRACKING, fact)


def _zapped_without_lock(fact: Fact, _: Case) -> bool:
    return _frames(_ZAP, fact) or (
        bool(_LOCK.search(fact.text_of("file"))) and "zap_page_range_single" in fact.frames
    )


def _emptied(_: Fact, case: Case) -> bool:
    return case.log.has("suspend") or case.log.has("revoke")


WARNING_RULES: tuple[Rule, ...] = (
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
        lambda f, case: _frames(_EXIT, f) and case.window("UNTRACK_COW_FIRST_PAGE") is True,
        "high",
        "the mapping dies at exit, nothing emptied it, and the kernel lacks the copy-on-write fix",
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
        "medium",
        "the mapping dies at exit and nothing in the log emptied it; the kernel is not known",
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
        found.append(finding(rule, (fact,), case))
    return found
