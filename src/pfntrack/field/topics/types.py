"""Topics: the six memory types, PAT itself and the states and errors that follow from it."""

from __future__ import annotations

from pfntrack.field.topics.topic import STATES, TYPES, Topic

_BAR = "pfntrack audit --bar 01:00.0 --memtype-list LIST --lspci LSPCI"
_DMESG = "dmesg | pfntrack triage -"

TYPE_TOPICS: tuple[Topic, ...] = (
    Topic(
        TYPES,
        ("WC", "write-combining", "write combining", "writecombine", "wc mapping"),
        "Writes are collected and go out in bursts; reads are uncached. It is what framebuffers "
        "and doorbell windows want, and it has to be asked for before anybody else maps the range.",
        _BAR,
        (
            (
                "Ask",
                "ioremap_wc(), pgprot_writecombine() before remap_pfn_range(), or mmap() of "
                "resourceN_wc",
            ),
            (
                "Lost",
                "silently, where the range is reserved uncached-minus already, and on all "
                "kernels with PAT off",
            ),
        ),
    ),
    Topic(
        TYPES,
        ("UC-", "uncached-minus", "uc minus", "UC_MINUS"),
        "Uncached, unless an MTRR says write-combining. It is what ioremap(), "
        "pgprot_noncached(), VFIO and resourceN give, and what a page without reservation counts "
        "as.",
        "sudo cat /sys/kernel/debug/x86/pat_memtype_list",
    ),
    Topic(
        TYPES,
        ("UC", "uncached", "strong uncached", "uncacheable"),
        "Uncached whatever the MTRRs say; only ioremap_uc() and set_memory in few places ask for "
        "it. What people call uncached is mostly uncached-minus (UC-).",
        "pfntrack explain UC-",
    ),
    Topic(
        TYPES,
        ("WB", "write-back", "writeback", "cached"),
        "Cached: the type of RAM. A request for it over device memory is turned into "
        "uncached-minus where the MTRRs do not say write-back.",
        "pfntrack explain MTRR",
    ),
    Topic(
        TYPES,
        ("WT", "write-through", "writethrough"),
        "Reads are cached, writes go through. It needs a table of eight entries; where "
        "write-back or write-combining is reserved already, a request for it is refused.",
        "dmesg | grep 'PAT: Configuration'",
    ),
    Topic(
        TYPES,
        ("WP", "write-protected"),
        "Reads are cached, writes are not; almost nobody asks for it, and tables of four entries "
        "do not have it.",
        "dmesg | grep 'PAT: Configuration'",
    ),
)

STATE_TOPICS: tuple[Topic, ...] = (
    Topic(
        STATES,
        ("EINVAL", "-22", "Invalid argument"),
        "mmap() of device memory that gives EINVAL with an empty log is mostly strict devmem: a "
        "driver is bound to the device. Read the whole log first, because x86/PAT lines are often "
        "hidden at info level.",
        _DMESG,
        (
            (
                "Or",
                "a type was refused (an x86/PAT line says so); a partial remap over pages of "
                "different types (no line); a second full remap of one mapping, on 6.16 and later "
                "(no line); a length of zero; an offset that is no multiple of the page size or "
                "lies behind the BAR; mremap() of raw pfn mappings to a fixed place",
            ),
        ),
    ),
    Topic(
        STATES,
        ("EBUSY", "-16", "Device or resource busy"),
        "The range overlaps reservations of two different types (x86/PAT: conflicting memory "
        "types), or somebody else has claimed the BAR (can't reserve). The log line tells the two "
        "apart.",
        _DMESG,
    ),
    Topic(
        STATES,
        ("ENOMEM", "-12", "Cannot allocate memory"),
        "fork() that fails with ENOMEM although memory is free has a private device mapping whose "
        "first page was copied or is gone (up to 6.15). remap_pfn_range() gives it when page "
        "tables or a reservation cannot be allocated.",
        "pfntrack explain FORK_COPY_FAILED",
    ),
    Topic(
        STATES,
        ("EFAULT", "-14", "Bad address"),
        "Device memory was to be pinned, and a raw pfn mapping has no pages to pin: RDMA "
        "registration, O_DIRECT, iommufd and GPU registration refuse it.",
        "pfntrack explain pinning",
    ),
    Topic(
        STATES,
        ("EPERM", "-1", "Operation not permitted"),
        "/dev/mem is closed: strict devmem, lockdown (secure boot), or no CAP_SYS_RAWIO. Memory "
        "types were not asked.",
        "pfntrack explain 'strict devmem'",
    ),
    Topic(
        STATES,
        ("ENODEV", "-19", "No such device"),
        "The file has no mmap: a resourceN of I/O ports, or a driver without it. Only memory "
        "BARs can be mapped.",
        "lspci -vv -s 01:00.0",
    ),
    Topic(
        STATES,
        ("ENXIO", "-6", "No such device or address"),
        "resourceN or the driver has no memory there: the BAR got no address, or the offset lies "
        "behind its end.",
        "lspci -vv -s 01:00.0",
    ),
    Topic(
        STATES,
        ("EFBIG", "-27", "EOPNOTSUPP", "-95"),
        "madvise(MADV_REMOVE) on a shared mapping of a sysfs PCI file: EFBIG up to 6.12, "
        "EOPNOTSUPP on 7.3. Nothing is emptied.",
        "pfntrack scenarios list",
    ),
    Topic(
        STATES,
        ("SIGBUS", "Bus error"),
        "A fault on device memory found nothing to map: the mapping was revoked (VFIO with memory "
        "decoding off, a driver that was unbound), or the page lies behind the BAR.",
        "pfntrack explain unmap_mapping_range",
    ),
    Topic(
        STATES,
        ("PAT on", "PAT enabled", "is PAT on", "pat_enabled"),
        "PAT is on where the boot log shows x86/PAT: Configuration and "
        "/sys/kernel/debug/x86/pat_memtype_list exists. Every processor of this century has it.",
        "dmesg | grep -i 'x86/PAT'",
    ),
    Topic(
        STATES,
        ("PAT off", "PAT disabled", "no PAT", "without PAT"),
        "Without PAT nothing is tracked and write-combining is served as uncached-minus; the boot "
        "log names the reason (an option, no MTRRs on 4.6 to 6.1, the processor).",
        "dmesg | grep -iE 'PAT|MTRR' | pfntrack triage -",
    ),
    Topic(
        STATES,
        ("PAT", "page attribute table", "memory types", "caching types"),
        "The table of eight memory types that page-table entries select from. Linux tracks which "
        "type each physical range is mapped with, so that two mappings never differ.",
        "dmesg | grep -i 'x86/PAT'",
    ),
    Topic(
        STATES,
        ("MTRR", "MTRRs", "memory type range registers"),
        "The older mechanism: registers of the processor give ranges a type. With PAT on, drivers "
        "need none; MTRRs still decide what a write-back request over device memory gets.",
        "cat /proc/mtrr",
    ),
    Topic(
        STATES,
        ("leak", "stale reservation", "leftover reservation", "stale entry"),
        "A reservation that nothing holds any more stays until reboot, and later requests for "
        "another type are refused or converted. Up to 6.15 partial unmaps, truncation and failed "
        "forks leave them.",
        "sudo pfntrack audit --live",
    ),
    Topic(
        STATES,
        ("alias", "aliasing", "memory type aliasing"),
        "One physical page mapped with two memory types at once; the processor may then lose "
        "writes. The conflict check exists to prevent just that, so do not patch it out.",
        "sudo pfntrack audit --live",
    ),
    Topic(
        STATES,
        ("downgrade", "silent downgrade", "silent conversion", "wrong type"),
        "A request over one existing reservation is given that reservation's type without a "
        "message; write-combining over uncached-minus becomes uncached-minus.",
        _BAR,
    ),
)
