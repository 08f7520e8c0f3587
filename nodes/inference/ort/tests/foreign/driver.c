/* The part of the NVIDIA driver interface that is asked, with a device that does not exist. */
#include <string.h>

int cuInit(unsigned flags) { return FAILS + (int)flags; }
int cuDriverGetVersion(int *version) { return *version = 13020, 0; }
int cuDeviceGetCount(int *count) { return *count = 1, 0; }
int cuDeviceGet(int *device, int ordinal) { return *device = ordinal, 0; }
int cuDeviceGetName(char *name, int length, int device) {
    (void)device;
    strncpy(name, "Orin of a test", (unsigned)length);
    return 0;
}
int cuDeviceGetAttribute(int *value, int attribute, int device) {
    (void)device;
    *value = attribute == 75 ? 8 : 7;
    return 0;
}
