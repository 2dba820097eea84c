/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * Requests that the guest agent sends to /dev/pfnlab.
 *
 * There is one ioctl.  What the arguments mean depends on the request; each
 * comment lists them in the order arg[0], arg[1], ...
 */
#ifndef PFNLAB_H
#define PFNLAB_H

#include <linux/ioctl.h>
#include <linux/types.h>

struct pfnlab_request {
	__u64 what;
	__u64 arg[8];
	__u64 out;
	char name[64];
};

#define PFNLAB_IOCTL _IOWR('P', 1, struct pfnlab_request)

enum {
	PFNLAB_CONFIG = 1,	/* base pfn, pages, mode, cache, first, count */
	PFNLAB_ZAP,		/* file page, pages (0: to the end), even_cows */
	PFNLAB_ZAPVMA,		/* address, bytes */
	PFNLAB_REMAP,		/* address, bytes, pfn, cache */
	PFNLAB_IOREMAP,		/* physical address, bytes, cache, slot */
	PFNLAB_IOUNMAP,		/* slot */
	PFNLAB_CLAIM,		/* physical address, bytes */
	PFNLAB_UNCLAIM,		/* physical address, bytes */
	PFNLAB_WC_RESERVE,	/* physical address, bytes */
	PFNLAB_WC_FREE,		/* physical address, bytes */
	PFNLAB_RAM_ALLOC,	/* slot, pages; out: first pfn */
	PFNLAB_RAM_TYPE,	/* slot, cache */
	PFNLAB_RAM_FREE,	/* slot */
	PFNLAB_FAIL,		/* nth, value, vma address, how to match; name */
	PFNLAB_UNFAIL,		/* out: how often it fired */
	PFNLAB_STATE,		/* pid, first address, last address, buffer, size; out: bytes */
	PFNLAB_INSERT,		/* address, pfn */
	PFNLAB_HOLD,		/* pid, nth; name: where its nth call of the function waits */
	PFNLAB_HELD,		/* out: 1 once it waits */
	PFNLAB_PASS,		/* let it go on; out: 1 if it had waited until then */
};

/* How a file of the driver maps its pages. */
enum {
	PFNLAB_MODE_REMAP = 0,	/* one remap_pfn_range() in mmap */
	PFNLAB_MODE_TWO,	/* two of them, one per half */
	PFNLAB_MODE_FAULT,	/* each page when it is touched */
	PFNLAB_MODE_FAULT_ALL,	/* everything at the first touch */
	PFNLAB_MODE_PAGEWISE,	/* one remap_pfn_range() per page */
	PFNLAB_MODE_NARROW,	/* the same, the VMA narrowed to each page meanwhile */
	PFNLAB_MODE_OPEN_ZAPS,	/* one remap_pfn_range(); a VMA that is opened is zapped */
	PFNLAB_MODE_FAILS,	/* one remap_pfn_range(), then mmap fails */
	PFNLAB_MODE_IOMAP,	/* vm_iomap_memory() of everything the file has */
};

/* Cache modes, in the order in which the kernel numbers them. */
enum {
	PFNLAB_WB = 0,
	PFNLAB_WC,
	PFNLAB_UC_MINUS,
	PFNLAB_UC,
	PFNLAB_WT,
	PFNLAB_WP,
};

/* Which calls of the function PFNLAB_FAIL counts. */
enum {
	PFNLAB_MATCH_ALL = 0,	/* every call by the process that asked */
	PFNLAB_MATCH_ARG,	/* those with the VMA among the first two arguments */
	PFNLAB_MATCH_COPY,	/* those while fork copies the VMA's page tables */
};

#endif
