"""Diagnoses of state and of things that are no fault: PAT, MTRRs, questions, look-alikes."""

from __future__ import annotations

from pfntrack.field.catalogue.diagnoses.base import (
    BOOT,
    DMESG,
    LIST,
    LSPCI,
    NEVER_NOPAT,
    TWO_ENTRIES,
    UNAME,
    C,
    Code,
)
from pfntrack.field.read.kernelrelease import Window

STATE: tuple[Code, ...] = (
    Code(
        "CHECK_WC_OF_BAR",
        "Is the BAR write-combining?",
        "The memtype list tells the type of a BAR if its ranges are read half-open: the end of a "
        "row is exclusive although it looks inclusive.",
        "A row [S-E) covers addresses below E only; a row that ends at the BAR belongs to its "
        "neighbour. Downgrades to an existing type are silent.",
        "info",
        "question",
        (
            "Look again while the application has the device open and has touched the BAR. From "
            "6.10 vfio inserts pages at fault and makes no row: `pfntrack audit --live --bar BDF` "
            "reads the page tables instead.",
            "For DPDK: igb_uio with wc_activate=1, or a vfio-pci that maps prefetchable BARs "
            "write-combining.",
        ),
        (),
        (LIST, LSPCI),
        None,
        (),
        (C("amzn/amzn-drivers 215", "the neighbour's row was taken for the BAR's"),),
    ),
    Code(
        "PAT_OFF_BECAUSE_MTRR_OFF",
        "PAT off because MTRRs are off",
        "The machine offers no usable MTRRs, and this kernel ties PAT to them: it keeps the "
        "power-on table, serves write-combining as uncached-minus and tracks nothing.",
        "From 4.6 to 6.1 PAT was initialised together with the MTRRs. There is no memtype list "
        "and no message in this state.",
        "info",
        "no-write-combining",
        (
            "Nothing is wrong. Kernel 6.2 or later uses PAT without MTRRs; or let the hypervisor "
            "offer MTRRs.",
        ),
        (),
        (UNAME, BOOT),
        Window("4.6", "6.2"),
        (),
        (C("edfe63ec97ed", "x86/mtrr: Fix Xorg crashes in Qemu sessions"),),
    ),
    Code(
        "PAT_OFF_CPU",
        "PAT off: processor or firmware",
        "The processor (or the CPU model of the virtual machine) has no PAT, or the firmware left "
        "it at zero; the power-on table is used and nothing is tracked.",
        "Without PAT every request is granted and nothing is recorded; write-combining becomes "
        "uncached-minus.",
        "info",
        "no-write-combining",
        (
            "For a virtual machine choose a CPU model with PAT (-cpu host or any recent "
            "model); old "
            "processors cannot be helped and need nothing.",
        ),
        (),
        (BOOT, UNAME),
    ),
    Code(
        "PAT_OFF_USER",
        "PAT off by choice",
        "PAT was switched off on the kernel command line or in the kernel configuration: no "
        "write-combining, no tracking, no messages.",
        "Without PAT every request is granted and nothing is recorded; write-combining becomes "
        "uncached-minus.",
        "info",
        "no-write-combining",
        ("Remove the option (often a leftover of an old workaround), or enable CONFIG_X86_PAT.",),
        (),
        (BOOT, "cat /proc/cmdline"),
    ),
    Code(
        "XEN_PV_PAT_LAYOUT",
        "Xen PV: PAT works with Xen's own table",
        "The machine is a Xen PV guest or dom0. Xen's PAT table differs from Linux's, is fully "
        'usable, and the "skipping" or "disabled" line does not mean that PAT is off.',
        "The table WB WT UC- UC WC WP UC UC contains every type Linux needs, in other slots.",
        "info",
        "none",
        (
            "Nothing. Software that inspects the table itself (some graphics drivers) may wrongly "
            "claim that write-combining is unavailable.",
        ),
        (),
        (BOOT, UNAME),
        None,
        (),
        (
            C(
                "72cbc8f04fe2",
                "x86/PAT: Have pat_enabled() properly reflect state when running on Xen",
            ),
        ),
    ),
    Code(
        "MTRR_LEGACY_OVERLAP",
        "MTRR request over another MTRR",
        "A driver asked for a write-combining MTRR inside a region that another MTRR already "
        "covers; the request was dropped.",
        "MTRRs are the older mechanism. With PAT the type comes from the page tables, so the "
        "failed MTRR costs nothing where the driver also uses PAT.",
        "info",
        "harmless",
        ("Ignore it on any kernel with PAT; otherwise a firmware option for MTRR mapping.",),
        ("Do not blame PAT: the message comes from the MTRR code.",),
        (BOOT, "cat /proc/mtrr"),
    ),
    Code(
        "MTRR_TRIM",
        "Firmware left RAM uncached; the kernel dropped it",
        "The MTRRs that the firmware set do not cover all RAM as write-back. The kernel does not "
        "use the uncovered part.",
        "RAM that an MTRR makes uncached would be extremely slow, so it is cut off at boot. PAT "
        "cannot override an uncached MTRR.",
        "error",
        "lost-ram",
        (
            "Update the firmware or change its memory remapping or MTRR option.",
            "disable_mtrr_trim brings the RAM back for a test only: it is very slow.",
        ),
        ("Do not blame PAT.",),
        (BOOT, "cat /proc/mtrr"),
    ),
    Code(
        "NOT_PAT",
        "Another cause, not memory-type tracking",
        "The lines report something that looks similar but does not come from memory-type "
        "tracking.",
        "Strict /dev/mem and resource checks refuse before memory types are looked at.",
        "none",
        "none",
        (
            "For /dev/mem and sysfs resource files: CONFIG_STRICT_DEVMEM and "
            "CONFIG_IO_STRICT_DEVMEM "
            "refuse ranges that a driver claims; use the driver's own interface.",
        ),
        (NEVER_NOPAT,),
        (DMESG, "grep -e STRICT_DEVMEM /boot/config-$(uname -r)"),
    ),
    Code(
        "HEALTHY",
        "Nothing wrong",
        "The lines show memory-type tracking in its normal state.",
        "Reservations may overlap freely as long as their types agree.",
        "none",
        "none",
        (),
    ),
    Code(
        "SYNTHETIC_RULE_CHECK",
        "Constructed lines that check the conflict rule",
        "The text says of itself that it was constructed; the lines can be checked against the "
        "rule without any machine.",
        TWO_ENTRIES,
        "info",
        "none",
        ("Compare the lines with the rule; nothing on a machine needs a cure.",),
        (NEVER_NOPAT,),
    ),
)
