//! Graphs of 8 bits: what is read, what is computed, and every mistake by its name.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a failing set-up is a failing test

use sinew_inference::onnx::{
    Attribute, AttributeValue, Constant, ConstantData, Dimension, Graph, GraphError, Node, Port,
};
use sinew_inference::{CompileError, ElementType, Engine, NativeEngine, TensorInfo};

fn constant(name: &str, element: ElementType, shape: &[usize], values: &[f32]) -> Constant {
    let data = match element {
        ElementType::F32 | ElementType::F16 => ConstantData::F32(values.to_vec()),
        _ => ConstantData::I64(values.iter().map(|v| *v as i64).collect()),
    };
    Constant { name: name.to_owned(), element, shape: shape.to_vec(), data }
}

fn node(op: &str, inputs: &[&str], output: &str, attributes: &[(&str, i64)]) -> Node {
    let attribute = |(name, value): &(&str, i64)| Attribute {
        name: (*name).to_owned(),
        value: AttributeValue::Int(*value),
    };
    Node {
        op: op.to_owned(),
        inputs: inputs.iter().map(|i| (*i).to_owned()).collect(),
        outputs: vec![output.to_owned()],
        attributes: attributes.iter().map(attribute).collect(),
        ..Node::default()
    }
}

/// `x` of shape [2, 3], quantised along its last axis and back; scales `s`, zero points `z`.
fn graph() -> Graph {
    let port = |name: &str| Port {
        name: name.to_owned(),
        element_type: 1,
        shape: Some(vec![Dimension::Fixed(2), Dimension::Fixed(3)]),
    };
    Graph {
        opset: 17,
        ir_version: 8,
        nodes: vec![
            node("QuantizeLinear", &["x", "s", "z"], "q", &[("axis", -1)]),
            node("DequantizeLinear", &["q", "s", "z"], "y", &[("axis", -1)]),
        ],
        constants: vec![
            constant("s", ElementType::F32, &[3], &[0.5, 1.0, 2.0]),
            constant("z", ElementType::I8, &[3], &[0.0, -100.0, 100.0]),
        ],
        inputs: vec![port("x")],
        outputs: vec![port("y")],
    }
}

fn compile(graph: &Graph) -> Result<NativeEngine, CompileError> {
    NativeEngine::compile(graph, &[TensorInfo::f32("x", [2, 3])])
}

/// The refusal of [`graph`] with a change.
fn refused(change: impl FnOnce(&mut Graph)) -> CompileError {
    let mut graph = graph();
    change(&mut graph);
    compile(&graph).map(drop).unwrap_err()
}

#[test]
fn values_are_rounded_to_even_and_held_to_the_range() {
    let mut engine = compile(&graph()).unwrap();
    engine.input_mut(0).copy_from_slice(&[0.25, 0.5, 1.0, 0.75, -1000.0, 1000.0]);
    engine.run().unwrap();
    // 0.5 steps to 0, 0.5 to 0, 0.5 to 0; 1.5 to 2, then -128 + 100 and 127 - 100 steps.
    assert_eq!(engine.output(0), [0.0, 0.0, 0.0, 1.0, -28.0, 54.0]);
    // 8 bits have no place for what is not a number; the next reader sees it all the same.
    engine.input_mut(0).copy_from_slice(&[f32::NAN, 1.0, f32::INFINITY, 1.0, 1.0, f32::NEG_INFINITY]);
    engine.run().unwrap();
    let found = engine.output(0);
    assert!(found[0].is_nan() && found[1] == 1.0 && found[2] == 54.0 && found[5] == -456.0, "{found:?}");
}

#[test]
fn scales_are_finite_numbers_above_zero() {
    for bad in [0.0, -0.0, -1.0, f32::NAN, f32::INFINITY] {
        let error = refused(|g| g.constants[0].data = ConstantData::F32(vec![0.5, bad, 1.0]));
        let told = error.to_string();
        assert!(matches!(error, CompileError::Scale { index: 1, .. }), "{told}");
        assert!(
            told.contains("`QuantizeLinear -> q`: scale 1 is") && told.contains("quantise the model"),
            "{told}"
        );
        // The same where only weights are dequantised.
        let error = refused(|g| {
            g.nodes = vec![node("DequantizeLinear", &["z", "s"], "y", &[("axis", 0)])];
            g.constants[0].data = ConstantData::F32(vec![0.5, bad, 1.0]);
        });
        assert!(matches!(error, CompileError::Scale { index: 1, .. }), "{error}");
    }
    // A file cannot even hold one that is not a number.
    let mut graph = graph();
    graph.constants[0].data = ConstantData::F32(vec![0.5, f32::NAN, 1.0]);
    let error = Graph::parse(&graph.to_bytes()).unwrap_err();
    assert!(matches!(&error, GraphError::NonFinite { name, index: 1, .. } if name == "s"), "{error}");
}

#[test]
fn zero_points_fit_what_they_stand_beside() {
    for element in [ElementType::I64, ElementType::F32, ElementType::Bool] {
        let error = refused(|g| g.constants[1] = constant("z", element, &[3], &[0.0, 1.0, 0.0]));
        assert!(matches!(&error, CompileError::Element { tensor, .. } if tensor == "z"), "{error}");
        assert!(error.to_string().contains(element.name()), "{error}");
    }
    // 32 bits are for biases, which are dequantised only.
    let error = refused(|g| g.constants[1] = constant("z", ElementType::I32, &[3], &[0.0; 3]));
    assert!(matches!(&error, CompileError::Element { found: "i32", .. }), "{error}");
    // Quantised with a sign, dequantised without.
    let error = refused(|g| {
        g.constants.push(constant("other", ElementType::U8, &[3], &[0.0; 3]));
        g.nodes[1].inputs[2] = "other".to_owned();
    });
    assert!(
        matches!(&error, CompileError::Element { tensor, found: "u8", .. } if tensor == "other"),
        "{error}"
    );
    let error = refused(|g| g.constants[1] = constant("z", ElementType::I8, &[2], &[0.0, 1.0]));
    assert!(error.to_string().contains("zero points of shape [2] for 3 scales"), "{error}");
    let error = refused(|g| {
        g.constants.push(constant("b", ElementType::I32, &[3], &[1.0; 3]));
        g.constants.push(constant("bz", ElementType::I32, &[3], &[0.0, 0.0, 1.0]));
        g.nodes = vec![node("DequantizeLinear", &["b", "s", "bz"], "y", &[("axis", 0)])];
    });
    assert!(error.to_string().contains("a zero point of 32 bits other than 0"), "{error}");
    let error = refused(|g| {
        g.nodes[0].attributes.push(node("", &[], "", &[("output_dtype", 2)]).attributes[0].clone())
    });
    assert!(
        matches!(&error, CompileError::Attribute { attribute, .. } if attribute == "output_dtype"),
        "{error}"
    );
}

#[test]
fn an_axis_is_one_of_the_tensor_and_as_long_as_its_scales() {
    for axis in [2, -3, i64::MAX, i64::MIN] {
        let error = refused(|g| g.nodes[0].attributes[0].value = AttributeValue::Int(axis));
        assert!(matches!(error, CompileError::Shape { .. }), "{error}");
        assert!(
            error.to_string().contains(&format!("axis {axis}")) && error.to_string().contains("rank 2"),
            "{error}"
        );
    }
    let error = refused(|g| g.nodes[0].attributes[0].value = AttributeValue::Int(0));
    assert!(error.to_string().contains("3 scales along axis 0 of shape [2, 3]"), "{error}");
    let error = refused(|g| g.constants[0].shape = vec![1, 3]);
    assert!(error.to_string().contains("scales of shape [1, 3]"), "{error}");
    let error = refused(|g| {
        g.nodes[1].attributes.push(node("", &[], "", &[("block_size", 2)]).attributes[0].clone())
    });
    assert!(
        matches!(&error, CompileError::Attribute { attribute, .. } if attribute == "block_size"),
        "{error}"
    );
    let error = refused(|g| g.nodes[0].inputs[1] = "x".to_owned());
    assert!(matches!(&error, CompileError::NotConstant { operand: "the scale", .. }), "{error}");
}

#[test]
fn what_computes_in_8_bits_is_refused_by_name() {
    for op in
        ["QLinearMatMul", "MatMulInteger", "QLinearConv", "ConvInteger", "DynamicQuantizeLinear", "QGemm"]
    {
        let error = refused(|g| g.nodes.insert(1, node(op, &["q", "s", "z"], "r", &[])));
        assert!(matches!(&error, CompileError::Operator { op: found, .. } if found == op), "{error}");
    }
    for (op, inputs) in [
        ("Add", &["q", "q"][..]),
        ("Mul", &["q", "q"]),
        ("Sum", &["q", "q"]),
        ("Neg", &["q"]),
        ("MatMul", &["q", "q"]),
    ] {
        let error = refused(|g| g.nodes.insert(1, node(op, inputs, "r", &[])));
        assert!(matches!(&error, CompileError::Element { found: "i8", .. }), "{op}: {error}");
    }
    let error = refused(|g| g.nodes.insert(1, node("Cast", &["x"], "r", &[("to", 3)])));
    assert!(matches!(&error, CompileError::Attribute { attribute, .. } if attribute == "to"), "{error}");
    // Out of 8 bits is no harm.
    let mut wide = graph();
    wide.nodes[1] = node("Cast", &["q"], "y", &[("to", 1)]);
    let mut engine = compile(&wide).unwrap();
    engine.run().unwrap();
    assert_eq!(engine.output(0), [0.0, -100.0, 100.0, 0.0, -100.0, 100.0]);
}

#[test]
fn weights_of_8_bits_are_read_as_they_were_written() {
    for (element, values) in [
        (ElementType::I8, [-128, -1, 0, 127]),
        (ElementType::U8, [0, 1, 128, 255]),
        (ElementType::I32, [i64::from(i32::MIN), -1, 0, i64::from(i32::MAX)]),
    ] {
        let mut graph = graph();
        let data = ConstantData::I64(values.to_vec());
        graph.constants.push(Constant { name: "w".to_owned(), element, shape: vec![4], data });
        assert_eq!(Graph::parse(&graph.to_bytes()).unwrap(), graph);
    }
}

/// A file of one initialiser `w` of four values, written out: type, and its data field.
fn file(element: ElementType, field: u8, data: &[u8]) -> Vec<u8> {
    let message = |number: u8, bytes: &[u8]| {
        let mut out = vec![number << 3 | 2, u8::try_from(bytes.len()).unwrap()];
        out.extend_from_slice(bytes);
        out
    };
    let head = [1 << 3, 4, 2 << 3, u8::try_from(element.onnx()).unwrap()]; // dims = 4, data_type
    let tensor = [head.to_vec(), message(8, b"w"), message(field, data)].concat();
    message(7, &message(5, &tensor))
}

#[test]
fn values_beyond_their_type_and_short_tensors_are_refused() {
    // int32_data (5) holds what is not raw (9); negative numbers have ten bytes there.
    let minus_one = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
    let signed = [&[0x7f, 0x00, 0x05][..], &minus_one].concat();
    let read = Graph::parse(&file(ElementType::I8, 5, &signed)).unwrap();
    assert_eq!(read.constants[0].data, ConstantData::I64(vec![127, 0, 5, -1]));
    let error = Graph::parse(&file(ElementType::U8, 5, &signed)).unwrap_err();
    assert!(
        matches!(&error, GraphError::OutOfRange { name, index: 3, value: -1, .. } if name == "w"),
        "{error}"
    );
    assert!(error.to_string().contains("value 3 is -1, which u8 cannot hold"), "{error}");
    // 128 fits the one and not the other.
    let wide = [0x80, 0x01, 0, 0, 0];
    assert!(Graph::parse(&file(ElementType::U8, 5, &wide)).is_ok());
    let error = Graph::parse(&file(ElementType::I8, 5, &wide)).unwrap_err();
    assert!(matches!(error, GraphError::OutOfRange { index: 0, value: 128, .. }), "{error}");
    for element in [ElementType::I8, ElementType::U8] {
        for raw in [&[1, 2, 3][..], &[1, 2, 3, 4, 5], &[]] {
            let error = Graph::parse(&file(element, 9, raw)).unwrap_err();
            assert!(matches!(error, GraphError::TensorSize { .. }), "{error}");
        }
    }
}
