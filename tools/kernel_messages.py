"""`python -m tools.kernel_messages`: what kernels can print about memory types, from their source.

Takes unpacked kernel trees (Debian packages `linux-source-5.10` and so on), reads the
files and functions of `WHERE`, and lists every message, warning and BUG with file,
function and format.  In the rest of `TREES` it looks for messages with a word of the
subject.  The list is committed (`field/catalogue/messages/kernel_messages.json`) and holds formats
and names only; `pfntrack explain` says from it who prints a line in which release, and a
test holds it against the catalogue.

    python -m tools.kernel_messages 5.10=DIR 6.1=DIR 6.12=DIR 7.3=DIR > LIST
    python -m tools.kernel_messages --fetch CACHE > LIST

The second form fetches the source packages through apt, each from its own suite.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import attrs

from pfntrack.lab.images.apt import Apt, Suite

# The files read; after a colon the functions, as an expression, where a file has others too.
WHERE = (
    "arch/x86/mm/pat/memtype.c",
    "arch/x86/mm/pat/memtype_interval.c",
    "arch/x86/mm/pat/set_memory.c",
    "arch/x86/mm/pat/cpa-test.c",
    "arch/x86/mm/ioremap.c",
    "arch/x86/mm/init.c:.*(cachemode|cache_mode|devmem).*",
    "arch/x86/mm/pgtable.c:(pmd|pud|p4d)_(set|clear|free).*",
    "arch/x86/mm/mem_encrypt.*:.*(memory|map).*",
    "arch/x86/kernel/cpu/mtrr/*.c",
    "arch/x86/kernel/cpu/cacheinfo.c:(set_|get_)?cache_(bp|ap|cpu|aps|disable|enable|rendezvous).*",
    "arch/x86/pci/i386.c",
    "arch/x86/events/intel/uncore_snb.c:.*ioremap.*",
    "drivers/char/mem.c",
    "drivers/pci/mmap.c",
    "drivers/pci/iomap.c",
    "drivers/pci/proc.c:.*mmap.*",
    "drivers/pci/pci-sysfs.c:.*(mmap|resource|pci_create_attr|write_combine).*",
    "drivers/pci/pci.c:.*(pci_request_region|pci_remap|devm_pci_remap).*|__pci_request_region.*",
    "drivers/pci/devres.c:.*(iomap|region|remap).*",
    "drivers/pci/setup-res.c:pci_claim_resource",
    "drivers/vfio/pci/vfio_pci.c:.*(mmap|fault|zap|bar|vma|probe_mmaps).*",
    "drivers/vfio/pci/vfio_pci_core.c:.*(mmap|fault|zap|bar|vma).*",
    "drivers/vfio/pci/vfio_pci_rdwr.c",
    "drivers/vfio/pci/vfio_pci_dmabuf.c",
    "drivers/vfio/vfio_iommu_type1.c:.*(pin|pfn|vaddr).*",
    "drivers/iommu/iommufd/pages.c:.*(pin|follow|vma|user).*",
    "drivers/uio/uio.c:.*(mmap|fault|vma).*",
    "drivers/dax/device.c",
    "drivers/video/fbdev/vesafb.c",
    "drivers/video/fbdev/efifb.c",
    "drivers/video/fbdev/simplefb.c",
    "drivers/gpu/drm/ttm/ttm_bo_vm.c",
    "include/linux/io-mapping.h",
    "include/linux/mmap_lock.h",
    "include/linux/rwsem.h",
    "kernel/iomem.c",
    "kernel/resource.c:.*(iomem|devmem|__request_region|request_resource|insert_resource"
    "|__release_region|revoke|walk_).*",
    "lib/devres.c",
    "lib/iomap.c",
    "lib/pci_iomap.c",
    "mm/early_ioremap.c",
    "mm/io-mapping.c",
    "mm/ioremap.c",
    "mm/memremap.c",
    "mm/vmalloc.c:.*(vmap_range|vmap_p|ioremap|vunmap_range).*",
    "mm/memory.c:.*(pfn|remap_p.._range|generic_access_phys|print_bad|vm_iomap|vm_normal_page"
    "|copy_page_range|unmap_(single_vma|vmas|mapping|page_range)|zap_(vma|special)"
    "|zap_page_range|vm_insert_page).*",
    "mm/huge_memory.c:.*(insert_p[fm][nd]|insert_pud|pfn).*",
    "mm/mremap.c:.*(move_vma|pfn|vma_to_resize|mremap_to).*",
    "mm/vma.c:.*(split_vma|mmap_action|call_action|pfn).*",
    "mm/mmap.c:(__)?(split_vma|do_munmap|exit_mmap|unmap_region).*",
    "mm/util.c:.*(action|mmap_prepare).*",
    "mm/gup.c:.*(pfn|check_vma_flags).*",
    "kernel/fork.c:(dup_mmap|vm_area_dup|vm_area_free).*",
)
# Where else a message counts if it holds a word of the subject.
TREES = (
    "arch/x86",
    "mm",
    "kernel",
    "lib",
    "drivers/char",
    "drivers/dax",
    "drivers/gpu/drm",
    "drivers/infiniband",
    "drivers/iommu",
    "drivers/net/ethernet/mellanox",
    "drivers/pci",
    "drivers/uio",
    "drivers/vfio",
    "drivers/video/fbdev",
    "virt",
)
_SUBJECT = re.compile(
    r"\b(?:PAT|MTRRs?|mtrr|memtypes?|ioremap\w*|iounmap|memremap\w*|set_memory\w*|pfnmap|PFNMAP"
    r"|[Ww]rite.?[Cc]ombin\w*|uncached|remap_pfn_range|memory types?|/dev/mem)\b"
)
SUITES = {
    "5.10": Suite("bullseye", security=True),
    "6.1": Suite("bookworm", security=True),
    "6.12": Suite("trixie", security=True),
    "7.3": Suite("trixie-backports"),
}
# Calls that print, and those that report a place without (or with) a text.
_PRINT = re.compile(
    r"\b(printk(?:_once|_ratelimited|_deferred)?|early_printk|panic|seq_printf|seq_puts|dprintk"
    r"|pr_(?:emerg|alert|crit|err|warn(?:ing)?|notice|info|debug|devel|cont)(?:_once|_ratelimited)?"
    r"|(?:dev|pci|drm)_(?:emerg|alert|crit|err|warn|notice|info|dbg|WARN)(?:_once|_ratelimited)?"
    r"|dev_err_probe|(?:VM_|RWSEM_)?(?:DEBUG_LOCKS_)?(?:WARN|BUG)(?:_ON)?(?:_ONCE|_RATELIMIT)?"
    r"(?:_VMA|_MM|_PAGE|_FOLIO|_VMG)?|rwsem_assert_held\w*|lockdep_assert\w*"
    r"|CPA_WARN|BUILD_BUG_ON|WARN_TAINT)\s*\("
)
_PR_FMT = re.compile(r"^#define pr_fmt\(fmt\)\s*(.*?)\bfmt", re.MULTILINE)
_DPRINTK = re.compile(r"#define dprintk[^\n]*\\\n.*?printk\((\w+)?\s*(?:pr_fmt\()?\"?", re.DOTALL)
_STRING = re.compile(r'"((?:[^"\\]|\\.)*)"')
_COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.DOTALL)
_NAME = re.compile(r"([A-Za-z_]\w*)\s*\($")
_QUIET = re.compile(r"^(?:BUILD_BUG|lockdep_assert|pr_cont|seq_puts)")
_PLACES = ("WARN", "BUG", "VM_", "rwsem_assert")


@attrs.frozen(slots=True, order=True)
class Found:
    """One call that prints: where it stands, its macro, and its format (empty: only a place)."""

    file: str
    function: str
    call: str
    format: str


def found_in(root: Path) -> Iterator[Found]:
    """All messages of one tree.

    `root`: an unpacked kernel tree.
    """
    for where in WHERE:
        pattern, _, functions = where.partition(":")
        for path in sorted(root.glob(pattern)):
            if path.is_file():
                yield from _of_file(path, str(path.relative_to(root)), functions)
    for tree in TREES:
        for path in sorted((root / tree).rglob("*.c")):
            file = str(path.relative_to(root))
            yield from (found for found in _of_file(path, file, "") if _tells(found))


def _tells(found: Found) -> bool:
    return bool(_SUBJECT.search(found.format)) and not found.call.startswith("seq_")


def _of_file(path: Path, file: str, functions: str) -> Iterator[Found]:
    text = path.read_text(encoding="utf-8", errors="replace")
    prefix = _prefix(text)
    text = _COMMENT.sub(lambda m: re.sub(r"[^\n]", " ", m.group(0)), text)
    wanted = re.compile(functions) if functions else None
    for function, body in _functions(text):
        if wanted is not None and not wanted.fullmatch(function):
            continue
        for match in _PRINT.finditer(body):
            call = match.group(1)
            if _QUIET.match(call):
                continue
            arguments = _arguments(body, match.end())
            text = _format(call, arguments, prefix)
            if text or call.startswith(_PLACES):
                yield Found(file, function, call, text)


def _prefix(text: str) -> str:
    match = _PR_FMT.search(text)
    if match is None:
        return ""
    first = _STRING.search(match.group(1))
    if first is None:
        return "%s: " if "KBUILD_MODNAME" in match.group(1) else ""
    name = "%s" if "KBUILD_MODNAME" in match.group(1).split('"')[0] else ""
    return name + first.group(1)


def _format(call: str, arguments: str, prefix: str) -> str:
    """The format of a call as one string, with the prefix that its macro adds."""
    if call.startswith(("VM_", "rwsem_assert", "BUG")) or re.search(r"_ON(?:_|$)", call):
        return ""
    strings = _first_strings(arguments)
    if not strings:
        return ""
    text = "".join(strings).replace("\\n", "").replace("\\t", " ").replace('\\"', '"')
    if call.startswith(("pr_", "dprintk")):
        text = prefix + text
    elif call.startswith(("dev_", "pci_")):
        text = "%s %s: " + text
    return text.strip()


def _first_strings(arguments: str) -> list[str]:
    """The first run of string literals; macros such as KERN_ERR may stand between them."""
    out: list[str] = []
    at = 0
    for match in _STRING.finditer(arguments):
        between = arguments[at : match.start()]
        if out and "," in between:
            break
        if out and between.strip():
            out.append("%s")
        out.append(match.group(1))
        at = match.end()
    return out


def _arguments(body: str, at: int) -> str:
    depth, start, quoted = 1, at, False
    while at < len(body) and depth:
        char = body[at]
        if char == '"' and body[at - 1] != "\\":
            quoted = not quoted
        elif not quoted:
            depth += (char == "(") - (char == ")")
        at += 1
    return body[start : at - 1]


def _functions(text: str) -> Iterator[tuple[str, str]]:
    """Each function's name and body: what stands in braces at depth 0 behind a parenthesis."""
    depth, start, name = 0, 0, ""
    clean = _STRING.sub(lambda m: '"' + "_" * (len(m.group(0)) - 2) + '"', text)
    clean = re.sub(r"'(?:[^'\\]|\\.)'", "'_'", clean)
    clean = re.sub(
        r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*",
        lambda m: re.sub(r"[^\n]", " ", m[0]),
        clean,
        flags=re.MULTILINE,
    )
    if len(clean) != len(text):
        clean = clean.ljust(len(text))
    last = 0
    for at, char in enumerate(clean):
        if char == "{":
            if depth == 0:
                name, start = _name_before(clean[last:at]), at
            depth += 1
        elif char == "}":
            depth = max(0, depth - 1)
            if depth == 0:
                if name:
                    yield name, text[start : at + 1]
                last = at + 1
        elif char == ";" and depth == 0:
            last = at + 1


def _name_before(head: str) -> str:
    """The name of the function whose head this is; empty for structures and tables."""
    opening = head.find("(")
    while opening >= 0:
        match = _NAME.search(head[: opening + 1])
        if match and match.group(1) not in (
            "__attribute__",
            "__acquires",
            "__releases",
            "__section",
        ):
            return match.group(1)
        opening = head.find("(", opening + 1)
    return ""


def listing(trees: Mapping[str, Path]) -> str:
    """The list as JSON: each message once, with the releases that have it."""
    releases: dict[Found, list[str]] = {}
    for release, root in trees.items():
        for found in found_in(root):
            seen = releases.setdefault(found, [])
            if release not in seen:
                seen.append(release)
    rows = [
        json.dumps([f.file, f.function, f.call, f.format, " ".join(releases[f])])
        for f in sorted(releases)
    ]
    return "[\n" + ",\n".join(rows) + "\n]\n"


def fetched(cache: Path) -> dict[str, Path]:
    """Source packages of all modelled kernels, unpacked as far as they are read."""
    trees = {}
    for release, suite in SUITES.items():
        root = cache / release
        if not root.exists():
            apt = Apt(suite, cache)
            apt.update()
            package = apt.download(f"linux-source-{release}")
            root.mkdir(parents=True)
            _unpack(package, release, root)
        trees[release] = root
    return trees


def _unpack(package: Path, release: str, root: Path) -> None:
    name = f"linux-source-{release}"
    wanted = sorted(
        {f"{name}/{where.partition(':')[0]}" for where in WHERE}
        | {f"{name}/{tree}/*.c" for tree in TREES}
    )
    steps = (
        ["dpkg-deb", "--fsys-tarfile", str(package)],
        ["tar", "-xO", f"./usr/src/{name}.tar.xz"],
        ["xz", "-dc"],
        ["tar", "-x", "-C", str(root), "--strip-components=1", "--wildcards", *wanted],
    )
    running: list[subprocess.Popen[bytes]] = []
    for step in steps:
        source = running[-1].stdout if running else None
        running.append(subprocess.Popen(step, stdin=source, stdout=subprocess.PIPE))  # noqa: S603
    running[-1].communicate()


def main(arguments: list[str]) -> int:
    """Print the list."""
    if arguments[:1] == ["--fetch"] and len(arguments) == 2:
        trees = fetched(Path(arguments[1]))
    else:
        trees = {}
        for word in arguments:
            release, equals, folder = word.partition("=")
            if not equals or not Path(folder).is_dir():
                print(f"{word}: expected RELEASE=DIRECTORY", file=sys.stderr)
                return 2
            trees[release] = Path(folder)
        if not trees:
            print(__doc__, file=sys.stderr)
            return 2
    sys.stdout.write(listing(trees))
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
