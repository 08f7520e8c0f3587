//! Which provider got which node, as the session itself recorded it while it was built.

use std::ffi::{CStr, c_char};
use std::ptr;

use ort::AsPointer;
use ort::session::Session;
use ort::sys;

use super::check;
use crate::subgraph::{AssignedNode, Subgraph};

/// Reads what a session built with `session.record_ep_graph_assignment_info` recorded.
pub(super) fn assignment(session: &Session) -> Result<Vec<Subgraph>, String> {
    let api = ort::api();
    let mut subgraphs: *const *const sys::OrtEpAssignedSubgraph = ptr::null();
    let mut count = 0usize;
    // SAFETY: the session outlives this call; both out-pointers are valid; the list stays the session's.
    let status =
        unsafe { (api.Session_GetEpGraphAssignmentInfo)(session.ptr(), &raw mut subgraphs, &raw mut count) };
    check(status)?;
    // SAFETY: on success the library gave `count` pointers to live subgraphs of the session.
    let subgraphs = unsafe { list(subgraphs, count) };
    subgraphs.iter().map(|subgraph| read(*subgraph)).collect()
}

fn read(subgraph: *const sys::OrtEpAssignedSubgraph) -> Result<Subgraph, String> {
    let api = ort::api();
    // SAFETY: `subgraph` is a live subgraph of the session, as are the texts and nodes asked from it.
    let provider = unsafe { text(|out| (api.EpAssignedSubgraph_GetEpName)(subgraph, out)) }?;
    let mut nodes: *const *const sys::OrtEpAssignedNode = ptr::null();
    let mut count = 0usize;
    // SAFETY: as above; both out-pointers are valid.
    let status = unsafe { (api.EpAssignedSubgraph_GetNodes)(subgraph, &raw mut nodes, &raw mut count) };
    check(status)?;
    // SAFETY: on success the library gave `count` pointers to live nodes of the session.
    let nodes = unsafe { list(nodes, count) };
    let node = |node: &*const sys::OrtEpAssignedNode| {
        let node = *node;
        // SAFETY: `node` is a live node of the session.
        unsafe {
            Ok(AssignedNode {
                name: text(|out| (api.EpAssignedNode_GetName)(node, out))?,
                domain: text(|out| (api.EpAssignedNode_GetDomain)(node, out))?,
                operator: text(|out| (api.EpAssignedNode_GetOperatorType)(node, out))?,
            })
        }
    };
    Ok(Subgraph { provider, nodes: nodes.iter().map(node).collect::<Result<_, String>>()? })
}

/// # Safety
/// `first` points to `count` values that live as long as the result is used, or `count` is zero.
unsafe fn list<'a, T>(first: *const T, count: usize) -> &'a [T] {
    if first.is_null() || count == 0 {
        return &[];
    }
    // SAFETY: promised by the caller.
    unsafe { std::slice::from_raw_parts(first, count) }
}

/// # Safety
/// On success `get` stores a C string that lives at least until this returns.
unsafe fn text(get: impl FnOnce(*mut *const c_char) -> sys::OrtStatusPtr) -> Result<String, String> {
    let mut out: *const c_char = ptr::null();
    check(get(&raw mut out))?;
    if out.is_null() {
        return Ok(String::new());
    }
    // SAFETY: promised by the caller; copied before anything else happens.
    Ok(unsafe { CStr::from_ptr(out) }.to_string_lossy().into_owned())
}
