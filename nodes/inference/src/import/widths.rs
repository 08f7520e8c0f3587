//! The widths of all terms against the graph's own shapes: the cheapest proof that nothing was left out.

use super::draft::DraftTerm;
use super::error::ImportError;
use super::graph_file::GraphFile;
use super::tree::At;

/// Values a term takes in its tensor.
fn len(term: &DraftTerm) -> Option<usize> {
    term.history.value().map(|h| term.width * h.len)
}

/// Compares the terms with the last dimension of `shape`; silent while a history is not known.
pub(super) fn check(
    at: &At<'_>,
    graph: &GraphFile,
    tensor: &str,
    shape: &[usize],
    terms: &[DraftTerm],
) -> Result<(), ImportError> {
    let Some(lens) = terms.iter().map(len).collect::<Option<Vec<usize>>>() else { return Ok(()) };
    let total: usize = lens.iter().sum();
    let expected: usize = shape.iter().product();
    if total == expected {
        return Ok(());
    }
    let listed: Vec<String> = terms.iter().zip(&lens).map(|(t, n)| format!("{} {n}", t.name)).collect();
    Err(at.error(
        format!("{total} values ({})", listed.join(", ")),
        format!("{expected}, the size of `{tensor}` in {}", graph.files.file),
        "the configuration and the graph are not of the same export, or a term or its history is missing",
    ))
}

/// Compares an action output with the number of joints.
pub(super) fn check_output(
    graph: &GraphFile,
    tensor: &str,
    shape: &[usize],
    joints: usize,
) -> Result<(), ImportError> {
    if shape.iter().product::<usize>() == joints {
        return Ok(());
    }
    Err(ImportError::Content {
        file: graph.files.file.as_str().into(),
        line: 1,
        field: tensor.into(),
        found: format!("{shape:?}").into(),
        expected: format!("{joints} values, one per joint").into(),
        hint: "the configuration and the graph are not of the same export".into(),
    })
}
