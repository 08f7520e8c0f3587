//! The command line.
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// On-robot control stack: `sinew` alone starts the simulated robot and stands it up.
#[derive(Debug, Parser)]
#[command(version, about)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Option<Command>,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Start a robot from its launch file and keep it running (the default).
    Up(Up),
    /// One process of a robot; started by the launch file.
    Node(Node),
    /// Take the lease and drive, by keys or unattended.
    Drive(Drive),
    /// Print a running robot.
    Status(Status),
    /// Replace a running robot's policy, or run it on this machine for a robot elsewhere.
    Policy(Policy),
    /// Run scripted scenarios and judge their outcome.
    Scenario(Scenario),
    /// Measure, always beside a peer of the same run.
    Bench(Bench),
    /// Look at policy models.
    Model(Model),
    /// What of this machine works, and how to mend the rest.
    Doctor(Doctor),
    /// The answering half of a raw ping-pong in `bench latency`.
    #[command(hide = true)]
    Echo(Echo),
}

#[derive(Debug, Default, Args)]
pub struct Up {
    /// Leave after this has happened; the robot is laid down first.
    #[arg(long, value_enum)]
    pub until: Option<Until>,
    /// One JSON object on standard output at the end.
    #[arg(long)]
    pub json: bool,
    /// The launch file [default: launch/sinew.launch.xml].
    #[arg(long)]
    pub file: Option<PathBuf>,
    /// Print the launch file's arguments and leave.
    #[arg(long)]
    pub show_args: bool,
    /// Arguments of the launch file, `name:=value`.
    pub arguments: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Until {
    /// The robot stands.
    Stand,
}

#[derive(Debug, Args)]
#[command(disable_help_flag = true)]
pub struct Node {
    /// Which process.
    #[arg(value_enum)]
    pub kind: NodeKind,
    /// ROS arguments: `--ros-args -p name:=value ...`.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub ros: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum NodeKind {
    Twin,
    Bridge,
    Control,
    Policy,
    Ros,
}

#[derive(Debug, Args)]
pub struct Drive {
    /// Name of the robot.
    #[arg(long, default_value = "quad")]
    pub robot: String,
    /// Forward, m/s; without a velocity the keys drive.
    #[arg(long, allow_hyphen_values = true)]
    pub vx: Option<f32>,
    /// To the left, m/s.
    #[arg(long, allow_hyphen_values = true)]
    pub vy: Option<f32>,
    /// Turning left, rad/s.
    #[arg(long, allow_hyphen_values = true)]
    pub wz: Option<f32>,
    /// How long, in robot time: `10s`, `500ms`.
    #[arg(long = "for", default_value = "10s")]
    pub time: String,
    /// One JSON object on standard output at the end.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct Status {
    /// Name of the robot.
    #[arg(long, default_value = "quad")]
    pub robot: String,
    /// One JSON object on standard output.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Policy {
    #[command(subcommand)]
    pub what: Option<PolicyKind>,
    /// Zenoh router that the robot is connected to, `tcp/HOST:PORT`.
    #[arg(long)]
    pub connect: Option<String>,
    /// Name of the robot.
    #[arg(long, default_value = "quad")]
    pub robot: String,
    /// Manifest of the policy to run.
    #[arg(long)]
    pub model: Option<PathBuf>,
    /// Folder of the robot [default: the folder above the model's].
    #[arg(long)]
    pub description: Option<PathBuf>,
    /// One JSON object on standard output at the end.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Subcommand)]
pub enum PolicyKind {
    /// Replace the policy while the robot walks: load, compare, blend.
    Swap(PolicySwap),
}

#[derive(Debug, Args)]
pub struct PolicySwap {
    /// A `*.model.toml` of the same joints and rate.
    pub model: PathBuf,
    /// Name of the robot.
    #[arg(long, default_value = "quad")]
    pub robot: String,
    /// Ticks of control in which old and new both compute and are compared.
    #[arg(long, default_value_t = 500)]
    pub shadow_ticks: u64,
    /// Time over which the new one takes over, s.
    #[arg(long, default_value_t = 0.5)]
    pub blend_s: f64,
    /// Largest difference of a joint target allowed, rad.
    #[arg(long, default_value_t = 0.5)]
    pub max_difference_rad: f32,
    /// One JSON object on standard output.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct Scenario {
    /// A scenario file, or a folder of them.
    pub path: PathBuf,
    /// Runs every file with seeds 1 to N instead of its own.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    pub seeds: Option<u64>,
    /// One seed instead of the file's own.
    #[arg(long, conflicts_with = "seeds")]
    pub seed: Option<u64>,
    /// Another robot that the file has an entry for: a folder under launch/robots.
    #[arg(long)]
    pub robot: Option<String>,
    /// Physics engine instead of the file's own.
    #[arg(long, value_enum)]
    pub engine: Option<PhysicsEngine>,
    /// Solver iterations of rapier instead of the file's own.
    #[arg(long)]
    pub solver_iterations: Option<usize>,
    /// Latency of the policies in ticks instead of the file's own; never less than a model declares.
    #[arg(long)]
    pub latency_ticks: Option<u64>,
    #[arg(long, value_enum, default_value = "inline")]
    pub compose: Compose,
    /// As processes on their own timing instead of in lockstep: wall figures, no hash to compare.
    #[arg(long)]
    pub free_run: bool,
    /// Draw the run into this SVG file.
    #[arg(long)]
    pub plot: Option<PathBuf>,
    /// One JSON object on standard output.
    #[arg(long)]
    pub json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PhysicsEngine {
    /// Built in.
    Rapier,
    /// Opened at run time; found, or fetched by pip.
    Mujoco,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Compose {
    /// All cores in this process, in one thread.
    Inline,
    /// Every core in its own process, over its real sockets.
    Processes,
}

#[derive(Debug, Args)]
pub struct Bench {
    #[command(subcommand)]
    pub what: BenchKind,
}

#[derive(Debug, Subcommand)]
pub enum BenchKind {
    /// State published to command accepted, against raw Zenoh and raw datagrams.
    Latency {
        #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..))]
        seconds: u64,
        #[arg(long)]
        json: bool,
    },
    /// Random and adversarial commands against the guard, judged by an independent checker.
    Guard {
        #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1..))]
        n: u64,
        #[arg(long, default_value_t = 1)]
        seed: u64,
        #[arg(long)]
        json: bool,
    },
    /// A policy step at 50 Hz with cold caches: native, ONNX Runtime, and its plain C interface.
    Policy {
        #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..))]
        seconds: u64,
        #[arg(long)]
        json: bool,
    },
    /// Cost of each core's step, with allocations and page faults per tick.
    Tick {
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..))]
        seconds: u64,
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Args)]
pub struct Echo {
    #[arg(value_enum)]
    pub transport: Transport,
    /// Where both halves meet.
    pub run_dir: PathBuf,
    #[arg(long)]
    pub core: Option<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Transport {
    Zenoh,
    Datagram,
}

/// Which robot a model is for.
#[derive(Clone, Debug, Args)]
#[group(id = "robot_choice", multiple = false)]
pub struct RobotChoice {
    /// The robot, a folder under launch/robots [default: the folder above the manifest's].
    #[arg(long, value_name = "NAME")]
    pub robot: Option<String>,
    /// Folder of the robot, wherever it lies.
    #[arg(long, value_name = "FOLDER")]
    pub description: Option<PathBuf>,
}

impl RobotChoice {
    /// The folder that was chosen, if any.
    ///
    /// # Errors
    /// When there is no robot of that name.
    pub fn folder(&self) -> anyhow::Result<Option<PathBuf>> {
        match &self.robot {
            Some(name) => crate::site::robot_folder(name).map(Some),
            None => Ok(self.description.clone()),
        }
    }
}

#[derive(Debug, Args)]
pub struct Model {
    #[command(subcommand)]
    pub what: ModelKind,
}

#[derive(Debug, Subcommand)]
pub enum ModelKind {
    /// Does this model fit the robot? Hashes, joints, shapes, golden vectors on every engine. Opens the plugin libraries
    /// that the manifest names.
    Check {
        /// A `*.model.toml`.
        file: PathBuf,
        #[command(flatten)]
        robot: RobotChoice,
        #[arg(long)]
        json: bool,
    },
    /// Take over a policy of another format: manifest, golden vectors, check; nothing is guessed.
    Import(crate::model_import::ModelImport),
    /// What each number of each input means: term, joint, unit, scale, value.
    Explain {
        /// A `*.model.toml`.
        file: PathBuf,
        #[command(flatten)]
        robot: RobotChoice,
        /// Values of the running robot of that name [default: the description's] instead of the first golden tick.
        #[arg(long, num_args = 0..=1, default_missing_value = "")]
        live: Option<String>,
        /// One JSON object on standard output.
        #[arg(long)]
        json: bool,
    },
    /// Prepare the TensorRT engine of a model on this machine; takes minutes, once.
    Build {
        /// A `*.model.toml`.
        file: PathBuf,
        /// Replace what was prepared before, also when it is damaged.
        #[arg(long)]
        rebuild: bool,
        /// One JSON object on standard output.
        #[arg(long)]
        json: bool,
    },
    /// Do the engines keep their promises? Models with known outputs, bad inputs, two engines side by side.
    Conformance {
        /// `all` are those that this program was built with.
        #[arg(long, value_enum, default_value = "all")]
        engine: ConformanceEngine,
        /// One JSON object on standard output.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Args)]
pub struct Doctor {
    #[command(subcommand)]
    pub what: DoctorKind,
}

#[derive(Debug, Subcommand)]
pub enum DoctorKind {
    /// The GPU stack from the driver up, and whether the configured providers run a graph; exit code 0 only then.
    Gpu {
        /// Providers and graph of this `*.model.toml` instead of CUDA and a matrix product.
        #[arg(long, conflicts_with = "provider")]
        model: Option<PathBuf>,
        /// A provider that shall work; may be given several times, the last is the weakest allowed.
        #[arg(long)]
        provider: Vec<String>,
        /// One JSON object on standard output.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ConformanceEngine {
    All,
    Native,
    #[value(name = "onnxruntime")]
    OnnxRuntime,
    /// Only in a program built with the feature `tract`.
    Tract,
}
