//! Which provider got which nodes of a graph, whoever says so.

/// One node as the session sees it, after its own rewriting of the graph.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AssignedNode {
    /// Its name; may be empty, may carry the name of a fusion.
    pub name: String,
    /// Operator set; empty for ONNX itself.
    pub domain: String,
    /// Operator.
    pub operator: String,
}

/// Nodes handed to one provider together; compiling providers take one per fused piece, the CPU one per node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subgraph {
    /// The library's name of the provider.
    pub provider: String,
    /// Its nodes.
    pub nodes: Vec<AssignedNode>,
}
