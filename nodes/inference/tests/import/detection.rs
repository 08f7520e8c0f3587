//! The format is found by content; more than one, or none, is a refusal that says so.

use super::*;

#[test]
fn each_fixture_is_known_by_what_is_in_it() {
    for (name, kind) in [
        ("quad_leapp", Kind::Leapp),
        ("quad_unitree", Kind::Unitree),
        ("quad_rl_sar", Kind::RlSar),
        ("quad_metadata", Kind::OnnxMetadata),
        ("quad_lerobot", Kind::Lerobot),
    ] {
        assert_eq!(Fixture::complete(name).draft().kind, kind, "{name}");
    }
    // By content: the name of a LEAPP YAML means nothing.
    let leapp = Fixture::complete("quad_leapp");
    let yaml = leapp.bytes("quad_leapp.yaml");
    assert_eq!(leapp.without("quad_leapp.yaml").with("description.yml", &yaml).draft().kind, Kind::Leapp);
}

#[test]
fn two_formats_in_one_folder_are_named() {
    let unitree = Fixture::load("quad_unitree");
    let both =
        Fixture::complete("quad_leapp").with("params/deploy.yaml", &unitree.bytes("params/deploy.yaml"));
    both.refused(&["unitree (params/deploy.yaml)", "leapp (quad_leapp.yaml)", "one format", "--from"]);
    assert_eq!(both.read_as(Some(Kind::Leapp)).unwrap().kind, Kind::Leapp);
}

#[test]
fn no_format_at_all_is_said_with_what_was_found() {
    let nothing = Fixture::load("quad_metadata").without("policy.onnx").with("notes.txt", b"hello");
    nothing.refused(&[
        "notes.txt",
        "a LEAPP YAML, deploy.yaml",
        "--from leapp|unitree|rl-sar|onnx-metadata|lerobot",
    ]);
    let wrong = Fixture::complete("quad_lerobot").read_as(Some(Kind::Unitree)).unwrap_err().to_string();
    assert!(wrong.contains("deploy.yaml"), "{wrong}");
    let broken =
        Fixture::complete("quad_unitree").with("params/deploy.yaml", b"joint_ids_map: [1, 2\nstep_dt: 3\n");
    let text = broken.read_as(Some(Kind::Unitree)).unwrap_err().to_string();
    assert!(text.contains("params/deploy.yaml:") && text.contains("well-formed"), "{text}");
}

#[test]
fn a_file_of_a_known_name_that_cannot_be_read_is_said_first() {
    let unitree = Fixture::complete("quad_unitree");
    for (bytes, part) in [
        (&b"joint_ids_map: [1, 2\nstep_dt: 3\n"[..], "well-formed"),
        (b"\xff\xfea\0:\0 \x001\0", "not UTF-8"),
        (b"a: 1\n---\nb: 2\n", "multiple YAML documents"),
    ] {
        unitree.clone().with("params/deploy.yaml", bytes).refused(&["params/deploy.yaml", part]);
    }
    Fixture::complete("quad_leapp").with("quad_leapp.yaml", b"models: [\n").refused(&["quad_leapp.yaml:"]);
    // Beside a format that can be read, another file may be anything.
    let beside = Fixture::complete("quad_leapp").with("notes.yaml", b"a: [\n");
    assert_eq!(beside.draft().kind, Kind::Leapp);
}
