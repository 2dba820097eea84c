// SPDX-License-Identifier: GPL-2.0-only
/*
 * pfnlab: a driver that maps physical pages in every way a driver can, plus
 * the few views into the kernel that user space does not offer (page tables,
 * track contexts) and ways to let one call of a kernel function fail or wait
 * (probes.c).
 *
 * It is loaded into throw-away guests only: whoever can open the device can
 * map any physical page and make any function return anything.
 */
#include <linux/fs.h>
#include <linux/io.h>
#include <linux/ioport.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/version.h>
#include <linux/vmalloc.h>
#include <asm/set_memory.h>

#include "pfnlab.h"
#include "probes.h"

#define SLOTS 16

struct lab_file {
	unsigned long base;
	unsigned long pages;
	unsigned int mode;
	unsigned int cache;
	unsigned long first;
	unsigned long count;
};

static void __iomem *io_slot[SLOTS];
static struct { struct page *page; unsigned long pages; unsigned int order; } ram_slot[SLOTS];
static DEFINE_MUTEX(lab_lock);

static pgprot_t with_cache(pgprot_t prot, unsigned int cache)
{
	unsigned long bits = pgprot_val(prot) & ~_PAGE_CACHE_MASK;

	return __pgprot(bits | cachemode2protval(cache));
}

/* ---------------------------------------------------------------- mapping */

static unsigned long lab_pfn(const struct lab_file *lf, const struct vm_area_struct *vma,
			     unsigned long page)
{
	return lf->base + vma->vm_pgoff + page;
}

static vm_fault_t lab_fault_one(struct vm_fault *vmf)
{
	struct vm_area_struct *vma = vmf->vma;
	struct lab_file *lf = vma->vm_file->private_data;

	return vmf_insert_pfn(vma, vmf->address & PAGE_MASK, lf->base + vmf->pgoff);
}

static vm_fault_t lab_fault_all(struct vm_fault *vmf)
{
	struct vm_area_struct *vma = vmf->vma;
	struct lab_file *lf = vma->vm_file->private_data;

	if (remap_pfn_range(vma, vma->vm_start, lab_pfn(lf, vma, 0),
			    vma->vm_end - vma->vm_start, vma->vm_page_prot))
		return VM_FAULT_SIGBUS;
	return VM_FAULT_NOPAGE;
}

static void lab_zap(struct vm_area_struct *vma, unsigned long addr, unsigned long bytes)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(7, 0, 0)
	zap_special_vma_range(vma, addr, bytes);
#else
	zap_vma_ptes(vma, addr, bytes);
#endif
}

static void lab_open_zaps(struct vm_area_struct *vma)
{
	lab_zap(vma, vma->vm_start, vma->vm_end - vma->vm_start);
}

static const struct vm_operations_struct lab_ops_plain = {
	.access = generic_access_phys,
};
static const struct vm_operations_struct lab_ops_one = {
	.fault = lab_fault_one,
	.access = generic_access_phys,
};
static const struct vm_operations_struct lab_ops_all = {
	.fault = lab_fault_all,
	.access = generic_access_phys,
};
static const struct vm_operations_struct lab_ops_open = {
	.open = lab_open_zaps,
	.access = generic_access_phys,
};

static void lab_mark_pfnmap(struct vm_area_struct *vma)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 3, 0)
	vm_flags_set(vma, VM_IO | VM_PFNMAP | VM_DONTEXPAND | VM_DONTDUMP);
#else
	vma->vm_flags |= VM_IO | VM_PFNMAP | VM_DONTEXPAND | VM_DONTDUMP;
#endif
}

static int lab_pagewise(const struct lab_file *lf, struct vm_area_struct *vma,
			unsigned long first, unsigned long count)
{
	unsigned long page;
	int err = 0;

	for (page = first; page < first + count && !err; page++)
		err = remap_pfn_range(vma, vma->vm_start + page * PAGE_SIZE,
				      lab_pfn(lf, vma, page), PAGE_SIZE, vma->vm_page_prot);
	return err;
}

/* What hfi1 does: each page is the whole VMA for as long as it is being mapped. */
static int lab_narrow(const struct lab_file *lf, struct vm_area_struct *vma)
{
	unsigned long start = vma->vm_start, end = vma->vm_end, addr;
	unsigned long pfn = lab_pfn(lf, vma, 0);
	int err = 0;

	for (addr = start; addr < end && !err; addr += PAGE_SIZE) {
		vma->vm_start = addr;
		vma->vm_end = addr + PAGE_SIZE;
		err = remap_pfn_range(vma, addr, pfn + ((addr - start) >> PAGE_SHIFT),
				      PAGE_SIZE, vma->vm_page_prot);
	}
	vma->vm_start = start;
	vma->vm_end = end;
	return err;
}

static int lab_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct lab_file *lf = file->private_data;
	unsigned long pages = vma_pages(vma);
	unsigned long first = lf->first;
	unsigned long count = lf->count ? lf->count : pages - first;
	unsigned long half;
	int err;

	/* An empty range would be a BUG in remap_pfn_range(). */
	if (!lf->pages || vma->vm_pgoff + pages > lf->pages || first >= pages ||
	    count > pages - first)
		return -EINVAL;
	vma->vm_page_prot = with_cache(vma->vm_page_prot, lf->cache);
	vma->vm_ops = lf->mode == PFNLAB_MODE_OPEN_ZAPS ? &lab_ops_open : &lab_ops_plain;
	switch (lf->mode) {
	case PFNLAB_MODE_REMAP:
	case PFNLAB_MODE_OPEN_ZAPS:
	case PFNLAB_MODE_FAILS:
		err = remap_pfn_range(vma, vma->vm_start + first * PAGE_SIZE,
				      lab_pfn(lf, vma, first), count * PAGE_SIZE,
				      vma->vm_page_prot);
		return !err && lf->mode == PFNLAB_MODE_FAILS ? -EIO : err;
	case PFNLAB_MODE_IOMAP:
		return vm_iomap_memory(vma, PFN_PHYS(lf->base), lf->pages << PAGE_SHIFT);
	case PFNLAB_MODE_PAGEWISE:
		return lab_pagewise(lf, vma, first, count);
	case PFNLAB_MODE_NARROW:
		return lab_narrow(lf, vma);
	case PFNLAB_MODE_TWO:
		half = pages / 2;
		if (!half)
			return -EINVAL;
		err = remap_pfn_range(vma, vma->vm_start, lab_pfn(lf, vma, 0),
				      half * PAGE_SIZE, vma->vm_page_prot);
		if (err)
			return err;
		return remap_pfn_range(vma, vma->vm_start + half * PAGE_SIZE,
				       lab_pfn(lf, vma, half), (pages - half) * PAGE_SIZE,
				       vma->vm_page_prot);
	case PFNLAB_MODE_FAULT:
	case PFNLAB_MODE_FAULT_ALL:
		lab_mark_pfnmap(vma);
		vma->vm_ops = lf->mode == PFNLAB_MODE_FAULT ? &lab_ops_one : &lab_ops_all;
		return 0;
	}
	return -EINVAL;
}

static int do_config(struct lab_file *lf, const __u64 *a)
{
	lf->base = a[0];
	lf->pages = a[1];
	lf->mode = a[2];
	lf->cache = a[3];
	lf->first = a[4];
	lf->count = a[5];
	return 0;
}

static int do_zapvma(unsigned long addr, unsigned long bytes)
{
	struct vm_area_struct *vma;
	int err = -EINVAL;

	mmap_write_lock(current->mm);
	vma = find_vma(current->mm, addr);
	if (vma && vma->vm_start <= addr && addr + bytes <= vma->vm_end) {
		lab_zap(vma, addr, bytes);
		err = 0;
	}
	mmap_write_unlock(current->mm);
	return err;
}

static int do_remap(unsigned long addr, unsigned long bytes, unsigned long pfn,
		    unsigned int cache)
{
	struct vm_area_struct *vma;
	int err = -EINVAL;

	mmap_write_lock(current->mm);
	vma = find_vma(current->mm, addr);
	if (vma && vma->vm_start <= addr && addr + bytes <= vma->vm_end)
		err = remap_pfn_range(vma, addr, pfn, bytes,
				      with_cache(vma->vm_page_prot, cache));
	mmap_write_unlock(current->mm);
	return err;
}

static int do_insert(unsigned long addr, unsigned long pfn)
{
	struct vm_area_struct *vma;
	int err = -EINVAL;

	mmap_read_lock(current->mm);
	vma = find_vma(current->mm, addr);
	/* Into a private mapping it would be a BUG. */
	if (vma && vma->vm_start <= addr && vma->vm_flags & VM_PFNMAP &&
	    (vma->vm_flags & (VM_SHARED | VM_MAYWRITE)) != VM_MAYWRITE)
		err = vmf_insert_pfn(vma, addr, pfn) == VM_FAULT_NOPAGE ? 0 : -ENOMEM;
	mmap_read_unlock(current->mm);
	return err;
}

/* ----------------------------------------------------------- kernel's own */

static int do_ioremap(phys_addr_t start, unsigned long bytes, unsigned int cache,
		      unsigned int slot)
{
	void __iomem *p = NULL;

	if (slot >= SLOTS || io_slot[slot])
		return -EBUSY;
	switch (cache) {
	case PFNLAB_WB:
		p = ioremap_cache(start, bytes);
		break;
	case PFNLAB_WC:
		p = ioremap_wc(start, bytes);
		break;
	case PFNLAB_UC_MINUS:
		p = ioremap(start, bytes);
		break;
	case PFNLAB_UC:
		p = ioremap_uc(start, bytes);
		break;
	case PFNLAB_WT:
		p = ioremap_wt(start, bytes);
		break;
	default:
		return -EINVAL;
	}
	if (!p)
		return -ENOMEM;
	io_slot[slot] = p;
	return 0;
}

static int do_iounmap(unsigned int slot)
{
	if (slot >= SLOTS || !io_slot[slot])
		return -ENOENT;
	iounmap(io_slot[slot]);
	io_slot[slot] = NULL;
	return 0;
}

static int do_ram_alloc(unsigned int slot, unsigned long pages, __u64 *pfn)
{
	unsigned int order = get_order(pages * PAGE_SIZE);
	struct page *page;

	if (slot >= SLOTS || ram_slot[slot].page || !pages)
		return -EBUSY;
	page = alloc_pages(GFP_KERNEL | __GFP_ZERO, order);
	if (!page)
		return -ENOMEM;
	ram_slot[slot].page = page;
	ram_slot[slot].pages = pages;
	ram_slot[slot].order = order;
	*pfn = page_to_pfn(page);
	return 0;
}

static int do_ram_type(unsigned int slot, unsigned int cache)
{
	unsigned long addr;
	int pages;

	if (slot >= SLOTS || !ram_slot[slot].page)
		return -ENOENT;
	addr = (unsigned long)page_address(ram_slot[slot].page);
	pages = ram_slot[slot].pages;
	switch (cache) {
	case PFNLAB_WB:
		return set_memory_wb(addr, pages);
	case PFNLAB_WC:
		return set_memory_wc(addr, pages);
	case PFNLAB_UC_MINUS:
		return set_memory_uc(addr, pages);
	}
	return -EINVAL;
}

static int do_ram_free(unsigned int slot)
{
	if (slot >= SLOTS || !ram_slot[slot].page)
		return -ENOENT;
	__free_pages(ram_slot[slot].page, ram_slot[slot].order);
	ram_slot[slot].page = NULL;
	return 0;
}

/* ------------------------------------------------------------- page tables */

struct text {
	char *buf;
	size_t len;
	size_t size;
};

static __printf(2, 3) void emit(struct text *t, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	if (t->len < t->size)
		t->len += vscnprintf(t->buf + t->len, t->size - t->len, fmt, ap);
	va_end(ap);
}

struct run {
	unsigned long at;
	unsigned long pages;
	unsigned long pfn;
	unsigned long bits;
	unsigned int huge;
};

#define ADDRESS_BITS 0x000ffffffffff000UL
#define TOUCHED_BITS 0x60UL	/* accessed and dirty: no part of the state */
#define LEAF_BIT 0x80UL
#define PRESENT_BIT 0x1UL

static void run_end(struct text *t, struct run *r)
{
	if (r->pages)
		emit(t, "P %lx %lu %lx %lx %u\n", r->at, r->pages, r->pfn, r->bits, r->huge);
	r->pages = 0;
}

static void run_add(struct text *t, struct run *r, unsigned long at, unsigned long pages,
		    unsigned long pfn, unsigned long bits, unsigned int huge)
{
	bits &= ~(ADDRESS_BITS | TOUCHED_BITS);
	if (r->pages && r->at + r->pages * PAGE_SIZE == at && r->pfn + r->pages == pfn &&
	    r->bits == bits && r->huge == huge) {
		r->pages += pages;
		return;
	}
	run_end(t, r);
	r->at = at;
	r->pages = pages;
	r->pfn = pfn;
	r->bits = bits;
	r->huge = huge;
}

static void walk_pmd(struct text *t, struct run *r, pmd_t *pmd, unsigned long at,
		     unsigned long end)
{
	unsigned long val = *(unsigned long *)pmd;
	unsigned long addr;

	if (!(val & PRESENT_BIT))
		return;
	if (val & LEAF_BIT) {
		/* The cache bit that a small entry has in place of LEAF_BIT sits above it. */
		unsigned long bits = (val & ~LEAF_BIT) | (val & 0x1000 ? LEAF_BIT : 0);

		run_add(t, r, at & PMD_MASK, PTRS_PER_PTE,
			(val & ADDRESS_BITS & PMD_MASK) >> PAGE_SHIFT, bits, 1);
		return;
	}
	for (addr = at; addr < end; addr += PAGE_SIZE) {
		val = *(unsigned long *)pte_offset_kernel(pmd, addr);
		if (val & PRESENT_BIT)
			run_add(t, r, addr, 1, (val & ADDRESS_BITS) >> PAGE_SHIFT, val, 0);
	}
}

static void walk_vma(struct text *t, struct mm_struct *mm, struct vm_area_struct *vma)
{
	struct run r = {};
	unsigned long addr, next;

	for (addr = vma->vm_start; addr < vma->vm_end; addr = next) {
		pgd_t *pgd = pgd_offset(mm, addr);
		p4d_t *p4d;
		pud_t *pud;

		next = min((addr & PMD_MASK) + PMD_SIZE, vma->vm_end);
		if (pgd_none(*pgd))
			continue;
		p4d = p4d_offset(pgd, addr);
		if (p4d_none(*p4d))
			continue;
		pud = pud_offset(p4d, addr);
		if (pud_none(*pud) || *(unsigned long *)pud & LEAF_BIT)
			continue;
		walk_pmd(t, &r, pmd_offset(pud, addr), addr, next);
	}
	run_end(t, &r);
}

static void show_vma(struct text *t, struct vm_area_struct *vma, char *name, int len)
{
	unsigned long ctx = 0, pfn = 0, size = 0;
	char *path = "";
	unsigned int refs = 0;

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 16, 0)
	if (vma->pfnmap_track_ctx) {
		ctx = (unsigned long)vma->pfnmap_track_ctx;
		pfn = vma->pfnmap_track_ctx->pfn;
		size = vma->pfnmap_track_ctx->size;
		refs = kref_read(&vma->pfnmap_track_ctx->kref);
	}
#endif
	if (vma->vm_file)
		path = file_path(vma->vm_file, name, len);
	emit(t, "V %lx %lx %lx %lx %lx %lx %lu %u %lx %s\n", vma->vm_start, vma->vm_end,
	     vma->vm_pgoff, (unsigned long)pgprot_val(vma->vm_page_prot), ctx, pfn,
	     size >> PAGE_SHIFT, refs, (unsigned long)vma->vm_flags, IS_ERR(path) ? "?" : path);
}

static int do_state(const __u64 *a, __u64 *out)
{
	struct text t = { .size = min_t(size_t, a[4], 1 << 20) };
	struct task_struct *task;
	struct vm_area_struct *vma;
	struct mm_struct *mm;
	unsigned long addr = a[1];
	char name[256];
	struct pid *pid;
	int err = 0;

	pid = find_get_pid(a[0]);
	task = get_pid_task(pid, PIDTYPE_PID);
	put_pid(pid);
	if (!task)
		return -ESRCH;
	mm = get_task_mm(task);
	put_task_struct(task);
	if (!mm)
		return -ESRCH;
	t.buf = kvmalloc(t.size, GFP_KERNEL);
	if (!t.buf) {
		err = -ENOMEM;
		goto out_mm;
	}
	/* A task that died inside the kernel may hold the lock for ever. */
	if (!mmap_read_trylock(mm)) {
		err = -EBUSY;
		goto out_buf;
	}
	while ((vma = find_vma(mm, addr)) && vma->vm_start < a[2]) {
		show_vma(&t, vma, name, sizeof(name));
		walk_vma(&t, mm, vma);
		addr = vma->vm_end;
	}
	mmap_read_unlock(mm);
	if (copy_to_user((void __user *)(unsigned long)a[3], t.buf, t.len))
		err = -EFAULT;
	*out = t.len;
out_buf:
	kvfree(t.buf);
out_mm:
	mmput(mm);
	return err;
}

/* ---------------------------------------------------------------- plumbing */

static int lab_dispatch(struct file *file, struct pfnlab_request *q)
{
	const __u64 *a = q->arg;

	switch (q->what) {
	case PFNLAB_CONFIG:
		return do_config(file->private_data, a);
	case PFNLAB_ZAP:
		unmap_mapping_range(file->f_mapping, (loff_t)a[0] << PAGE_SHIFT,
				    (loff_t)a[1] << PAGE_SHIFT, a[2]);
		return 0;
	case PFNLAB_ZAPVMA:
		return do_zapvma(a[0], a[1]);
	case PFNLAB_REMAP:
		return do_remap(a[0], a[1], a[2], a[3]);
	case PFNLAB_IOREMAP:
		return do_ioremap(a[0], a[1], a[2], a[3]);
	case PFNLAB_IOUNMAP:
		return do_iounmap(a[0]);
	case PFNLAB_CLAIM:
		return request_mem_region(a[0], a[1], "pfnlab") ? 0 : -EBUSY;
	case PFNLAB_UNCLAIM:
		release_mem_region(a[0], a[1]);
		return 0;
	case PFNLAB_WC_RESERVE:
		return arch_io_reserve_memtype_wc(a[0], a[1]);
	case PFNLAB_WC_FREE:
		arch_io_free_memtype_wc(a[0], a[1]);
		return 0;
	case PFNLAB_RAM_ALLOC:
		return do_ram_alloc(a[0], a[1], &q->out);
	case PFNLAB_RAM_TYPE:
		return do_ram_type(a[0], a[1]);
	case PFNLAB_RAM_FREE:
		return do_ram_free(a[0]);
	case PFNLAB_FAIL:
		q->name[sizeof(q->name) - 1] = 0;
		return do_fail(q->name, a);
	case PFNLAB_UNFAIL:
		q->out = do_unfail();
		return 0;
	case PFNLAB_STATE:
		return do_state(a, &q->out);
	case PFNLAB_INSERT:
		return do_insert(a[0], a[1]);
	case PFNLAB_HOLD:
		q->name[sizeof(q->name) - 1] = 0;
		return do_hold(q->name, a);
	case PFNLAB_HELD:
		q->out = do_held();
		return 0;
	case PFNLAB_PASS:
		q->out = do_pass();
		return 0;
	}
	return -ENOTTY;
}

static long lab_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct pfnlab_request q;
	int err;

	if (cmd != PFNLAB_IOCTL)
		return -ENOTTY;
	if (copy_from_user(&q, (void __user *)arg, sizeof(q)))
		return -EFAULT;
	/* No lock around these: they must work while another request hangs or is held. */
	if (q.what == PFNLAB_STATE || q.what == PFNLAB_HELD || q.what == PFNLAB_PASS) {
		err = lab_dispatch(file, &q);
	} else {
		mutex_lock(&lab_lock);
		err = lab_dispatch(file, &q);
		mutex_unlock(&lab_lock);
	}
	if (!err && copy_to_user((void __user *)arg, &q, sizeof(q)))
		return -EFAULT;
	return err;
}

static int lab_open(struct inode *inode, struct file *file)
{
	file->private_data = kzalloc(sizeof(struct lab_file), GFP_KERNEL);
	return file->private_data ? 0 : -ENOMEM;
}

static int lab_release(struct inode *inode, struct file *file)
{
	kfree(file->private_data);
	return 0;
}

static const struct file_operations lab_fops = {
	.owner = THIS_MODULE,
	.open = lab_open,
	.release = lab_release,
	.mmap = lab_mmap,
	.unlocked_ioctl = lab_ioctl,
};

static struct miscdevice lab_dev = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "pfnlab",
	.fops = &lab_fops,
	.mode = 0600,
};

static int __init lab_init(void)
{
	return misc_register(&lab_dev);
}

static void __exit lab_exit(void)
{
	do_unfail();
	do_pass();
	misc_deregister(&lab_dev);
}

module_init(lab_init);
module_exit(lab_exit);
MODULE_DESCRIPTION("Maps physical pages in every way a driver can");
MODULE_LICENSE("GPL");
