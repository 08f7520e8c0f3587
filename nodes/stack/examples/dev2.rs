use sinew_robot::Robot;
use sinew_stack::{Models, Scenario, Setup, Stack};
use std::path::Path;
fn main() {
    let file = std::env::args().nth(1).unwrap();
    let robots = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../launch/robots");
    let s = Scenario::parse(&file, &std::fs::read_to_string(&file).unwrap()).unwrap();
    let folder = robots.join(&s.robot);
    let setup = Setup::of(&s, Robot::load(&folder).unwrap(), &Models::of(Path::new(&file), &folder)).unwrap();
    let mut st = Stack::new(&setup, &s, &file).unwrap();
    let n = (s.duration_s / 0.002) as u64;
    for i in 0..n {
        st.step([0.5, 0.0, 0.0]).unwrap();
        if i > 5400 && i % 100 == 0 {
            let t = st.twin.truth();
            let (j, dq) = t
                .joints
                .iter()
                .enumerate()
                .map(|(j, x)| (j, x.dq_rad_s))
                .fold((0, 0.0f64), |a, b| if b.1.abs() > a.1.abs() { b } else { a });
            println!(
                "{:.2} mode {} link {:?} stage {:?} maxdq {j} {dq:.3} q {:.2} meas {:.3} w {:.3?} faults {:x} lease {} refusal {:?}",
                i as f64 * 0.002,
                st.control.mode().name(),
                st.bridge.link(),
                st.bridge.stage(),
                t.joints[j].q_rad,
                st.bridge.state().joints[j].dq_rad_s,
                t.base.angular_velocity_rad_s,
                st.bridge.state().body.faults,
                st.control.robot_state().body.lease_holder,
                st.control.robot_state().body.lease_refusal
            );
        }
    }
}
