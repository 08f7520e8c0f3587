"""Reads a URDF with yourdfpy and prints what it understood, for the test beside it.

usage: urdf_reader.py FILE.urdf SAMPLES.txt
SAMPLES: first line joint names, second line link names, then one line of joint positions per sample.
Prints `mass M`, one `joint NAME LOWER UPPER EFFORT VELOCITY` per moving joint, then one line per sample and
link: the 4x4 transform of the link in base_link, row by row.
"""

import sys

import yourdfpy


def main(urdf_path, samples_path):
    robot = yourdfpy.URDF.load(urdf_path, build_scene_graph=True, load_meshes=False)
    with open(samples_path) as samples:
        joints = samples.readline().split()
        links = samples.readline().split()
        rows = [[float(value) for value in line.split()] for line in samples]
    print("mass", repr(sum(link.inertial.mass for link in robot.robot.links if link.inertial)))
    for name in robot.actuated_joint_names:
        limit = robot.joint_map[name].limit
        print("joint", name, repr(limit.lower), repr(limit.upper), repr(limit.effort), repr(limit.velocity))
    for row in rows:
        robot.update_cfg(dict(zip(joints, row)))
        for link in links:
            print(*(repr(float(value)) for value in robot.get_transform(link, "base_link").flatten()))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
