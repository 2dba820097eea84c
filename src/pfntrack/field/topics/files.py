"""Topics: files, boot options and build options that people meet."""

from __future__ import annotations

from pfntrack.field.topics.topic import FILES, Topic

_DMESG = "dmesg | pfntrack triage -"

FILE_TOPICS: tuple[Topic, ...] = (
    Topic(
        FILES,
        (
            "resource0_wc",
            "resourceN_wc",
            "resource1_wc",
            "resource2_wc",
            "resource3_wc",
            "resource4_wc",
            "resource5_wc",
            "_wc file",
        ),
        "The file exists only for a prefetchable memory BAR, and only where PAT is on; mmap() of "
        "it asks for write-combining. It gets uncached-minus, without a message, where the BAR is "
        "reserved uncached-minus already (a bound driver).",
        "lspci -vv -s 01:00.0",
    ),
    Topic(
        FILES,
        (
            "resource0",
            "resourceN",
            "resource1",
            "resource2",
            "resource3",
            "resource4",
            "resource5",
            "/sys/bus/pci/devices",
            "sysfs resource file",
        ),
        "mmap() of it gives the BAR uncached-minus. EINVAL with an empty log is mostly strict "
        "devmem (CONFIG_IO_STRICT_DEVMEM): a driver is bound; unbind it or boot with "
        "iomem=relaxed.",
        "lspci -k -s 01:00.0",
        (("Or", "an I/O port BAR (ENODEV), a length behind the end of the BAR (EINVAL)"),),
    ),
    Topic(
        FILES,
        ("/dev/mem", "devmem", "devmem2", "/dev/kmem"),
        "mmap() of it gives device memory uncached-minus with O_SYNC, else write-back where the "
        "MTRRs allow it, and always the type that the range is reserved with. With "
        "CONFIG_STRICT_DEVMEM RAM is closed, with CONFIG_IO_STRICT_DEVMEM every claimed range.",
        "pfntrack run conflict-two-types --release 6.12",
    ),
    Topic(
        FILES,
        (
            "pat_memtype_list",
            "memtype list",
            "memtype_list",
            "/sys/kernel/debug/x86/pat_memtype_list",
            "debugfs list",
        ),
        "One row for every reservation, with its type; the end is exclusive, and no row names an "
        "owner. The file does not exist where PAT is off.",
        "sudo pfntrack collect -o snap && pfntrack audit --snapshot snap",
    ),
    Topic(
        FILES,
        ("/proc/mtrr", "proc mtrr"),
        "The variable MTRRs: base, size, type. Missing means that they are off.",
        "cat /proc/mtrr",
    ),
    Topic(
        FILES,
        ("/proc/iomem", "iomem"),
        "Who has claimed which physical range; read it as root, else all addresses are zero. A "
        "row below a PCI function is a driver's claim.",
        "sudo cat /proc/iomem",
    ),
    Topic(
        FILES,
        ("/proc/vmallocinfo", "vmallocinfo"),
        "Kernel mappings with their caller and phys=: it names who holds an ioremap().",
        "sudo grep ioremap /proc/vmallocinfo",
    ),
    Topic(
        FILES,
        ("/proc/PID/maps", "/proc/PID/smaps", "smaps", "VmFlags"),
        "For /dev/mem and sysfs the offset is the physical address; smaps shows pf (raw pfn "
        "mapping), io, and, up to 6.15, ar for a tracked one.",
        "sudo pfntrack collect -o snap && pfntrack audit --snapshot snap",
    ),
    Topic(
        FILES,
        ("nopat", "nopat option"),
        "The boot option that turns PAT off. It hides conflicts, makes write-combining uncached "
        "and everything that needs it slow; it cures nothing.",
        "cat /proc/cmdline",
    ),
    Topic(
        FILES,
        ("debugpat",),
        "The boot option that logs every reservation and release; triage replays such a log and "
        "shows what is left.",
        _DMESG,
    ),
    Topic(
        FILES,
        ("iomem=relaxed", "iomem relaxed"),
        "The boot option that opens claimed device ranges to /dev/mem and the sysfs resource "
        "files again (it does not open RAM).",
        "grep -o 'iomem=[a-z]*' /proc/cmdline",
    ),
    Topic(
        FILES,
        (
            "strict devmem",
            "CONFIG_STRICT_DEVMEM",
            "CONFIG_IO_STRICT_DEVMEM",
            "STRICT_DEVMEM",
            "IO_STRICT_DEVMEM",
            "io strict devmem",
        ),
        "Keeps /dev/mem away from RAM (the first) and /dev/mem and resourceN away from ranges "
        "that a driver claims (the second): mmap() gives EPERM or EINVAL. Boot with "
        "iomem=relaxed, or unbind the driver.",
        "grep STRICT_DEVMEM /boot/config-$(uname -r)",
    ),
    Topic(
        FILES,
        ("mtrr_cleanup", "enable_mtrr_cleanup", "disable_mtrr_trim", "disable_mtrr_cleanup"),
        "Boot options that rewrite or ignore what the firmware put into the MTRRs. With PAT on no "
        "driver needs them.",
        "cat /proc/mtrr",
    ),
    Topic(
        FILES,
        (
            "efifb",
            "BOOTFB",
            "simpledrm",
            "simplefb",
            "vesafb",
            "boot framebuffer",
            "video=efifb:off",
        ),
        "The boot framebuffer may hold a graphics BAR, so that its driver or VFIO cannot reserve "
        "it. Unbind it, or boot with initcall_blacklist=sysfb_init (before 5.15: "
        "video=efifb:off).",
        "sudo grep -B2 -A2 -iE 'BOOTFB|efifb|simple' /proc/iomem",
    ),
)
