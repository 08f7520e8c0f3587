/* A library of another version, which ends the process when anything but its version is asked for. */
#include <stdint.h>
#include <stdlib.h>

typedef struct {
    const void *(*get_api)(uint32_t);
    const char *(*version)(void);
} Base;

static const void *get_api(uint32_t version) {
    (void)version;
    abort();
}

static const char *version(void) { return VERSION; }

const Base *OrtGetApiBase(void) {
    static const Base base = {get_api, version};
    return &base;
}
