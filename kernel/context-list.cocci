// SPDX-License-Identifier: GPL-2.0-only
// A VMA may have several tracking contexts, one for each time that the whole of it was
// remapped: a list, newest first. Whoever has the first has the whole list, and copies
// of the VMA share it. The release is a loop, since a driver can make hundreds.
//
// Files: mm/memory.c include/linux/mm_types.h
// Needs: context-ram
// Design: context-list

@@ @@
struct pfnmap_track_ctx {
	struct kref kref;
+	struct pfnmap_track_ctx *next;
	...
};

@@ identifier f = remap_pfn_range_track; identifier vma; @@
f(...)
{
<...
-	if (vma->pfnmap_track_ctx && pfnmap_reserves(pfn, size))
-		return -EINVAL;
...>
}

@@ identifier f = remap_pfn_range_track; identifier vma; expression ctx; @@
f(...)
{
<...
-			vma->pfnmap_track_ctx = ctx;
+			vma_add_pfnmap_track_ctx(vma, ctx);
...>
}

@@ identifier f = pfnmap_track_ctx_alloc; expression ctx; @@
f(...)
{
...
	ctx->size = size;
+	ctx->next = NULL;
...
}

@@ @@
+static void pfnmap_track_ctx_unused(struct kref *ref)
+{
+}
+
void pfnmap_track_ctx_release(struct kref *ref)
{
	...
-	pfnmap_untrack(ctx->pfn, ctx->size);
-	kfree(ctx);
+	while (ctx) {
+		struct pfnmap_track_ctx *next = ctx->next;
+
+		pfnmap_untrack(ctx->pfn, ctx->size);
+		kfree(ctx);
+		if (next && !kref_put(&next->kref, pfnmap_track_ctx_unused))
+			return;
+		ctx = next;
+	}
}

@@ typedef pgprot_t; @@
+static void vma_add_pfnmap_track_ctx(struct vm_area_struct *vma,
+		struct pfnmap_track_ctx *ctx)
+{
+	ctx->next = vma->pfnmap_track_ctx;
+	vma->pfnmap_track_ctx = ctx;
+}
+
static int remap_pfn_range_track(struct vm_area_struct *vma, unsigned long addr,
		unsigned long pfn, unsigned long size, pgprot_t prot)
{
...
}
