// SPDX-License-Identifier: GPL-2.0-only
// Nothing is reserved for RAM, so there is nothing to give back: no tracking context
// is made for it, and a driver may map its buffers one after the other.
//
// Files: mm/memory.c arch/x86/mm/pat/memtype.c include/linux/pgtable.h
// Design: context-ram

@@ identifier f = pfnmap_track_ctx_alloc; expression ctx; @@
f(...)
{
...
+	if (!pfnmap_reserves(pfn, size))
+		return NULL;
	ctx = kmalloc_obj(*ctx);
...
}

@@ identifier f = remap_pfn_range_track; identifier vma; @@
f(...)
{
<...
-	if (vma->pfnmap_track_ctx)
+	if (vma->pfnmap_track_ctx && pfnmap_reserves(pfn, size))
		return -EINVAL;
...>
}

@@ typedef bool, resource_size_t; @@
+/*
+ * Does pfnmap_track() make an entry for these pages? Not for RAM, whose type is
+ * in its page flags, not for what the platform leaves untracked, not without PAT.
+ */
+bool pfnmap_reserves(unsigned long pfn, unsigned long size)
+{
+	const resource_size_t start = (resource_size_t)pfn << PAGE_SHIFT;
+
+	if (!pat_enabled())
+		return false;
+	if (x86_platform.is_untracked_pat_range(start, start + size))
+		return false;
+	return !pat_pagerange_is_ram(start, start + size);
+}
+
void pfnmap_untrack(unsigned long pfn, unsigned long size)
{
...
	free_pfn_range(...);
}

@@ typedef bool; @@
+bool pfnmap_reserves(unsigned long pfn, unsigned long size);
void pfnmap_untrack(...);
