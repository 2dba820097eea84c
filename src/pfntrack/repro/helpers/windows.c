/// find_bar:
/* Where the BAR of a window lies, from the device's resource file. */
static void find_bar(enum window w)
{
	unsigned long start = 0, end = 0, flags;
	char path[128];
	FILE *file;
	int i;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/resource", windows[w].device);
	file = fopen(path, "r");
	if (!file)
		skip_all("no PCI device %s: name another one with %s=DEVICE:BAR",
			 windows[w].device, windows[w].name);
	for (i = 0; i <= windows[w].bar; i++)
		if (fscanf(file, "%lx %lx %lx", &start, &end, &flags) != 3)
			start = end = 0;
	fclose(file);
	if (!start || end - start + 1 < PAGES(windows[w].pages))
		skip_all("BAR %d of %s has fewer than %lu pages", windows[w].bar,
			 windows[w].device, windows[w].pages);
	shared->base[w] = start;
	shared->size[w] = end - start + 1;
}

/// set_place:
static void set_place(enum window w, unsigned long base)
{
	shared->base[w] = base;
	shared->size[w] = PAGES(windows[w].pages);
}

/// name_windows: stdlib.h string.h
/* H=0000:03:00.0:2 makes BAR 2 of that device the window H. */
static void name_windows(int argc, char **argv)
{
	int i, w;

	for (i = 1; i < argc; i++) {
		char *value = strchr(argv[i], '='), *bar = strrchr(argv[i], ':');

		for (w = 0; w < NR_WINDOWS && value && bar > value; w++) {
			size_t length = strlen(windows[w].name);

			if (strncmp(argv[i], windows[w].name, length) ||
			    argv[i] + length != value || !windows[w].device)
				continue;
			*bar = 0;
			windows[w].device = value + 1;
			windows[w].bar = atoi(bar + 1);
			break;
		}
		if (!value || bar <= value || w == NR_WINDOWS) {
			fprintf(stderr, "usage: %s [WINDOW=DEVICE:BAR]...\n", argv[0]);
			exit(2);
		}
	}
}

/// open_bar: fcntl.h
/* The sysfs file of a BAR: resourceN is uncached, resourceN_wc write-combining. */
static int open_bar(enum window w, const char *suffix, int flags)
{
	char path[128];

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/resource%d%s",
		 windows[w].device, windows[w].bar, suffix);
	return open(path, flags);
}

/// need: unistd.h
static void need(const char *path, const char *what)
{
	if (access(path, F_OK))
		skip_all("no %s: needs %s", path, what);
}

/// driver_of driver_path: string.h unistd.h
static char driver_path[NR_WINDOWS][256];

/* Remember the device's driver, which is let go and called back. */
static void driver_of(enum window w)
{
	char link[128], to[200];
	ssize_t len;

	snprintf(link, sizeof(link), "/sys/bus/pci/devices/%s/driver", windows[w].device);
	len = readlink(link, to, sizeof(to) - 1);
	if (len < 0)
		skip_all("no driver is bound to %s", windows[w].device);
	to[len] = 0;
	snprintf(driver_path[w], sizeof(driver_path[w]), "/sys/bus/pci/drivers/%s",
		 strrchr(to, '/') + 1);
}

/// driver_does:
/* @what is bind or unbind. */
static long driver_does(enum window w, const char *what)
{
	char path[300];

	snprintf(path, sizeof(path), "%s/%s", driver_path[w], what);
	return write_file(path, windows[w].device);
}

/// need_vfio: string.h unistd.h
/* The device has to be in the hands of vfio-pci. */
static void need_vfio(enum window w)
{
	char link[128], to[200];
	ssize_t len;

	snprintf(link, sizeof(link), "/sys/bus/pci/devices/%s/driver", windows[w].device);
	len = readlink(link, to, sizeof(to) - 1);
	to[len < 0 ? 0 : len] = 0;
	if (len < 0 || strcmp(strrchr(to, '/') + 1, "vfio-pci"))
		skip_all("%s is not bound to vfio-pci", windows[w].device);
}

/// open_vfio: fcntl.h linux/vfio.h string.h sys/ioctl.h unistd.h
/* Container, group and device of a window's PCI function. */
static long open_vfio(enum window w, int *container, int *group, int *device)
{
	char link[128], to[200], path[220];
	ssize_t len;

	snprintf(link, sizeof(link), "/sys/bus/pci/devices/%s/iommu_group", windows[w].device);
	len = readlink(link, to, sizeof(to) - 1);
	if (len < 0)
		return -1;
	to[len] = 0;
	snprintf(path, sizeof(path), "/dev/vfio/%s", strrchr(to, '/') + 1);
	*container = open("/dev/vfio/vfio", O_RDWR);
	*group = open(path, O_RDWR);
	if (*container < 0 || *group < 0 ||
	    ioctl(*group, VFIO_GROUP_SET_CONTAINER, container) ||
	    ioctl(*container, VFIO_SET_IOMMU, VFIO_TYPE1_IOMMU))
		return -1;
	*device = ioctl(*group, VFIO_GROUP_GET_DEVICE_FD, windows[w].device);
	return *device < 0 ? -1 : 0;
}

/// vfio_page: linux/vfio.h sys/ioctl.h
/* Page @page of the BAR, as mmap of the VFIO device counts. */
static unsigned long vfio_page(int device, enum window w, unsigned long page)
{
	struct vfio_region_info info = { .argsz = sizeof(info), .index = windows[w].bar };

	if (ioctl(device, VFIO_DEVICE_GET_REGION_INFO, &info))
		return ~0UL >> 12;
	return info.offset / PAGE + page;
}

/// vfio_memory: errno.h linux/pci_regs.h linux/vfio.h stdint.h sys/ioctl.h unistd.h
/* Set or clear the memory bit of the command register. */
static long vfio_memory(int device, bool on)
{
	struct vfio_region_info info = {
		.argsz = sizeof(info), .index = VFIO_PCI_CONFIG_REGION_INDEX,
	};
	uint16_t command;
	off_t at;

	if (ioctl(device, VFIO_DEVICE_GET_REGION_INFO, &info))
		return -1;
	at = info.offset + PCI_COMMAND;
	if (pread(device, &command, sizeof(command), at) != sizeof(command))
		return -1;
	command &= ~PCI_COMMAND_MEMORY;
	if (on)
		command |= PCI_COMMAND_MEMORY;
	return pwrite(device, &command, sizeof(command), at) == sizeof(command) ? 0 : -1;
}
