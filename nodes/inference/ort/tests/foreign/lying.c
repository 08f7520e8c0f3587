/* The real library with some of its answers exchanged, as a file of flags says at each call.
 *
 * Built by the tests with: REAL, path of the real library; CONTROL, path of the flags; SLOTS, entries of its function
 * table; and the slot of each function below. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef void *Status;
typedef struct {
    const void *(*get_api)(uint32_t);
    const char *(*version)(void);
} Base;

static void *table[SLOTS];
static void *real[SLOTS];
static Base *base_of_real;

static int told(const char *flag) {
    char text[512] = {0};
    FILE *file = fopen(CONTROL, "r");
    if (!file) return 0;
    size_t length = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    return length > 0 && strstr(text, flag) != NULL;
}

static Status refuse(const char *words) {
    return ((Status(*)(int, const char *))real[CREATE_STATUS])(1, words);
}

static Status available(char ***names, int *count) {
    if (!told("cuda_listed")) return ((Status(*)(char ***, int *))real[AVAILABLE])(names, count);
    char **list = calloc(3, sizeof *list);
    list[0] = strdup("TensorrtExecutionProvider");
    list[1] = strdup("CUDAExecutionProvider");
    list[2] = strdup("CPUExecutionProvider");
    *names = list;
    *count = 3;
    return NULL;
}

static Status release_available(char **names, int count) {
    if (!told("cuda_listed")) return ((Status(*)(char **, int))real[RELEASE_AVAILABLE])(names, count);
    for (int i = 0; i < count; i++) free(names[i]);
    free(names);
    return NULL;
}

static Status create_cuda(void **options) {
    if (!told("cuda_registers")) return ((Status(*)(void **))real[CREATE_CUDA])(options);
    *options = malloc(1);
    return NULL;
}

static Status update_cuda(void *options, const char *const *keys, const char *const *values, size_t count) {
    if (!told("cuda_registers"))
        return ((Status(*)(void *, const char *const *, const char *const *, size_t))real[UPDATE_CUDA])(
            options, keys, values, count);
    return NULL;
}

static void release_cuda(void *options) {
    if (told("cuda_registers")) free(options);
    else ((void (*)(void *))real[RELEASE_CUDA])(options);
}

static Status append_cuda(void *session_options, const void *options) {
    if (!told("cuda_registers")) return ((Status(*)(void *, const void *))real[APPEND_CUDA])(session_options, options);
    return NULL; /* registered, says it; nothing happened */
}

#ifdef PROVIDER_NAME
static Status provider_name(const void *subgraph, const char **name) {
    if (!told("assignment_says_cuda"))
        return ((Status(*)(const void *, const char **))real[PROVIDER_NAME])(subgraph, name);
    *name = "CUDAExecutionProvider";
    return NULL;
}
#endif

static Status run(void *session, const void *options, const char *const *names, const void *const *inputs,
                  size_t inputs_count, const char *const *output_names, size_t outputs_count, void **outputs) {
    if (told("run_fails")) return refuse("CUDA error 719: unspecified launch failure");
    return ((Status(*)(void *, const void *, const char *const *, const void *const *, size_t, const char *const *,
                       size_t, void **))real[RUN])(session, options, names, inputs, inputs_count, output_names,
                                                   outputs_count, outputs);
}

static const void *get_api(uint32_t version) {
    const void *api = base_of_real->get_api(version);
    if (!api) return NULL;
    memcpy(real, api, sizeof real);
    memcpy(table, api, sizeof table);
    table[AVAILABLE] = available;
    table[RELEASE_AVAILABLE] = release_available;
    table[CREATE_CUDA] = create_cuda;
    table[UPDATE_CUDA] = update_cuda;
    table[RELEASE_CUDA] = release_cuda;
    table[APPEND_CUDA] = append_cuda;
#ifdef PROVIDER_NAME
    table[PROVIDER_NAME] = provider_name;
#endif
    table[RUN] = run;
    return table;
}

static const char *version(void) { return base_of_real->version(); }

const Base *OrtGetApiBase(void) {
    static const Base base = {get_api, version};
    if (!base_of_real) {
        void *library = dlopen(REAL, RTLD_NOW);
        if (!library) return NULL;
        base_of_real = ((Base * (*)(void)) dlsym(library, "OrtGetApiBase"))();
    }
    return &base;
}
