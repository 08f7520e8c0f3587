/* C interface of the motor gateway (sinew_mcu). One gateway per block of memory that the caller owns; no globals, no
 * heap. A result below zero is an error of the caller and nothing was done. No two calls for one gateway at once.
 *
 * Each bus period n:
 *   sinew_mcu_begin(g, n, frames, capacity)    send these frames on the bus at once
 *   sinew_mcu_receive(g, &frame)               for each reply until the cutoff
 *   sinew_mcu_finish(g, out, capacity)         send these bytes to the host
 *   sinew_mcu_command(g, bytes, length)        whenever bytes of the host arrive; in force from the next period on
 */
#ifndef SINEW_MCU_H
#define SINEW_MCU_H
#include <stddef.h>
#include <stdint.h>

#define SINEW_MCU_NULL (-1)
#define SINEW_MCU_TOO_SMALL (-2)
#define SINEW_MCU_ALIGNMENT (-3)
#define SINEW_MCU_CONFIG (-4)
#define SINEW_MCU_VALUE (-5)
#define SINEW_MCU_NOT_NOW (-6)

#define SINEW_MCU_MAX_DRIVES 16
#define SINEW_MCU_MAX_STATE 2048 /* bytes of a state frame at most */

/* SinewMcuJoint.model */
enum {
    SINEW_MCU_DM3507, SINEW_MCU_DM4310, SINEW_MCU_DM4310_48V, SINEW_MCU_DM4340, SINEW_MCU_DM6006,
    SINEW_MCU_DM8006, SINEW_MCU_DM8009, SINEW_MCU_DM10010, SINEW_MCU_DM10010L
};

typedef struct SinewMcu SinewMcu;

typedef struct {
    uint16_t id;      /* CAN id of the drive */
    uint8_t model;
    uint8_t reversed; /* 1: the drive turns against the joint */
    float offset_rad; /* joint position at the drive's zero */
    float q_min_rad, q_max_rad, dq_max_rad_s, tau_max_nm;
    float ddq_max_rad_s2; /* deceleration to count on before a position limit */
    float kp_max, kd_max;
    float kd_safe; /* damping when nobody commands */
    float temperature_warn_c, temperature_max_c;
} SinewMcuJoint;

typedef struct {
    uint64_t period_ns, valid_for_ns, t1_ns, t2_ns, rest_ns; /* 2, 8, 10, 50, 500 ms on the quadruped */
    float rest_dq_rad_s, rest_gyro_rad_s;                    /* 0.05, 0.1 */
    float start_epsilon_rad;                                 /* first command within this of the measured position */
    uint32_t robot;                                          /* id of the robot's name on the wire */
    uint32_t boot_id;                                        /* random per start */
    uint32_t calibration_id;
    const SinewMcuJoint *joints;
    uint32_t joint_count;
} SinewMcuConfig;

/* Classic CAN, standard id. */
typedef struct {
    uint16_t id;
    uint8_t length;
    uint8_t data[8];
} SinewMcuFrame;

size_t sinew_mcu_size(void);
size_t sinew_mcu_align(void);
int32_t sinew_mcu_init(uint8_t *memory, size_t size, const SinewMcuConfig *config);
uint64_t sinew_mcu_limits_hash(const SinewMcu *g);
/* 0: accepted; above 0: number of the refusal, as in the state frame. */
int32_t sinew_mcu_command(SinewMcu *g, const uint8_t *bytes, size_t length);
/* Number of frames, one per drive. */
int32_t sinew_mcu_begin(SinewMcu *g, uint64_t step, SinewMcuFrame *frames, size_t capacity);
int32_t sinew_mcu_receive(SinewMcu *g, const SinewMcuFrame *frame);
/* Bytes of the state frame. */
int32_t sinew_mcu_finish(SinewMcu *g, uint8_t *out, size_t capacity);
int32_t sinew_mcu_estop_input(SinewMcu *g, uint8_t pressed);
/* 1, then 2; SINEW_MCU_NOT_NOW while a joint moves or the input is pressed. */
int32_t sinew_mcu_reset(SinewMcu *g, uint8_t step);
int32_t sinew_mcu_link(const SinewMcu *g);
int32_t sinew_mcu_stage(const SinewMcu *g);

#endif
