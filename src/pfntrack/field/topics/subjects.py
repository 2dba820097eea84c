"""Topics: subjects that people ask about, outside the list of reservations itself."""

from __future__ import annotations

from pfntrack.field.topics.topic import SUBJECTS, Topic

_DMESG = "dmesg | pfntrack triage -"

SUBJECT_TOPICS: tuple[Topic, ...] = (
    Topic(
        SUBJECTS,
        (
            "pinning",
            "GUP",
            "get_user_pages",
            "pin_user_pages",
            "ibv_reg_mr",
            "hipHostRegister",
            "cudaHostRegister",
            "hsa_amd_memory_lock",
            "register memory",
            "peer to peer",
            "p2p",
            "p2pdma",
            "GPUDirect",
            "O_DIRECT",
            "memory registration",
        ),
        "A BAR mapped by remap_pfn_range() cannot be pinned: it has no struct pages, so RDMA "
        "registration, O_DIRECT, io_uring buffers and GPU registration give EFAULT (or EINVAL). "
        "Memory types have nothing to do with it.",
        "grep -A25 resource /proc/PID/smaps | grep VmFlags",
        (
            (
                "Instead",
                "a dma-buf of the driver that owns the BAR (ibv_reg_dmabuf_mr), or p2pdma "
                "memory, which has pages",
            ),
        ),
    ),
    Topic(
        SUBJECTS,
        (
            "guest PAT",
            "KVM",
            "IPAT",
            "EPT memory type",
            "KVM_X86_QUIRK_IGNORE_GUEST_PAT",
            "kvm guest memory type",
            "honor guest pat",
        ),
        "On AMD the guest's PAT counts. On Intel KVM makes the guest's RAM write-back whatever the "
        "guest says, unless a device with non-coherent DMA is assigned; for BARs passed through "
        "the guest's type counts. None of that is in the host's list.",
        "dmesg | grep -i 'x86/PAT'",
        (
            (
                "Host",
                "the BAR of a passed-through device is reserved on the host by VFIO "
                "(uncached-minus); that does not decide the guest's type",
            ),
        ),
    ),
    Topic(
        SUBJECTS,
        ("VFIO", "vfio-pci", "passthrough", "GPU passthrough", "pci passthrough"),
        "VFIO maps BARs uncached-minus. Up to 6.9 the first fault reserves the whole mapping; from "
        "6.10 it maps page by page and the BAR is reserved by an ioremap when the device is "
        "opened. Conflicts mean that reservations of the host driver are still there.",
        "lspci -nnk -s 01:00.0; " + _DMESG,
        (
            (
                "Pinning",
                "mapping a BAR for DMA of another device works with VFIO's own container, "
                "and gives EFAULT with iommufd",
            ),
        ),
    ),
    Topic(
        SUBJECTS,
        ("iommufd", "IOMMU_IOAS_MAP", "VFIO_IOMMU_MAP_DMA", "VFIO_MAP_DMA", "iommu map"),
        "EFAULT: the range is a raw pfn mapping, which iommufd cannot pin; VFIO's own container "
        "can. EINVAL is about the arguments (width, alignment, mapped already).",
        "pfntrack explain pinning",
    ),
    Topic(
        SUBJECTS,
        ("Xen", "Xen PV", "Qubes", "dom0"),
        "Under Xen PV the hypervisor sets the table (WB WT UC- UC WC WP UC UC); PAT works although "
        "the log says disabled. Drivers that compare the table with Linux's own give up "
        "write-combining there.",
        "dmesg | grep -iE 'x86/PAT|Xen'",
    ),
    Topic(
        SUBJECTS,
        ("TDX", "SEV", "SEV-SNP", "confidential guest", "Hyper-V", "MTRR in guests"),
        "Guests without MTRRs: kernels 4.6 to 6.1 turn PAT off with them, so write-combining "
        "becomes uncached; 6.2 and later do not.",
        "dmesg | grep -iE 'MTRR|PAT' | pfntrack triage -",
    ),
    Topic(
        SUBJECTS,
        ("nvidia", "NVRM", "nouveau", "i915", "amdgpu", "radeon", "DRM", "graphics"),
        "Graphics drivers reserve their aperture write-combining and their registers "
        "uncached-minus. A conflict names whoever came last: a second driver, the boot "
        "framebuffer, or a virtual machine that maps the whole BAR.",
        _DMESG,
    ),
    Topic(
        SUBJECTS,
        ("gdrcopy", "gdrdrv", "gdrdrv -22"),
        "gdrdrv maps pieces of the GPU's BAR. EINVAL from it is a partial remap over pages of "
        "different types, which has no message of its own: make the types uniform.",
        "pfntrack explain PARTIAL_REMAP_LOOKUP_MIXED",
    ),
    Topic(
        SUBJECTS,
        ("hfi1", "psm2", "opa-psm2", "omni-path"),
        "hfi1 remaps one VMA several times, which 6.16 and later refuse with EINVAL and no "
        "message.",
        "pfntrack explain TRACKCTX_SECOND_REMAP",
    ),
    Topic(
        SUBJECTS,
        ("mlx5", "BlueFlame", "rdma doorbell", "mlx4", "ENA", "EFA", "write combining test"),
        "These drivers map doorbells write-combining and some test it by measuring; in guests the "
        "hypervisor may override the type although PAT is on.",
        "pfntrack explain WC_UNAVAILABLE_TO_DRIVER",
    ),
    Topic(
        SUBJECTS,
        ("huge page", "huge pfnmap", "huge mapping", "pmd mapping", "pud mapping"),
        "VFIO and ioremap() use 2 MiB and 1 GiB entries for BARs where alignment allows it (VFIO "
        "from 6.12 on); mmap() by remap_pfn_range() uses 4 KiB entries in every release.",
        "sudo pfntrack audit --live",
    ),
    Topic(
        SUBJECTS,
        ("ISA hole", "legacy video memory", "first megabyte", "0xa0000"),
        "Physical 0xa0000 to 0xfffff is never tracked: no reservation is made, and mmap() there "
        "gets write-back without a message (the MTRRs keep video memory uncached).",
        "pfntrack run across-1m --release 6.12",
    ),
    Topic(
        SUBJECTS,
        (
            "BAR",
            "base address register",
            "is my BAR write-combining",
            "is WC active",
            "check write-combining",
        ),
        "The memory window of a PCI device. Its memory type is that of its reservation: whoever "
        "mapped it first decided.",
        "pfntrack audit --bar 01:00.0 --memtype-list LIST --lspci LSPCI",
        (
            (
                "Files",
                "LIST is a copy of /sys/kernel/debug/x86/pat_memtype_list (as root), LSPCI the "
                "output of lspci -vv; they may be one file",
            ),
        ),
    ),
    Topic(
        SUBJECTS,
        ("reservation", "memtype", "memtype tracking", "PAT tracking", "pfn tracking"),
        "The kernel's note that a physical range is mapped with one memory type. The first "
        "request for a range decides; later ones get that type or are refused.",
        "sudo cat /sys/kernel/debug/x86/pat_memtype_list",
    ),
    Topic(
        SUBJECTS,
        ("CVE-2024-35877", "COW mapping untrack", "B-COW"),
        "An untrack_pfn() warning and a leaked reservation when the first page of a private "
        "device mapping had been copied on write. Fixed in 6.9, 6.8.5, 6.6.26, 6.1.85, 5.15.154, "
        "5.10.215, 5.4.274 and 4.19.312.",
        "pfntrack explain UNTRACK_COW_FIRST_PAGE",
    ),
    Topic(
        SUBJECTS,
        ("CVE-2025-22090",),
        "A fork() that fails half-way released the parent's reservation (or warned) because the "
        "child's copy was marked as tracked. Fixed in 6.15, 6.14.2, 6.13.11 and 6.12.23.",
        "pfntrack explain UNTRACK_FAILED_FORK",
    ),
    Topic(
        SUBJECTS,
        ("CVE-2025-40181",),
        "In TDX and SEV-SNP guests all memory counts as write-back, so a firmware table that was "
        "mapped first makes ioremap() of the same range fail, the TPM's mostly. Fixed in 6.18, "
        "6.17.4 and 6.12.57, where the hole below 4 GiB counts as uncached.",
        "dmesg | grep -E 'ioremap error|tpm' | pfntrack triage -",
    ),
)
