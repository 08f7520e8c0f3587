use sinew_robot::Robot;
use sinew_stack::{Models, Scenario, Setup, Stack};
use std::path::Path;
fn main() {
    let mut files: Vec<String> = std::env::args().skip(1).collect();
    let seeds: Vec<u64> = std::env::var("SEEDS")
        .map(|s| s.split(',').map(|x| x.parse().unwrap()).collect())
        .unwrap_or_default();
    let jobs: Vec<(String, Option<u64>)> = files
        .drain(..)
        .flat_map(|f| {
            if seeds.is_empty() {
                vec![(f, None)]
            } else {
                seeds.iter().map(|s| (f.clone(), Some(*s))).collect()
            }
        })
        .collect();
    let next = std::sync::atomic::AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| loop {
                let i = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                let Some((file, seed)) = jobs.get(i) else { break };
                let robots = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../launch/robots");
                let mut s = match Scenario::parse(file, &std::fs::read_to_string(file).unwrap()) { Ok(s) => s, Err(e) => { println!("{e}"); continue } };
                if let Some(seed) = seed { s.seed = *seed; }
                let folder = robots.join(&s.robot);
                let setup = match Setup::of(&s, Robot::load(&folder).unwrap(), &Models::of(Path::new(file), &folder)) {
                    Ok(x) => x,
                    Err(e) => { println!("{} REFUSED {} : {e}", if s.expect.policy_refused {"ok"} else {"BAD"}, s.name); continue }
                };
                let t = std::time::Instant::now();
                let (o, trace) = Stack::run(&setup, &s, file).unwrap();
                let r = |x: Option<f64>| x.map_or("-".into(), |x| format!("{x:.3}"));
                println!("{} {} seed {} {}/{}/{} falls {} tdamp {:?} wd {} stale {} mode {} faults {:?} peak {:.1}Nm {:.0}C pushes {} sat {} {:.1}s {} {:?}",
                    if o.score.passed {"ok "} else {"BAD"}, s.name, s.seed, r(o.score.rmse_vx), r(o.score.rmse_vy), r(o.score.rmse_wz), o.score.falls, o.score.t_damp_ms, o.score.watchdog, o.score.stale_accepted, o.score.mode, o.score.faults, o.score.torque_peak_nm, o.score.temperature_peak_c, o.score.pushes, o.saturated_ticks, t.elapsed().as_secs_f64(), &o.hash[..8], o.score.broken);
                if std::env::var("TL").is_ok() {
                    let mut last = None;
                    for st in &trace.steps {
                        let now = (st.mode, st.stage, st.faults, st.stiff.count_ones(), st.watchdogs.count_ones(), st.trunk_contact, st.tilt_rad > 1.047);
                        if last != Some(now) { println!("  {:.3} mode {} stage {:?} faults {:x} stiff {} wd {} trunk {} tilt {:.2} h {:.3}", st.step as f64*0.002, st.mode.name(), st.stage, st.faults, now.3, now.4, now.5, st.tilt_rad, st.height_m); last = Some(now); }
                    }
                }
            });
        }
    });
}
