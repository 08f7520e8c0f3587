//! Five minutes of walking and stopping: the covariance stays what it must be.

use sinew_estimator::{Estimator, Status};

use crate::{
    walk::point_feet,
    world::{Faults, V3, World, step},
};

#[test]
fn covariance_stays_symmetric_and_positive_definite_for_five_minutes() {
    let mut e = Estimator::new(point_feet()).unwrap();
    let mut world = World::new(Faults { stops: true, ..Faults::b() }, 3);
    let mut last = None;
    for k in 0..150_000 {
        let sample = world.next_sample();
        let estimate = step(&mut e, &sample);
        if k % 50 == 0 {
            assert!(e.covariance_is_sound(), "step {k}");
        }
        assert!(estimate.health.covariance_ok, "step {k}");
        last = Some((sample, estimate));
    }
    let (sample, estimate) = last.unwrap();
    assert_eq!((estimate.health.status, estimate.resets), (Status::Healthy, 0));
    let d = e.diagnostics();
    let error = V3::from(estimate.position_m) - sample.position;
    println!("after {:.0} m: error {error:?} {d:?}", sample.travelled);
    assert!(d.anchor_shifts > 10, "the anchor must have moved along");
    assert!(d.standstills > 200, "stops must have been used");
    assert!(error.xy().norm() < 0.02 * sample.travelled, "{error}");
}
