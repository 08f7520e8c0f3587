/* The part of the NVIDIA driver interface that is asked, with two devices that do not exist. */
#include <string.h>

int cuInit(unsigned flags) { return FAILS + (int)flags; }
int cuDriverGetVersion(int *version) { return *version = 13020, 0; }
int cuDeviceGetCount(int *count) { return *count = 2, 0; }
int cuDeviceGet(int *device, int ordinal) { return *device = ordinal, 0; }
int cuDeviceGetName(char *name, int length, int device) {
    strncpy(name, device == 0 ? "Orin of a test" : "Hopper of a test", (unsigned)length);
    return 0;
}
int cuDeviceGetAttribute(int *value, int attribute, int device) {
    int const capability = device == 0 ? 87 : 90;
    *value = attribute == 75 ? capability / 10 : capability % 10;
    return 0;
}
