"""The recipe of one policy: `robots/NAME.toml` as typed, closed records.

Every key of the file is a field below and every field without a default must be in the file; anything else is
refused with the section, what was found and what was expected. Units are in the names.
"""

import dataclasses
import pathlib
import tomllib
import typing

ROBOTS = pathlib.Path(__file__).resolve().parent / "robots"
REPOSITORY = pathlib.Path(__file__).resolve().parents[3]


class RecipeError(Exception):
    """The recipe says something that cannot be meant."""


@dataclasses.dataclass(frozen=True)
class Robot:
    """Which body is trained, and where its artefacts go."""

    name: str
    policy: str  # name of the model, of its files and in its manifest
    version: str
    description: str
    model: str  # MJCF, relative to the repository
    output: str  # folder of the artefacts, relative to the repository
    joints: list[str]  # the policy's order; must be the MJCF's actuator order
    default_rad: list[float]
    kp_nm_per_rad: list[float]
    kd_nm_s_per_rad: list[float]
    feet: list[str]  # sensors NAME_touch, NAME_fpos, NAME_fvel exist for each
    mirror_joints: list[str]  # partner of each joint under left-right reflection
    mirror_signs: list[float]
    mirror_feet: list[str]
    hip_joints: list[str]  # joints held near their default by `reward.hip`
    height_m: float  # of the base while walking
    drop_m: float  # of the base at the start of an episode
    foot_ground_m: float  # height of the foot sensor of a foot on the ground
    foot_upright: bool = False  # sensors NAME_fz give the sole's normal
    end_height_m: float = 0.0  # an episode ends below
    end_upright: float = 0.0  # and when the cosine of the tilt falls below


@dataclasses.dataclass(frozen=True)
class Timing:
    """Who runs how often."""

    policy_hz: float
    physics_s: float
    latency_ticks: int  # of the 500 Hz bus, in the manifest
    deadline_ms: float


@dataclasses.dataclass(frozen=True)
class Gait:
    """The gait prior (see gait.py) and its clock."""

    kind: str
    rate_hz: float
    freeze_below: float  # norm of the command at or below which the clock rests
    ramp_s: float  # amplitude 0 to 1 in this time; 0: always 1, and the phase rests at 0
    constants: dict[str, float]


@dataclasses.dataclass(frozen=True)
class Command:
    """Velocity commands: what is trained, and what may be asked of the result."""

    train_vx_m_s: list[float]
    train_vy_m_s: list[float]
    train_wz_rad_s: list[float]
    range_vx_m_s: list[float]
    range_vy_m_s: list[float]
    range_wz_rad_s: list[float]
    slew_per_s: list[float]  # m/s^2, m/s^2, rad/s^2; between the goal and what the policy sees
    slew_in_policy: bool  # the manifest asks the policy to do it (otherwise control's ramp is meant)
    share_zero: float
    share_vx: float  # pure vx
    share_vy: float
    share_wz: float
    change_per_step: float  # probability
    smallest: float  # shorter commands become zero


@dataclasses.dataclass(frozen=True)
class Term:
    """One term of the observation."""

    kind: str
    scale: float | list[float] = 1.0


@dataclasses.dataclass(frozen=True)
class Drive:
    """Torque over speed: full up to the corner, none at no-load speed; braking is not limited."""

    corner_rad_s: list[float]
    no_load_rad_s: list[float]


@dataclasses.dataclass(frozen=True)
class Randomisation:
    """What differs from environment to environment; half widths of uniform ranges unless a range is given."""

    friction: list[float]
    payload_kg: list[float]
    com_x_m: float
    com_y_m: float
    kp_share: float
    kd_share: float
    strength: list[float]  # share of the torque limit (voltage sag)
    delay_substeps: list[int]  # from the observation, in physics steps; drawn per environment
    delay_jitter_substeps: int  # drawn per tick
    imu_tilt_rad: float  # mounting error of the IMU about each axis
    gyro_bias_rad_s: float
    encoder_bias_rad: float
    gyro_noise_rad_s: float
    gravity_noise: float
    q_noise_rad: float
    dq_noise_rad_s: float
    push_m_s: float  # largest kick of the base velocity; the direction is random and horizontal
    push_per_step: float  # probability
    push_exponent: float  # size = push_m_s * u**exponent: small means mostly strong
    start_q_rad: float
    start_v_m_s: float
    velocity_noise_m_s: float = 0.0  # of the observed base velocity
    velocity_bias_m_s: float = 0.0
    velocity_scale: float = 0.0
    velocity_lag_s: float = 0.0  # largest time constant of the estimate


@dataclasses.dataclass(frozen=True)
class Reward:
    """Weights of rewards.py; the sum is multiplied by `scale` per policy step."""

    scale: float
    fall: float  # replaces the reward of the last step
    alive: float
    track_v: float
    track_v_width: float
    track_w: float
    track_w_width: float
    linear_v: float
    linear_w: float
    raw_vy: float
    sway_filter_s: float  # vy is judged after a filter of this time constant; 0: as it is
    vertical_v: float
    roll_pitch_rate: float
    tilt: float
    height: float
    torque: float
    action_rate: float
    action: float
    slip: float
    contact_match: float
    clearance: float
    clearance_m: float
    foot_tilt: float
    hip: float
    still_speed: float
    still_posture: float


@dataclasses.dataclass(frozen=True)
class Ppo:
    """Proximal policy optimisation."""

    environments: int
    steps: int  # per environment and iteration
    hidden: list[int]
    gamma: float
    gae_lambda: float
    clip: float
    epochs: int
    minibatches: int
    entropy: float
    action_scale: float  # rad per unit of the network's output
    log_std: float  # at the start
    log_std_min: float
    log_std_start_max: float  # a loaded policy explores at most this much at first
    learning_rate: float
    learning_rate_min: float
    learning_rate_max: float
    kl_low: float
    kl_high: float
    value_learning_rate: float
    warmup_iterations: int  # only the critic learns
    curriculum_iterations: int  # commands and pushes grow to full size
    curriculum_start: float
    mirror: bool
    reseat_value: float = 0.0  # added to the critic's bias of a loaded policy without a critic
    iterations: int = 0  # of the committed run
    seed: int = 0


@dataclasses.dataclass(frozen=True)
class Finish:
    """A second run from the weights of the first, with other values: smaller steps, less exploration."""

    iterations: int
    change: dict[str, int | float]  # SECTION.KEY: value


@dataclasses.dataclass(frozen=True)
class Recipe:
    """All of it."""

    robot: Robot
    timing: Timing
    gait: Gait
    command: Command
    observation: list[Term]
    drive: Drive
    randomisation: Randomisation
    reward: Reward
    ppo: Ppo
    finish: Finish | None = None

    @property
    def model_path(self) -> pathlib.Path:
        """The MJCF."""
        return REPOSITORY / self.robot.model

    @property
    def output_path(self) -> pathlib.Path:
        """Folder of the committed artefacts."""
        return REPOSITORY / self.robot.output


def names() -> list[str]:
    """Robots that have a recipe."""
    return sorted(path.stem for path in ROBOTS.glob("*.toml"))


def load(name: str, overrides: dict[str, str] | None = None) -> Recipe:
    """The recipe of robot `name`, with `section.key` overrides (TOML values) for experiments."""
    path = ROBOTS / f"{name}.toml"
    if not path.is_file():
        raise RecipeError(f"robot {name!r}: no {path.name} in {ROBOTS}; there are {', '.join(names())}")
    document = tomllib.loads(path.read_text())
    for key, text in (overrides or {}).items():
        section, _, field = key.partition(".")
        if not isinstance(document.get(section), dict) or not field:
            raise RecipeError(f"override {key!r}: expected SECTION.KEY of {path.name}")
        document[section][field] = tomllib.loads(f"x = {text}")["x"]
    recipe = _record(Recipe, document, path.name)
    _check(recipe, path.name)
    return recipe


def load_finish(name: str, overrides: dict[str, str] | None = None) -> Recipe:
    """The recipe of the second run."""
    finish = load(name, overrides).finish
    if finish is None:
        raise RecipeError(f"robot {name!r}: its recipe has no [finish]")
    return load(name, {**{key: repr(value) for key, value in finish.change.items()}, **(overrides or {})})


def _record(kind, value, where):
    """`value` as a dataclass, closed and typed."""
    if not isinstance(value, dict):
        raise RecipeError(f"{where}: found {type(value).__name__}, expected a table")
    hints = typing.get_type_hints(kind)
    unknown = sorted(set(value) - set(hints))
    if unknown:
        raise RecipeError(f"{where}: unknown key {unknown[0]!r}; expected {', '.join(sorted(hints))}")
    fields = {}
    for field in dataclasses.fields(kind):
        if field.name in value:
            fields[field.name] = _value(hints[field.name], value[field.name], f"{where}: {field.name}")
        elif field.default is dataclasses.MISSING:
            raise RecipeError(f"{where}: {field.name} is missing")
    return kind(**fields)


def _value(kind, value, where):
    if dataclasses.is_dataclass(kind):
        return _record(kind, value, where)
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin is list:
        if not isinstance(value, list):
            raise RecipeError(f"{where}: found {value!r}, expected a list")
        return [_value(inner[0], item, f"{where}[{index}]") for index, item in enumerate(value)]
    if origin is dict:
        if not isinstance(value, dict):
            raise RecipeError(f"{where}: found {value!r}, expected a table")
        return {key: _value(inner[1], item, f"{where}.{key}") for key, item in value.items()}
    if inner:  # a union: the first that fits
        options = [option for option in inner if option is not type(None)]  # TOML has no null
        if len(options) == 1:
            return _value(options[0], value, where)
        for option in options:
            try:
                return _value(option, value, where)
            except RecipeError:
                continue
        raise RecipeError(f"{where}: found {value!r}, expected {kind}")
    if kind is float and type(value) in (int, float):
        if value != value or abs(value) == float("inf"):
            raise RecipeError(f"{where}: found {value!r}, expected a finite number")
        return float(value)
    if type(value) is not kind:
        raise RecipeError(f"{where}: found {value!r}, expected {kind.__name__}")
    return value


def _check(recipe, where):
    """What spans several fields."""
    robot = recipe.robot
    count = len(robot.joints)
    for field in ("default_rad", "kp_nm_per_rad", "kd_nm_s_per_rad", "mirror_joints", "mirror_signs"):
        if len(getattr(robot, field)) != count:
            raise RecipeError(f"{where}: robot.{field}: {len(getattr(robot, field))} values for {count} joints")
    for field in ("corner_rad_s", "no_load_rad_s"):
        if len(getattr(recipe.drive, field)) != count:
            raise RecipeError(f"{where}: drive.{field}: expected {count} values")
    for field, allowed in (("joints", robot.joints), ("mirror_joints", robot.joints), ("mirror_feet", robot.feet)):
        values = getattr(robot, field)
        if sorted(values) != sorted(set(allowed)):
            raise RecipeError(f"{where}: robot.{field}: each of {', '.join(sorted(set(allowed)))} once")
    if recipe.finish is not None and recipe.finish.iterations < 1:
        raise RecipeError(f"{where}: finish.iterations: found {recipe.finish.iterations}, expected at least 1")
    missing = set(robot.hip_joints) - set(robot.joints)
    if missing:
        raise RecipeError(f"{where}: robot.hip_joints: {sorted(missing)[0]!r} is not a joint")
    kinds = [term.kind for term in recipe.observation]
    if len(set(kinds)) != len(kinds):
        raise RecipeError(f"{where}: observation: a kind occurs twice")
