// SPDX-License-Identifier: GPL-2.0-only
// The list of reservations (debugfs) must be after each test what it was before: a test
// that passes while its reservations are lost or kept for ever now fails.
//
// Files: tools/testing/selftests/mm/pfnmap.c

@@ @@
#include "vm_util.h"
+#include "memtype_list.h"

@@ @@
+	memtype_list_remember();
	self->pagesize = getpagesize();

@@ @@
	if (self->addr1 != MAP_FAILED)
		munmap(self->addr1, self->size1);
+	EXPECT_EQ(memtype_list_changed(), 0);
