//! A step allocates nothing. In a file of its own, since it replaces the allocator of the whole program.
#![allow(clippy::unwrap_used, clippy::panic)] // a failing set-up is a failing test
#![allow(unsafe_code)] // a counting allocator has to forward raw requests

mod quad;
mod toy;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use quad::{other_order, policy, standing};
use sinew_inference::onnx::{Attribute, AttributeValue, Constant, ConstantData, Graph, Node};
use sinew_inference::{ElementType, Model, NativeEngine};
use sinew_policy::remote::MAX_AHEAD;
use sinew_policy::{Policy, Remote, RemoteConfig, Slot, SlotConfig, SwapOutcome, SwapRequest};
use sinew_wire::{PolicyFlags, PolicyStatus, RobotState, StepTime};

struct Counting;

thread_local! {
    /// Of this thread: tests run beside each other.
    static CALLS: Cell<u64> = const { Cell::new(0) };
}

fn calls() -> u64 {
    CALLS.with(Cell::get)
}

fn count() {
    // A thread that ends is counted no more.
    CALLS.try_with(|calls| calls.set(calls.get() + 1)).ok();
}

// SAFETY: every request goes to the system allocator unchanged; counting touches no memory it manages.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        count();
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Allocations of the policy on these states, and how many were answered with targets.
fn allocations(policy: &mut Policy, states: &[RobotState]) -> (u64, u32) {
    let mut ahead = Vec::with_capacity(MAX_AHEAD);
    let before = calls();
    let mut computed = 0;
    for state in states {
        let frame = policy.step(state, StepTime::from_ns(state.header.step));
        computed += u32::from(frame.body.status() == PolicyStatus::Targets);
        policy.look_ahead(&frame, &mut ahead);
    }
    (calls() - before, computed)
}

/// An LSTM of 8 units over 26 measured values, noise and a counter, whose output is a chunk of 4 steps for 2 joints.
fn recurrent() -> Model {
    const MEASURED: usize = 26;
    const UNITS: usize = 8;
    let tensors = [
        toy::f32("obs", &[1, 1, MEASURED]),
        toy::f32("noise", &[1, 1, MEASURED]),
        toy::f32("t", &[1, 1, 1]),
        toy::f32("h_in", &[1, 1, UNITS]),
        toy::f32("c_in", &[1, 1, UNITS]),
    ];
    let outputs =
        [toy::f32("act", &[1, 1, 8]), toy::f32("h_out", &[1, 1, UNITS]), toy::f32("c_out", &[1, 1, UNITS])];
    let weights = |name: &str, shape: &[usize]| {
        let len: usize = shape.iter().product();
        let values = (0..len).map(|i| ((i * 37 % 101) as f32 - 50.0) / 500.0).collect();
        let (shape, data) = (shape.to_vec(), ConstantData::F32(values));
        Constant { name: name.to_owned(), element: ElementType::F32, shape, data }
    };
    let node = |op: &str, inputs: &str, outputs: &str| Node {
        op: op.to_owned(),
        inputs: inputs.split(' ').map(|n| n.trim_matches('-').to_owned()).collect(),
        outputs: outputs.split(' ').map(|n| n.trim_matches('-').to_owned()).collect(),
        ..Node::default()
    };
    let mut lstm = node("LSTM", "x w r b - h_in c_in", "- h_out c_out");
    let hidden = Attribute { name: "hidden_size".to_owned(), value: AttributeValue::Int(UNITS as i64) };
    lstm.attributes.push(hidden);
    let graph = Graph {
        nodes: vec![
            node("Add", "obs noise", "noisy"),
            node("Add", "noisy t", "x"),
            lstm,
            node("MatMul", "h_out out", "act"),
        ],
        constants: vec![
            weights("w", &[1, 4 * UNITS, MEASURED]),
            weights("r", &[1, 4 * UNITS, UNITS]),
            weights("b", &[1, 8 * UNITS]),
            weights("out", &[UNITS, 8]),
        ],
        ..toy::ports(&tensors, &outputs)
    };
    let history = "history = { len = 3, stride = 2, order = \"newest_first\" }";
    let body = format!(
        "[command]\nrange = {{ vx = [-1.0, 1.0] }}\nslew_per_s = [1.0, 1.0, 1.0]\ntimeout_ms = 100\n\
         [safety]\nmax_action_jump = 1.0\n\
         [[safety.obs_range]]\ntensor = \"obs\"\nmin = -9.0\nmax = 9.0\npolicy = \"warn\"\n\
         [[input]]\ntensor = \"obs\"\ndtype = \"f32\"\nshape = [1, 1, 26]\n\
         normalize = {{ mode = \"mean_std\", mean = 0.1, std = 2.0, clip = 5.0 }}\n\
         [[input.term]]\nkind = \"state/joint/position\"\nminus = \"default_pos\"\n{history}\n\
         [[input.term]]\nkind = \"state/body/rotation\"\nas = \"matrix\"\n\
         [[input.term]]\nkind = \"command/body/velocity\"\n\
         [[input.term]]\nkind = \"feedback/action\"\nstage = \"applied\"\n\
         [[input.term]]\nkind = \"state/contact\"\nfeet = [\"left\", \"right\"]\nthreshold = 0.5\n\
         [[input.term]]\nkind = \"phase/cos_sin\"\nrate_hz = 2.0\nfreeze_below = 0.05\nramp_s = 0.3\noffsets_turns = [0.0, 0.5]\n\
         [[input]]\ntensor = \"noise\"\ndtype = \"f32\"\nshape = [1, 1, 26]\nsource = \"gaussian\"\nseed = 3\nstd = 0.01\n\
         [[input]]\ntensor = \"t\"\ndtype = \"f32\"\nshape = [1, 1, 1]\nsource = \"counter\"\nlength = 10\non_end = \"wrap\"\n\
         [[state]]\ninput = \"h_in\"\noutput = \"h_out\"\nshape = [1, 1, 8]\nreset_on = [\"activate\", \"gap>60ms\"]\n\
         [[state]]\ninput = \"c_in\"\noutput = \"c_out\"\nshape = [1, 1, 8]\nreset_on = [\"activate\", \"gap>60ms\"]\n\
         {}shape = [1, 1, 8]\nrate_limit = 9.0\n\
         chunk = {{ steps = 4, dt_ms = 20.0, mode = \"crossfade\", fade_ms = 30.0, execute = 2 }}\n",
        toy::TARGET
    );
    Model::load(&toy::files(&graph, &toy::manifest(&body)), toy::MANIFEST).unwrap_or_else(|e| panic!("{e}"))
}

#[test]
fn a_step_allocates_nothing_not_even_on_activation_or_fault() {
    let joints = other_order();
    let mut walking = policy(&joints);
    let mut states: Vec<_> =
        (0..600u64).map(|step| standing(&joints, step, 1 + (step / 200) as u32, [0.4, 0.1, -0.2])).collect();
    states[550].joints[2].q_rad = f32::NAN;
    assert_eq!(allocations(&mut walking, &states), (0, 55));

    // Recurrent state, rings of chunks, histories, noise, a counter, a run left out, a reset, a fault.
    let model = recurrent();
    let mut remembering = toy::policy(&model, Box::new(NativeEngine::new(&model).unwrap()));
    let mut states: Vec<_> = (0..60u64)
        .filter(|run| *run != 20)
        .map(|run| {
            let q = (run as f32 * 0.3).sin();
            let mut state =
                toy::state(run * toy::EVERY, 1 + (run / 30) as u32, [q, 0.0, 0.0], [-q, 0.0, 0.0]);
            state.body.command = [0.5, 0.0, 0.1];
            state
        })
        .collect();
    states[55].joints[0].q_rad = f32::NAN;
    assert_eq!(allocations(&mut remembering, &states), (0, 55));
    assert_eq!(remembering.counters().resets, 2);
    // 20 runs at every second frame, one of which was left out, then 30 and what the fault left of them.
    assert!((25..31).contains(&remembering.counters().runs), "{:?}", remembering.counters());
}

#[test]
fn a_swap_and_results_of_another_machine_allocate_nothing_either() {
    let joints = other_order();
    let slot_config = SlotConfig { transition_rad: vec![0.4; 12], latency_ticks: 2 };
    let mut slot = Slot::new(policy(&joints), slot_config.clone());
    let request = SwapRequest { shadow_runs: 5, blend_runs: 5, max_difference_rad: 10.0 };
    let states: Vec<_> =
        (0..600u64).map(|step| standing(&joints, step, 1 + (step / 400) as u32, [0.4, 0.1, -0.2])).collect();
    let incoming = policy(&joints);
    let before = calls();
    slot.step(&states[0], StepTime::default());
    slot.begin_swap(incoming, request).unwrap();
    for state in &states[1..] {
        slot.step(state, StepTime::default());
    }
    assert_eq!(calls() - before, 0);
    assert!(matches!(slot.take_outcome(), Some(SwapOutcome::Done(_))));

    let mut slot = Slot::new(policy(&joints), slot_config);
    let expected = RemoteConfig::of(slot.policy().model_hash());
    let config = RemoteConfig { return_runs: 2, max_difference_rad: 10.0, ..expected };
    slot.set_remote(Remote::new(config, 0, quad::NUMBER, quad::PERIOD_NS));
    let mut there = policy(&joints);
    let before = calls();
    let mut used = 0;
    for state in &states {
        let result = there.step(state, StepTime::default());
        let remote = slot.remote_mut().unwrap();
        remote.serve(state);
        // Every seventh is lost.
        if state.header.step % 70 != 0 {
            remote.hear(&result, state.header.step).ok();
        }
        let frame = slot.step(state, StepTime::default());
        used += u32::from(frame.body.has(PolicyFlags::OFFBOARD));
    }
    assert_eq!(calls() - before, 0);
    assert!(used > 40, "{used}");
}
