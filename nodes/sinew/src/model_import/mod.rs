//! `sinew model import`: a foreign policy becomes a model of this robot, or a list of what is missing.
//!
//! ```text
//! read ▸ draft complete? ▸ write beside the models, hidden ▸ golden vectors by the other reader ▸ both readers agree?
//!      ▸ `sinew model check` ▸ rename into place
//! ```
//! Nothing appears under its final name before all of it has passed; the one exception, a model without golden vectors
//! where Python is missing, does not load.
mod args;
mod folder;
mod golden;

use crate::output::{self, out};
use anyhow::{Context, Result, bail, ensure};
use serde_json::json;
use sinew_inference::import::{
    self, Assumed, Draft, Folder, ImportError, Kind, Missing, Overrides, Plan, RobotFacts, Written,
};
use sinew_inference::{Directory, LoadError, ManifestError, Model, NativeEngine, sha256_hex};
use sinew_robot::Robot;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

pub use args::ModelImport;
use golden::Golden;

/// # Errors
/// What the source says wrong, with file and line. What it does not say is a verdict (exit code 1), not an error.
pub fn run(args: &ModelImport) -> Result<ExitCode> {
    ensure!(args.folder.is_dir(), "{}: no such folder; name the folder of one policy", args.folder.display());
    let robot_folder =
        args.robot.folder()?.context("which robot? pass --robot NAME or --description FOLDER")?;
    let robot = Robot::load(&robot_folder)?;
    let facts = RobotFacts {
        joints: robot.joint_names().map(str::to_owned).collect(),
        stand_rad: robot.joints.iter().map(|joint| joint.default_q_rad).collect(),
    };
    let name = model_name(args)?;
    let models = args.out.clone().unwrap_or_else(|| robot_folder.join("models"));
    let manifest = models.join(format!("{name}.model.toml"));
    if manifest.exists() && !args.force {
        bail!("{} exists; choose another --name, or replace it with --force", manifest.display());
    }
    let listed = folder::list(&args.folder)?;
    let source = Directory::new(&listed.root);
    let folder =
        Folder { name: args.folder.display().to_string(), files: listed.files.clone(), source: &source };
    let set_file = args.set_file.as_deref().map(|path| Ok::<_, anyhow::Error>((path, std::fs::read(path)?)));
    let set_file = set_file.transpose().context("--set-file")?;
    let set_file = set_file.as_ref().map(|(path, bytes)| (path.display().to_string(), bytes.as_slice()));
    let overrides =
        Overrides::parse(set_file.as_ref().map(|(name, bytes)| (name.as_str(), *bytes)), &args.set)?;
    let kind = args.from.map(Kind::from);
    let draft = match import::read(&folder, kind, &facts, &overrides) {
        Ok(draft) => draft,
        Err(ImportError::Unknown(missing)) => return Ok(refused(args, None, &missing)),
        Err(error) => return Err(error.into()),
    };
    let missing = draft.missing();
    if !missing.is_empty() {
        return Ok(refused(args, Some(&draft), &missing));
    }
    let work = Work::new(&models, &name)?;
    let site = Site { robot: &facts, folder: &robot_folder, period_s: robot.period_ns as f64 * 1e-9 };
    let outcome = build(&work, &draft, &folder, &listed, &site, &overrides)?;
    if let Err(reason) = &outcome.golden
        && manifest.exists()
    {
        bail!("no golden vectors: {reason}; {} stays as it is", manifest.display());
    }
    let installed = work.install(&models, args.force)?;
    let outcome = outcome.named(&work, &manifest);
    report(args, &draft, &manifest, &outcome, &installed);
    Ok(if outcome.golden.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// How the new model was proven.
struct Outcome {
    /// The check's report, or why there are no golden vectors.
    golden: std::result::Result<String, String>,
    engines: Vec<&'static str>,
}

impl Outcome {
    /// The report with the manifest's final name instead of the one it had while it was made.
    fn named(self, work: &Work, manifest: &Path) -> Self {
        let made = work.path().join(work.manifest()).display().to_string();
        Self { golden: self.golden.map(|text| text.replace(&made, &manifest.display().to_string())), ..self }
    }
}

/// The robot a model is made for.
struct Site<'a> {
    robot: &'a RobotFacts,
    folder: &'a Path,
    /// Of control.
    period_s: f64,
}

/// Writes the model into the work folder and proves it there.
fn build(
    work: &Work,
    draft: &Draft,
    folder: &Folder<'_>,
    listed: &folder::Listed,
    site: &Site<'_>,
    overrides: &Overrides,
) -> Result<Outcome> {
    let both = ["native", "onnxruntime"];
    let written = Written::of(draft, folder, &plan(&work.name, &both, ""))?;
    for (file, bytes) in &written.files {
        work.write(file, bytes)?;
    }
    let latency_ticks = draft.runtime.latency_ticks.value().copied().unwrap_or_default();
    let lead_s = latency_ticks as f64 * site.period_s;
    let golden = match golden::make(work.path(), listed, draft.kind, site.robot, overrides, lead_s) {
        Ok(golden) => golden,
        Err(golden::Failure::NoPython(reason)) => {
            work.write(&work.manifest(), written.manifest.as_bytes())?;
            return Ok(Outcome { golden: Err(reason), engines: both.to_vec() });
        }
        Err(golden::Failure::Reader(reason)) => {
            bail!(
                "the second reader, which makes the golden vectors, does not understand the source: {reason}"
            )
        }
    };
    golden.agrees_with(draft)?;
    let file = format!("{}.golden.json", work.name);
    work.write(&file, golden.text.as_bytes())?;
    let made_by = "read from the source by another reader than the one that wrote this file";
    let verify = import::verify_section(&file, &sha256_hex(golden.text.as_bytes()), made_by);
    work.write(&work.manifest(), format!("{}{verify}", written.manifest).as_bytes())?;
    let model = match Model::load(&Directory::new(work.path()), &work.manifest()) {
        Ok(model) => model,
        Err(LoadError::Manifest(error)) => bail!("{}", in_words_of_the_import(&written.manifest, &error)),
        Err(error) => return Err(error.into()),
    };
    let mut engines = both.to_vec();
    if let Err(error) = NativeEngine::new(&model) {
        engines = vec!["onnxruntime"];
        let note = format!("the native engine refuses it: {error}");
        let written = Written::of(draft, folder, &plan(&work.name, &engines, &note))?;
        work.write(&work.manifest(), format!("{}{verify}", written.manifest).as_bytes())?;
    }
    let report = check(&work.path().join(work.manifest()), site.folder)?;
    Ok(Outcome { golden: Ok(report), engines })
}

/// A refusal at the place of the source; the manifest that says it is gone by the time it is read.
fn in_words_of_the_import(manifest: &str, error: &ManifestError) -> String {
    let refusal = import::refused(manifest, error);
    let lead =
        if error.hint.contains("gain_order") { "; that is: --set joints.gain_order=policy" } else { "" };
    format!("{refusal}{lead}")
}

fn plan<'a>(name: &'a str, engines: &'a [&'a str], engine_note: &'a str) -> Plan<'a> {
    Plan { name, version: "1.0.0", engines, engine_note }
}

/// The same check as for any model, in a process of its own.
fn check(manifest: &Path, robot_folder: &Path) -> Result<String> {
    let exe = std::env::current_exe().context("own executable")?;
    let output = Command::new(exe)
        .args(["model", "check"])
        .arg(manifest)
        .arg("--description")
        .arg(robot_folder)
        .output()
        .context("sinew model check")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(text);
    }
    bail!("the imported model does not pass the check:\n{text}{}", String::from_utf8_lossy(&output.stderr))
}

/// Name of the model: given, or the source folder's, with letters, digits and `_` only.
fn model_name(args: &ModelImport) -> Result<String> {
    let own = || {
        args.folder.canonicalize().ok().and_then(|f| f.file_name().map(|n| n.to_string_lossy().into_owned()))
    };
    let name = args.name.clone().or_else(own).unwrap_or_default();
    let clean: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    if clean.is_empty() || (args.name.is_some() && clean != name) {
        bail!("--name {name:?}: expected letters, digits and _");
    }
    Ok(clean)
}

fn refused(args: &ModelImport, draft: Option<&Draft>, missing: &[Missing]) -> ExitCode {
    let kind = draft.map(|d| d.kind.name());
    if args.json {
        let list: Vec<_> =
            missing.iter().map(|m| json!({ "what": m.what, "why": m.why, "supply": m.supply })).collect();
        let assumed = draft.map(assumed_json);
        out!("{}", json!({ "imported": false, "kind": kind, "missing": list, "assumed": assumed }));
    } else {
        out!("{}: not imported", args.folder.display());
        out!("{}", ImportError::Unknown(missing.to_vec()));
        output::text(&assumed_text(&draft.map(Draft::assumptions).unwrap_or_default()));
    }
    ExitCode::FAILURE
}

/// What was taken without being said, with what replaces it.
fn assumed_text(assumed: &[Assumed]) -> String {
    if assumed.is_empty() {
        return String::new();
    }
    let mut text = "assumed, because no file of the source says it; look at each:\n".to_owned();
    for Assumed { what, value, why, supply } in assumed {
        text.push_str(&format!("  {what} = {value}: {why}\n    replace it: {supply}\n"));
    }
    text
}

fn assumed_json(draft: &Draft) -> serde_json::Value {
    let one = |a: &Assumed| json!({ "what": a.what, "value": a.value, "why": a.why, "supply": a.supply });
    draft.assumptions().iter().map(one).collect()
}

fn report(args: &ModelImport, draft: &Draft, manifest: &Path, outcome: &Outcome, installed: &[PathBuf]) {
    if args.json {
        let files: Vec<String> = installed.iter().map(|f| f.display().to_string()).collect();
        out!(
            "{}",
            json!({
                "imported": outcome.golden.is_ok(),
                "kind": draft.kind.name(),
                "manifest": manifest,
                "files": files,
                "engines": outcome.engines,
                "assumed": assumed_json(draft),
                "report": outcome.golden.as_ref().unwrap_or_else(|reason| reason),
            })
        );
        return;
    }
    out!("{} ({}) -> {}", args.folder.display(), draft.kind.name(), manifest.display());
    output::text(&assumed_text(&draft.assumptions()));
    match &outcome.golden {
        Ok(report) => output::text(report),
        Err(reason) => {
            out!("no golden vectors: {reason}");
            out!(
                "the manifest has no [verify] and does not load; run the same command with --force where python3 has pip"
            );
        }
    }
}

/// Start of a work folder's name; the process that made it follows.
const WORK: &str = ".import-";

/// Removes the work folders of imports that were ended from outside.
fn sweep(models: &Path) {
    for entry in std::fs::read_dir(models).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let process =
            name.to_str().and_then(|n| n.strip_prefix(WORK)?.split('-').next()?.parse::<u32>().ok());
        if process.is_some_and(|id| !Path::new(&format!("/proc/{id}")).exists()) {
            // Somebody else's folder may stay: it is in nobody's way.
            std::fs::remove_dir_all(entry.path()).ok();
        }
    }
}

/// A hidden folder beside the models in which a model is made; gone with the value.
struct Work {
    dir: tempfile::TempDir,
    name: String,
}

impl Work {
    fn new(models: &Path, name: &str) -> Result<Self> {
        std::fs::create_dir_all(models).with_context(|| models.display().to_string())?;
        sweep(models);
        let dir =
            tempfile::Builder::new().prefix(&format!("{WORK}{}-", std::process::id())).tempdir_in(models);
        Ok(Self { dir: dir.with_context(|| models.display().to_string())?, name: name.to_owned() })
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    fn manifest(&self) -> String {
        format!("{}.model.toml", self.name)
    }

    fn write(&self, file: &str, bytes: &[u8]) -> Result<()> {
        let path = self.path().join(file);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
        }
        std::fs::write(&path, bytes).with_context(|| path.display().to_string())
    }

    /// Moves all files into `models`, the manifest last. Another file of a name in use stays: only what the manifest
    /// being replaced by `force` lists, too, is replaced.
    fn install(&self, models: &Path, force: bool) -> Result<Vec<PathBuf>> {
        let manifest = self.manifest();
        let mut names = folder::names(self.path())?;
        names.sort_by_key(|name| *name == manifest);
        let old = if force {
            std::fs::read_to_string(models.join(&manifest)).unwrap_or_default()
        } else {
            String::new()
        };
        for name in names.iter().filter(|name| **name != manifest) {
            let there = models.join(name);
            let same = std::fs::read(&there).ok() == std::fs::read(self.path().join(name)).ok();
            if there.exists() && !same && !old.contains(&format!("\"{name}\"")) {
                bail!(
                    "{} exists and is another file, which a model may rely on; import into another folder with --out, \
                     or move it away",
                    there.display()
                );
            }
        }
        let mut installed = Vec::new();
        for name in names {
            let to = models.join(&name);
            if let Some(folder) = to.parent() {
                std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
            }
            std::fs::rename(self.path().join(&name), &to).with_context(|| to.display().to_string())?;
            installed.push(to);
        }
        Ok(installed)
    }
}

impl Golden {
    /// Both readers found the same joints, gains and rate.
    fn agrees_with(&self, draft: &Draft) -> Result<()> {
        let joints = draft.joints.value().cloned().unwrap_or_default();
        if self.joints != joints {
            bail!(
                "two readers of the source disagree on the joints: {} here, {} there; the source means two things",
                joints.join(", "),
                self.joints.join(", ")
            );
        }
        let lists = [
            ("kp", draft.kp.value(), Some(&self.kp)),
            ("kd", draft.kd.value(), Some(&self.kd)),
            ("default_pos", draft.default_pos_rad.value(), self.default_pos.as_ref()),
        ];
        for (what, ours, theirs) in lists {
            let (Some(ours), Some(theirs)) = (ours, theirs) else { continue };
            if ours.len() != joints.len() || theirs.len() != joints.len() {
                bail!(
                    "two readers of the source disagree on {what}: {} values here, {} there, for {} joints; is a list cut?",
                    ours.len(),
                    theirs.len(),
                    joints.len()
                );
            }
            for ((joint, ours), theirs) in joints.iter().zip(ours).zip(theirs) {
                if !same(*ours, *theirs) {
                    bail!(
                        "two readers of the source disagree on {what} of joint `{joint}`: {ours} here, {theirs} there; is a list in another order?"
                    );
                }
            }
        }
        match draft.rate_hz.value() {
            Some(rate) if !same(*rate, self.rate_hz) => {
                bail!(
                    "two readers of the source disagree on the rate: {rate} Hz here, {} Hz there",
                    self.rate_hz
                )
            }
            _ => Ok(()),
        }
    }
}

/// Equal but for the last digits; what is no number is equal to nothing.
fn same(ours: f64, theirs: f64) -> bool {
    ours.is_finite() && (ours - theirs).abs() <= 1e-6 * ours.abs().max(1.0)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a failing set-up is a failing test
    use super::*;
    use sinew_inference::import::{DraftRuntime, Fact, GraphFiles};

    fn draft(kp: &[f64]) -> Draft {
        let known = |values: &[f64]| Fact::known(values.to_vec(), "test");
        Draft {
            kind: Kind::Unitree,
            graph: GraphFiles { file: "p.onnx".into(), external: Vec::new(), precision: "fp32" },
            rate_hz: Fact::known(50.0, "test"),
            joints: Fact::known(vec!["hip".into(), "knee".into()], "test"),
            default_pos_rad: known(&[0.0, 0.0]),
            kp: known(kp),
            kd: known(&[1.0, 2.0]),
            runtime: runtime(),
            unlike_gains: false,
            command_range: None,
            inputs: Vec::new(),
            counters: Vec::new(),
            states: Vec::new(),
            outputs: Vec::new(),
            notes: Vec::new(),
        }
    }

    fn runtime() -> DraftRuntime {
        DraftRuntime {
            deadline_ms: Fact::known(4.0, "test"),
            latency_ticks: Fact::known(2, "test"),
            on_miss: Fact::known("hold", "test"),
            misses_max: Fact::known(2, "test"),
            fallback: Fact::known("stand", "test"),
            max_action_jump_rad: Fact::known(None, "test"),
        }
    }

    fn golden() -> Golden {
        Golden {
            text: String::new(),
            joints: vec!["hip".into(), "knee".into()],
            kp: vec![20.0, 40.0],
            kd: vec![1.0, 2.0],
            default_pos: None,
            rate_hz: 50.0,
        }
    }

    #[test]
    fn gains_read_in_another_order_are_found_out() {
        golden().agrees_with(&draft(&[20.0, 40.0])).unwrap();
        let error = golden().agrees_with(&draft(&[40.0, 20.0])).unwrap_err().to_string();
        assert!(error.contains("kp of joint `hip`: 40 here, 20 there"), "{error}");
        let other = Golden { rate_hz: 100.0, ..golden() };
        assert!(other.agrees_with(&draft(&[20.0, 40.0])).unwrap_err().to_string().contains("rate"));
        let swapped = Golden { joints: vec!["knee".into(), "hip".into()], ..golden() };
        assert!(swapped.agrees_with(&draft(&[20.0, 40.0])).unwrap_err().to_string().contains("joints"));
    }

    #[test]
    fn what_is_no_number_agrees_with_nothing() {
        let refused = |golden: Golden, kp: &[f64]| golden.agrees_with(&draft(kp)).unwrap_err().to_string();
        let error = refused(Golden { kp: vec![20.0, f64::NAN], ..golden() }, &[20.0, 40.0]);
        assert!(error.contains("kp of joint `knee`: 40 here, NaN there"), "{error}");
        let error = refused(golden(), &[f64::NAN, 40.0]);
        assert!(error.contains("kp of joint `hip`: NaN here, 20 there"), "{error}");
        let error = refused(Golden { default_pos: Some(vec![f64::NAN, 0.0]), ..golden() }, &[20.0, 40.0]);
        assert!(error.contains("default_pos of joint `hip`"), "{error}");
        let error = refused(Golden { rate_hz: f64::NAN, ..golden() }, &[20.0, 40.0]);
        assert!(error.contains("rate"), "{error}");
        let error = refused(golden(), &[f64::INFINITY, 40.0]);
        assert!(error.contains("kp of joint `hip`"), "{error}");
        let error = refused(Golden { kp: vec![20.0], ..golden() }, &[20.0, 40.0]);
        assert!(error.contains("kp: 2 values here, 1 there, for 2 joints"), "{error}");
    }
}
