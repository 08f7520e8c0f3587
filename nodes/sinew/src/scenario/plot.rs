//! A run as a picture: stacked panels over step time, in one SVG file without dependencies.
use sinew_guard::FAULTS;
use sinew_stack::{Scenario, StepTrace, Trace};
use sinew_wire::{RobotMode, Stage};
use std::fmt::Write as _;

const WIDTH: f64 = 1200.0;
const LEFT: f64 = 90.0;
const RIGHT: f64 = 24.0;
const TOP: f64 = 64.0;
const PANEL: f64 = 120.0;
const GAP: f64 = 34.0;
/// Points per curve; more would not show.
const POINTS: usize = 1500;
const INK: &str = "#1c2430";
const GRID: &str = "#d9dee5";
const MEASURED: &str = "#1668b8";
const ASKED: &str = "#d1680a";

/// One value over time.
type Curve<'a> = (&'a str, &'a str, Box<dyn Fn(&StepTrace) -> f64 + 'a>);

struct Plot<'a> {
    steps: &'a [StepTrace],
    period_s: f64,
    end_s: f64,
    y: f64,
    svg: String,
}

/// SVG of `trace`: asked against true velocity, height, worst torque, temperature, policy time, mode, ladder and faults.
#[must_use]
pub fn draw(scenario: &Scenario, trace: &Trace, period_ns: u64) -> String {
    let period_s = period_ns as f64 * 1e-9;
    let end_s = trace.steps.last().map_or(1.0, |s| s.step as f64 * period_s).max(period_s);
    let mut plot = Plot { steps: &trace.steps, period_s, end_s, y: TOP, svg: String::new() };
    let axes = [("vx, m/s", 0), ("vy, m/s", 1), ("wz, rad/s", 2)];
    for (title, axis) in axes {
        let asked = move |s: &StepTrace| s.command.get(axis).copied().map_or(0.0, f64::from);
        let measured = move |s: &StepTrace| s.velocity.get(axis).copied().unwrap_or(0.0);
        plot.curves(title, &[("true", MEASURED, Box::new(measured)), ("asked", ASKED, Box::new(asked))]);
    }
    plot.curves("height, m", &[("base", MEASURED, Box::new(|s| s.height_m))]);
    plot.curves("worst torque, N m", &[("peak of a period", MEASURED, Box::new(|s| s.torque_peak_nm))]);
    plot.curves("hottest winding, deg C", &[("rotor", ASKED, Box::new(|s| s.temperature_c))]);
    plot.curves("policy, us", &[("run time", MEASURED, Box::new(|s| f64::from(s.policy_us)))]);
    plot.bands("mode", |s| (s.mode.name(), mode_colour(s.mode)));
    plot.bands("ladder", |s| (s.stage.name(), stage_colour(s.stage)));
    plot.faults();
    plot.finish(scenario)
}

fn mode_colour(mode: RobotMode) -> &'static str {
    match mode {
        RobotMode::Off => "#c7ced8",
        RobotMode::Damping => "#e3b341",
        RobotMode::StandUp | RobotMode::LieDown => "#8fc1e8",
        RobotMode::Stand => "#4f9d69",
        RobotMode::Policy => "#1668b8",
        RobotMode::FaultStop | RobotMode::EStop => "#c33a32",
    }
}

fn stage_colour(stage: Stage) -> &'static str {
    match stage {
        Stage::Idle => "#c7ced8",
        Stage::Fresh => "#4f9d69",
        Stage::Hold => "#8fc1e8",
        Stage::Ramp => "#e3b341",
        Stage::Damp => "#d1680a",
        Stage::Disable => "#5b6675",
    }
}

impl Plot<'_> {
    fn x(&self, step: u64) -> f64 {
        LEFT + (WIDTH - LEFT - RIGHT) * (step as f64 * self.period_s / self.end_s)
    }

    /// Writing to a string cannot fail.
    fn put(&mut self, text: std::fmt::Arguments<'_>) {
        self.svg.write_fmt(text).unwrap_or(());
    }

    fn title(&mut self, title: &str) {
        let y = self.y - 8.0;
        self.put(format_args!("<text x=\"{LEFT}\" y=\"{y:.1}\" font-weight=\"600\">{title}</text>\n"));
    }

    fn curves(&mut self, title: &str, curves: &[Curve<'_>]) {
        self.title(title);
        let values =
            || curves.iter().flat_map(|(_, _, f)| self.steps.iter().map(f)).filter(|v| v.is_finite());
        let (low, high) = (values().fold(0.0, f64::min), values().fold(0.0, f64::max));
        let span = (high - low).max(1e-3);
        let (low, high) = (low - 0.05 * span, high + 0.05 * span);
        let (top, y_of) = (self.y, |v: f64, top: f64| top + PANEL * (1.0 - (v - low) / (high - low)));
        for i in 0..=4 {
            let value = low + (high - low) * f64::from(i) / 4.0;
            let (y, right, label) = (y_of(value, top), WIDTH - RIGHT, LEFT - 8.0);
            self.put(format_args!(
                "<line x1=\"{LEFT}\" x2=\"{right}\" y1=\"{y:.1}\" y2=\"{y:.1}\" stroke=\"{GRID}\"/>\n"
            ));
            self.put(format_args!(
                "<text x=\"{label}\" y=\"{:.1}\" text-anchor=\"end\" fill=\"#5b6675\">{value:.2}</text>\n",
                y + 4.0
            ));
        }
        let stride = self.steps.len().div_ceil(POINTS).max(1);
        for (i, (name, colour, f)) in curves.iter().enumerate() {
            let mut points = String::new();
            for s in self.steps.iter().step_by(stride) {
                let v = f(s);
                if v.is_finite() {
                    write!(points, "{:.1},{:.1} ", self.x(s.step), y_of(v, top)).unwrap_or(());
                }
            }
            self.put(format_args!(
                "<polyline fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.4\" points=\"{points}\"/>\n"
            ));
            let (x, y) = (WIDTH - RIGHT - 150.0 * (curves.len() - i) as f64, top - 8.0);
            self.put(format_args!("<text x=\"{x:.0}\" y=\"{y:.1}\" fill=\"{colour}\">{name}</text>\n"));
        }
        self.y += PANEL + GAP;
    }

    /// Spans of equal value as coloured bands with their names.
    fn bands(&mut self, title: &str, of: impl Fn(&StepTrace) -> (&'static str, &'static str)) {
        self.title(title);
        let mut from = 0;
        while let Some(first) = self.steps.get(from) {
            let (name, colour) = of(first);
            let rest = self.steps.get(from..).unwrap_or_default();
            let length = rest.iter().take_while(|s| of(s).0 == name).count();
            let (x, to) = (self.x(first.step), self.x(first.step + length as u64));
            let (width, y) = (to - x, self.y);
            self.put(format_args!(
                "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"20\" fill=\"{colour}\"/>\n"
            ));
            if width > 52.0 {
                let (x, y) = (x + 5.0, y + 14.0);
                self.put(format_args!("<text x=\"{x:.1}\" y=\"{y:.1}\" fill=\"#fff\">{name}</text>\n"));
            }
            from += length.max(1);
        }
        self.y += 20.0 + GAP;
    }

    fn faults(&mut self) {
        self.title("faults and pushes");
        let seen = self.steps.iter().fold(0, |all, s| all | s.faults);
        let rows: Vec<_> = FAULTS.iter().filter(|row| seen >> row.fault as u8 & 1 == 1).collect();
        for row in rows {
            let y = self.y;
            let present = |s: &&StepTrace| s.faults >> row.fault as u8 & 1 == 1;
            let stride = self.steps.len().div_ceil(POINTS).max(1);
            let width = (WIDTH - LEFT - RIGHT) / POINTS as f64 + 0.5;
            let marks: Vec<f64> =
                self.steps.iter().step_by(stride).filter(present).map(|s| self.x(s.step)).collect();
            for x in marks {
                self.put(format_args!(
                    "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"12\" fill=\"#c33a32\"/>\n"
                ));
            }
            let label = LEFT - 8.0;
            self.put(format_args!(
                "<text x=\"{label}\" y=\"{:.1}\" text-anchor=\"end\" font-size=\"9\">{}</text>\n",
                y + 10.0,
                row.code
            ));
            self.y += 16.0;
        }
        let mut pushes = 0;
        let pushed: Vec<u64> = self
            .steps
            .iter()
            .filter(|s| std::mem::replace(&mut pushes, s.pushes) != s.pushes)
            .map(|s| s.step)
            .collect();
        for step in pushed {
            let (x, bottom) = (self.x(step), self.y);
            self.put(format_args!("<line x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{TOP}\" y2=\"{bottom:.1}\" stroke=\"#c33a32\" stroke-dasharray=\"2 4\"/>\n"));
        }
        self.y += GAP;
    }

    fn finish(mut self, scenario: &Scenario) -> String {
        let ticks = [1.0, 2.0, 5.0, 10.0, 20.0, 60.0, 120.0, 300.0, 600.0];
        let every_s = ticks.into_iter().find(|t| self.end_s / t <= 14.0).unwrap_or(600.0);
        let mut at_s = 0.0;
        while at_s <= self.end_s {
            let (x, y) = (self.x((at_s / self.period_s).round() as u64), self.y);
            self.put(format_args!(
                "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"middle\" fill=\"#5b6675\">{at_s:.0} s</text>\n"
            ));
            at_s += every_s;
        }
        let (height, body) = (self.y + 20.0, self.svg);
        let title = escape(&format!("{}: {}", scenario.name, scenario.about));
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height:.0}\" font-family=\"sans-serif\" font-size=\"12\" fill=\"{INK}\">\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n<text x=\"{LEFT}\" y=\"28\" font-size=\"17\" font-weight=\"600\">{title}</text>\n{body}</svg>\n"
        )
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_panel_is_there_and_text_is_escaped() {
        let steps =
            (0..3000).map(|step| StepTrace { step, faults: 1, pushes: step / 1000, ..StepTrace::default() });
        let trace = Trace { steps: steps.collect() };
        let scenario = Scenario { name: "a<b".into(), about: "c&d".into(), ..Scenario::default() };
        let svg = draw(&scenario, &trace, 2_000_000);
        for part in [
            "vx, m/s",
            "wz, rad/s",
            "height",
            "torque",
            "deg C",
            "policy",
            "mode",
            "ladder",
            "drive_fault",
            "a&lt;b",
            "c&amp;d",
        ] {
            assert!(svg.contains(part), "{part} is missing");
        }
        assert_eq!(svg.matches("stroke-dasharray").count(), 2, "one mark per push");
        assert!(!svg.contains("NaN"));
    }

    #[test]
    fn an_empty_run_is_a_picture_too() {
        assert!(draw(&Scenario::default(), &Trace::default(), 2_000_000).ends_with("</svg>\n"));
    }
}
