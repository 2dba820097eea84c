// SPDX-License-Identifier: GPL-2.0-only
// What is unmapped to make room for a new mapping gives back its reservations with its
// entries, after the TLB was flushed, and not only when the VMA itself is freed. The new
// mapping of the same pages then gets the type it asks for.
//
// Files: mm/vma.c
// Needs: context-list
// Design: context-list-early

@@ identifier f = vms_clean_up_area; identifier vma; iterator name mas_for_each; expression m; @@
f(...)
{
<...
	mas_for_each(m, vma, ULONG_MAX)
+	{
		vma_close(vma);
+#ifdef __HAVE_PFNMAP_TRACKING
+		if (vma->pfnmap_track_ctx) {
+			kref_put(&vma->pfnmap_track_ctx->kref,
+				 pfnmap_track_ctx_release);
+			vma->pfnmap_track_ctx = NULL;
+		}
+#endif
+	}
...>
}
