//! Which format a folder holds, by what is in its files.

use super::error::ImportError;
use super::folder::Folder;
use super::graph_file::GraphFile;
use super::overrides::Overrides;
use super::tree::Document;
use super::{Kind, lerobot, onnx_metadata, rl_sar, unitree};

/// Names by which a file of a format is known even when it cannot be read.
const NAMES: [&str; 4] = [unitree::FILE, rl_sar::CONFIG, rl_sar::BASE, lerobot::CONFIG];

/// The one format `folder` shows; several or none is a refusal that names them.
pub(super) fn detect(folder: &Folder<'_>) -> Result<Kind, ImportError> {
    let mut found: Vec<(Kind, String)> = Vec::new();
    // A file of another purpose may be anything, so what cannot be read counts only where no other file shows a format.
    let (mut unreadable, mut unreadable_by_name) = (None, None);
    for file in folder.ending(&[".yaml", ".yml", ".json"]) {
        let document = match folder.document(file) {
            Ok(document) => document,
            Err(pointer @ ImportError::LfsPointer { .. }) => return Err(pointer),
            Err(error) => {
                let by_name = file.rsplit('/').next().is_some_and(|name| NAMES.contains(&name));
                let slot = if by_name { &mut unreadable_by_name } else { &mut unreadable };
                slot.get_or_insert(error);
                continue;
            }
        };
        if let Some(kind) = kind_of(file, &document)
            && !found.iter().any(|(k, _)| *k == kind)
        {
            found.push((kind, file.to_owned()));
        }
    }
    if found.is_empty() {
        if let Some(error) = unreadable_by_name {
            return Err(error);
        }
        found.extend(self_describing(folder)?.map(|file| (Kind::OnnxMetadata, file)));
    }
    match found.as_slice() {
        [(kind, _)] => Ok(*kind),
        [] => {
            if let Some(error) = unreadable {
                return Err(error);
            }
            let all: Vec<&str> = folder.files.iter().map(String::as_str).take(12).collect();
            let kinds: Vec<&str> = Kind::ALL.iter().map(|k| k.name()).collect();
            let found = if all.is_empty() { "no files".to_owned() } else { all.join(", ") };
            let expected = "a LEAPP YAML, deploy.yaml, rl_sar's config.yaml, an ONNX file with metadata, or LeRobot's config.json";
            Err(folder.error(found, expected, format!("say what it is with --from {}", kinds.join("|"))))
        }
        several => {
            let found: Vec<String> = several.iter().map(|(k, f)| format!("{} ({f})", k.name())).collect();
            let names: Vec<&str> = several.iter().map(|(k, _)| k.name()).collect();
            let hint = format!("say which with --from {}", names.join("|"));
            Err(folder.error(found.join(" and "), "one format", hint))
        }
    }
}

fn kind_of(file: &str, document: &Document) -> Option<Kind> {
    let top = document.top();
    let has = |keys: &[&str]| keys.iter().all(|key| top.get(key).is_some());
    if has(&["models", "pipeline"]) {
        return Some(Kind::Leapp);
    }
    if has(&["joint_ids_map", "observations", "actions"]) || file.rsplit('/').next() == Some(unitree::FILE) {
        return Some(Kind::Unitree);
    }
    if has(&["type", "input_features", "output_features"]) {
        return Some(Kind::Lerobot);
    }
    let name = file.rsplit('/').next();
    let body = top.entries().ok().and_then(|entries| match entries.as_slice() {
        [(_, body)] => Some(body.clone()),
        _ => None,
    });
    let inside = |key| body.as_ref().is_some_and(|b| b.get(key).is_some());
    let rl_sar = (name == Some(rl_sar::CONFIG) && inside("model_name") && inside("observations"))
        || (inside("rl_kp") && inside("joint_mapping"));
    rl_sar.then_some(Kind::RlSar)
}

/// The ONNX file that carries a policy's metadata.
fn self_describing(folder: &Folder<'_>) -> Result<Option<String>, ImportError> {
    if folder.ending(&[".onnx"]).is_empty() {
        return Ok(None);
    }
    let graph = GraphFile::find(folder, None, &Overrides::nothing())?;
    Ok(graph.metadata(onnx_metadata::MARK).is_some().then(|| graph.files.file.clone()))
}
