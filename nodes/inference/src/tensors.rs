//! Every tensor of the graph stands in the manifest with a shape and type that fit, and the other way round.

use crate::engine::ElementType;
use crate::manifest::{Manifest, ManifestError};
use crate::onnx::{Dimension, Graph, Port};

/// What the manifest says of one tensor.
struct Claim<'a> {
    tensor: &'a str,
    element: ElementType,
    shape: &'a [usize],
    field: String,
    line: usize,
}

pub(crate) fn account_for_tensors(
    file: &str,
    manifest: &Manifest,
    graph: &Graph,
) -> Result<(), ManifestError> {
    let inputs = manifest.inputs.iter().enumerate().map(|(index, input)| Claim {
        tensor: &input.tensor,
        element: input.element,
        shape: &input.shape,
        field: format!("input[{index}].tensor"),
        line: input.line,
    });
    let state_inputs = manifest.states.iter().enumerate().map(|(index, state)| Claim {
        tensor: &state.input,
        element: state.element,
        shape: &state.shape,
        field: format!("state[{index}].input"),
        line: state.line,
    });
    account(file, "input", &graph.inputs, inputs.chain(state_inputs))?;

    let outputs = manifest.outputs.iter().enumerate().map(|(index, output)| Claim {
        tensor: &output.tensor,
        element: output.element,
        shape: &output.shape,
        field: format!("output[{index}].tensor"),
        line: output.line,
    });
    // A tensor that is both a state and an output is accounted for by the output.
    let only_states = manifest
        .states
        .iter()
        .enumerate()
        .filter(|(_, state)| !manifest.outputs.iter().any(|o| o.tensor == state.output));
    let state_outputs = only_states.map(|(index, state)| Claim {
        tensor: &state.output,
        element: state.element,
        shape: &state.output_shape,
        field: format!("state[{index}].output"),
        line: state.line,
    });
    account(file, "output", &graph.outputs, outputs.chain(state_outputs))?;
    for (index, state) in manifest.states.iter().enumerate() {
        if let Some(output) = manifest.outputs.iter().find(|o| o.tensor == state.output) {
            let found: usize = output.shape.iter().product();
            let wanted: usize = state.output_shape.iter().product();
            if found != wanted {
                let field = format!("state[{index}].output");
                let found = format!("`{}` of {found} values in its [[output]]", state.output);
                let expected = format!("{wanted} values, as the state takes from each run");
                return Err(Manifest::error(
                    file,
                    state.line,
                    &field,
                    found,
                    expected,
                    "correct one of them",
                ));
            }
        }
    }
    Ok(())
}

fn account<'a>(
    file: &str,
    key: &str,
    ports: &[Port],
    claims: impl Iterator<Item = Claim<'a>>,
) -> Result<(), ManifestError> {
    let names = || ports.iter().map(|p| p.name.as_str()).collect::<Vec<_>>().join(", ");
    let mut seen: Vec<&str> = Vec::new();
    for claim in claims {
        let Claim { tensor, field, line, .. } = &claim;
        let Some(port) = ports.iter().find(|p| p.name == *tensor) else {
            let expected = format!("one of {}", names());
            let found = format!("`{tensor}`");
            return Err(Manifest::error(file, *line, field, found, expected, "use the graph's own name"));
        };
        if seen.contains(tensor) {
            let found = format!("`{tensor}` a second time");
            let hint = "remove one of the sections";
            return Err(Manifest::error(file, *line, field, found, "each tensor once", hint));
        }
        seen.push(tensor);
        fits(file, &claim, port)?;
    }
    match ports.iter().find(|p| !seen.contains(&p.name.as_str())) {
        None => Ok(()),
        Some(port) => {
            let found = format!("nothing for `{}`; the graph's {key}s are {}", port.name, names());
            let hint = match key {
                "input" => "account for every tensor: [[input]], or [[state]] where it is fed by an output",
                _ => "account for every tensor: [[output]], [[state]], or kind = \"ignore\" with a reason",
            };
            let expected = format!("an [[{key}]] section for each {key} of the graph");
            Err(Manifest::error(file, 1, key, found, expected, hint))
        }
    }
}

fn fits(file: &str, claim: &Claim<'_>, port: &Port) -> Result<(), ManifestError> {
    let Claim { element, shape, field, line, .. } = claim;
    let error = |found: String, expected: String, hint: &str| {
        Err(Manifest::error(file, *line, field, found, expected, hint))
    };
    if element.onnx() != port.element_type {
        let theirs = ElementType::from_onnx(port.element_type);
        let theirs = theirs.map_or_else(|| format!("type {}", port.element_type), |t| t.to_string());
        let found = format!("dtype \"{element}\", but `{}` is {theirs} in the graph", port.name);
        return error(found, "the graph's own element type".to_owned(), "correct dtype, or export with f32");
    }
    let Some(dimensions) = &port.shape else {
        let found = format!("`{}` without a shape in the graph", port.name);
        return error(found, format!("{shape:?}"), "export with shapes");
    };
    let same = dimensions.len() == shape.len()
        && dimensions
            .iter()
            .zip(*shape)
            .all(|(d, s)| matches!(d, Dimension::Open(_)) || *d == Dimension::Fixed(*s));
    if same {
        return Ok(());
    }
    let shown: Vec<String> = dimensions.iter().map(ToString::to_string).collect();
    let found = format!("{shape:?} in the manifest, [{}] of `{}` in the graph", shown.join(", "), port.name);
    error(found, "equal shapes".to_owned(), "correct the manifest's shape, terms or joints")
}
