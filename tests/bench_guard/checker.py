#!/usr/bin/env python3
"""Judges what reached the drives, from the emulators' log alone: an own reading of the limit rules.

    checker.py LIMITS.json < LOG

LOG is a run of 64-byte little-endian records, one per drive and bus cycle:
    step u32, based_on u32, joint u8, flags u8 (1 legal by construction and fresh, 2 judged by the bridge alone), stage
    u8, pad, measured q, dq of the newest state when the frame left (that of `based_on` while fresh); applied q, dq, kp, kd, tau as the drive decoded them; true torque;
    q, dq, kp, kd, tau as they were sent; 4 spare bytes.
Prints one JSON object: records, violations by kind, the first few of them.
"""
import json
import math
import struct
import sys

RECORD = struct.Struct("<IIBBBx13f")
STRIDE = 64
# A command may be in force this many cycles after the state it was computed from: valid_for plus the hold rung.
OLDEST_CYCLES = 5
FRESH = 1


def main():
    limits = json.load(open(sys.argv[1]))
    joints, period_s = limits["joints"], limits["period_s"]
    # A codec that truncates is up to one whole quantum off; the hair is for the rounding of 32-bit floats.
    quantum = {field: step * 1.001 for field, step in limits["quantum"].items()}
    names = ["position", "velocity", "braking", "gain", "torque", "clip", "stale", "changed", "finite"]
    kinds = dict.fromkeys(names, 0)
    examples, records, legal = [], 0, 0

    def wrong(kind, record):
        kinds[kind] += 1
        if len(examples) < 5:
            examples.append([kind, record])

    stream = sys.stdin.buffer
    while True:
        chunk = stream.read(STRIDE * 4096)
        if not chunk:
            break
        if len(chunk) % STRIDE:
            print(json.dumps({"error": "log cut in the middle of a record"}))
            return 2
        for at in range(0, len(chunk), STRIDE):
            record = RECORD.unpack_from(chunk, at)
            (step, based_on, joint, flags, stage, mq, mdq, q, dq, kp, kd, tau, torque,
             sq, sdq, skp, skd, stau) = record
            records += 1
            limit = joints[joint]
            if not math.isfinite(q + dq + kp + kd + tau + torque):
                wrong("finite", record)
                continue
            if abs(torque) > limit["tau_max_nm"] + 1e-4:
                wrong("clip", record)
            if kp > 0.0 and not 0 < step - based_on <= OLDEST_CYCLES:
                wrong("stale", record)
            if kp > 0.0 and not limit["q_min_rad"] - quantum["q"] <= q <= limit["q_max_rad"] + quantum["q"]:
                wrong("position", record)
            if kd > 0.0 and abs(dq) > limit["dq_max_rad_s"] + quantum["dq"]:
                wrong("velocity", record)
            if kp > limit["kp_max"] + quantum["kp"] or kd > limit["kd_max"] + quantum["kd"]:
                wrong("gain", record)
            if kp < 0.0 or kd < 0.0:
                wrong("gain", record)
            if abs(tau) > limit["tau_max_nm"] + quantum["tau"]:
                wrong("torque", record)
            # Braking distance: fastest target from which the joint still stops; no push on when it cannot any more.
            wide = bool(flags & 2)
            q_reach = limit["dq_max_rad_s"] * period_s + 0.0004 if wide else 0.0
            dq_reach = limit["ddq_max_rad_s2"] * period_s + 0.025 if wide else 0.0
            up = math.sqrt(2 * limit["ddq_max_rad_s2"] * max(0.0, limit["q_max_rad"] - mq + q_reach))
            down = math.sqrt(2 * limit["ddq_max_rad_s2"] * max(0.0, mq - limit["q_min_rad"] + q_reach))
            if kd > 0.0 and not -down - quantum["dq"] - 1e-4 <= dq <= up + quantum["dq"] + 1e-4:
                wrong("braking", record)
            if mdq - dq_reach > up + 1e-3 and tau > quantum["tau"]:
                wrong("braking", record)
            if -mdq - dq_reach > down + 1e-3 and tau < -quantum["tau"]:
                wrong("braking", record)
            # What arrives is what was taken, at most trimmed: a refused command's fields would be larger somewhere.
            if (kp > skp + quantum["kp"] or kd > skd + quantum["kd"] or abs(tau) > abs(stau) + quantum["tau"]
                    or abs(dq) > abs(sdq) + quantum["dq"]):
                wrong("changed", record)
            # What the drive's law gives at the state it was judged at. One quantum of each field; where the bridge
            # alone has judged (past control's guard, or held), it allows for one period of motion.
            allowed = limit["tau_max_nm"] + quantum["tau"] + kp * quantum["q"] + kd * quantum["dq"]
            allowed += abs(q - mq) * quantum["kp"] + abs(dq - mdq) * quantum["kd"]
            if flags & 2:
                allowed += kp * (limit["dq_max_rad_s"] * period_s + 0.0004)
                allowed += kd * (limit["ddq_max_rad_s2"] * period_s + 0.025) + 0.03
            if abs(kp * (q - mq) + kd * (dq - mdq) + tau) > allowed:
                wrong("torque", record)
            if flags & 1 and stage == FRESH:
                legal += 1
                if (abs(q - sq) > quantum["q"] or abs(dq - sdq) > quantum["dq"] or abs(kp - skp) > quantum["kp"]
                        or abs(kd - skd) > quantum["kd"] or abs(tau - stau) > quantum["tau"]):
                    wrong("changed", record)
    print(json.dumps({"records": records, "legal": legal, "violations": sum(kinds.values()), "kinds": kinds,
                      "examples": examples}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
