/* The library from C: a gateway of two drives that nobody answers and nobody commands. Exit status 0 when it polls
 * both drives, writes its state, refuses noise and misuse, and enables nothing. */
#include "sinew_mcu.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int failures;
static void expect(const char *what, long found, long wanted) {
    if (found != wanted) {
        printf("%s: expected %ld, found %ld\n", what, wanted, found);
        failures++;
    }
}

int main(void) {
    SinewMcuJoint joint = {1, SINEW_MCU_DM8009, 0, 0.0f, -1.0f, 1.0f, 20.0f, 40.0f, 400.0f, 100.0f, 4.0f, 2.0f, 70.0f, 90.0f};
    SinewMcuJoint joints[2] = {joint, joint};
    joints[1].id = 2;
    SinewMcuConfig config = {2000000, 8000000, 10000000, 50000000, 500000000, 0.05f, 0.1f, 0.1f, 7, 99, 4, joints, 2};
    size_t size = sinew_mcu_size();
    uint8_t *memory = aligned_alloc(sinew_mcu_align(), (size / sinew_mcu_align() + 1) * sinew_mcu_align());
    expect("init without memory", sinew_mcu_init(NULL, size, &config), SINEW_MCU_NULL);
    expect("init", sinew_mcu_init(memory, size, &config), 0);
    SinewMcu *g = (SinewMcu *)memory;
    for (uint64_t n = 0; n < 100; n++) {
        SinewMcuFrame frames[2];
        uint8_t state[SINEW_MCU_MAX_STATE];
        expect("frames", sinew_mcu_begin(g, n, frames, 2), 2);
        for (int i = 0; i < 2; i++) {
            expect("a poll goes to the parameter channel", frames[i].id, 0x7FF);
            expect("and names the drive", frames[i].data[0], i + 1);
        }
        int32_t length = sinew_mcu_finish(g, state, sizeof state);
        expect("state frame", length > 4 && memcmp(state, "SNW1", 4) == 0, 1);
        expect("noise is malformed", sinew_mcu_command(g, state, (size_t)length), 1);
    }
    expect("link waits in ConfigCheck", sinew_mcu_link(g), 1);
    expect("stage", sinew_mcu_stage(g), 0);
    free(memory);
    printf("%s, %zu bytes per gateway\n", failures ? "failed" : "ok", size);
    return failures != 0;
}
