"""Publishers that break one rule each, so that the judge can be seen to notice."""

import network
import rules


class Rogue:
    """A node of the robot's namespace that follows every rule but one."""

    def __init__(self, plant: str, port: int, domain: int, robot: str, types):
        self.plant, self.types = plant, types
        self.node = network.Node(port, domain, f"/{robot}", f"rogue_{plant.replace('-', '_')}")
        topic, type_name, qos = f"planted_{plant.replace('-', '_')}", "std_msgs/msg/String", rules.RELIABLE_10
        if plant == "wrong-frame":
            topic, type_name, qos = "tf", "tf2_msgs/msg/TFMessage", rules.RELIABLE_100
        if plant == "wrong-qos":
            topic, type_name = "tf_static", "tf2_msgs/msg/TFMessage"
        type_hash = types.hash_rihs01(type_name)
        if plant == "wrong-hash":
            type_hash = type_hash[:-1] + ("0" if type_hash[-1] != "0" else "1")
        self.cdr = self.message(type_name)
        self.publisher = self.node.publisher(
            f"/{robot}/{topic}", type_name, type_hash, qos, token=plant != "no-token"
        )

    def message(self, type_name: str) -> bytes:
        if type_name == "std_msgs/msg/String":
            message = self.types.types[type_name](data="planted")
            cdr = bytes(self.types.serialize_cdr(message, type_name))
            return cdr[:-4] if self.plant == "cut-message" else cdr
        known = self.types.types
        time = known["builtin_interfaces/msg/Time"](sec=0, nanosec=0)
        transform = known["geometry_msgs/msg/TransformStamped"](
            header=known["std_msgs/msg/Header"](stamp=time, frame_id="odom"),
            child_frame_id="base_link",
            transform=known["geometry_msgs/msg/Transform"](
                translation=known["geometry_msgs/msg/Vector3"](x=0.0, y=0.0, z=0.0),
                rotation=known["geometry_msgs/msg/Quaternion"](x=0.0, y=0.0, z=0.0, w=1.0),
            ),
        )
        return bytes(self.types.serialize_cdr(known[type_name](transforms=[transform]), type_name))

    def put(self):
        """One more sample."""
        publisher, plant = self.publisher, self.plant
        if plant == "wrong-qos":
            return  # its token is the offence
        if plant == "no-attachment":
            publisher.put(self.cdr, attachment=None)
        elif plant == "short-attachment":
            publisher.put(self.cdr, attachment=publisher.attachment()[:24])
        elif plant == "foreign-identity":
            publisher.put(self.cdr, attachment=publisher.attachment()[:17] + bytes(range(16)))
        else:
            if plant == "same-number":
                publisher.sequence = 0
            publisher.put(self.cdr)

    def seen(self, samples) -> bool:
        """Whether enough of it has arrived to be judged."""
        if self.plant == "wrong-qos":
            return True
        key, gid = self.publisher.key, self.publisher.gid
        shared = self.plant == "wrong-frame"
        mine = [s for s in samples if s.key == key and (not shared or (s.attachment or b"")[17:] == gid)]
        return len(mine) >= 2


# What breaks, and the kind of violation it must come out as.
PLANTS = {
    "wrong-hash": "hash",
    "no-attachment": "attachment",
    "short-attachment": "attachment",
    "foreign-identity": "identity",
    "same-number": "sequence",
    "no-token": "token",
    "cut-message": "message",
    "wrong-frame": "content",
    "wrong-qos": "quality",
}
