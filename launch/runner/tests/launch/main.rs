//! Launch files in, plans and refusals out.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a failed unwrap is a failed test

mod any_text;
mod refusals;
mod world;

use std::path::Path;

use sinew_runner::{
    NodeOutput, NodePlan, ParamValue, Plan, Programs, declared_args, evaluate, parse_overrides,
};
use world::World;

/// A node whose parameter `v` shows what a substitution came to.
fn probe(name: &str, value: &str) -> String {
    format!(r#"<node pkg="p" exec="e" name="{name}"><param name="v" value="{value}" type="str"/></node>"#)
}

fn probed(plan: &Plan, name: &str) -> String {
    let node = plan.nodes.iter().find(|n| n.name == name).expect("probe");
    match node.params.as_slice() {
        [(_, ParamValue::Text(text))] => text.clone(),
        other => panic!("{other:?}"),
    }
}

fn only(plan: &Plan) -> &NodePlan {
    assert_eq!(plan.nodes.len(), 1);
    plan.nodes.first().expect("one node")
}

fn line(node: &NodePlan) -> String {
    let programs = Programs::under(Vec::new()).with_own(&node.pkg, &node.exec, "/bin/exe".into());
    let words = node.command_line(&programs).expect("program");
    words.iter().map(|w| w.to_str().expect("UTF-8")).collect::<Vec<_>>().join("|")
}

#[test]
fn a_node_with_everything() {
    let world = World::body(
        r#"<arg name="robot" default="quad"/>
           <set_env name="A" value="1"/>
           <node pkg="sinew" exec="sinew" name="control" namespace="$(var robot)" args="node 'a b' --n=$(var robot)"
                 respawn="true" respawn_delay="1.5" respawn_max_retries="2" sigterm_timeout="25" sigkill_timeout="3"
                 output="screen" on_exit="shutdown">
             <param from="/l/p.yaml"/>
             <param name="robot" value="$(var robot)"/>
             <param name="n" value="3"/>
             <param name="rate" value="500.0"/>
             <param name="on" value="true"/>
             <param name="deep"><param name="x" value="1"/><param name="y"><param name="z" value="[1.0, 2.0]"/></param></param>
             <env name="A" value="2"/>
             <env name="B" value="$(env A)"/>
           </node>"#,
    )
    .file("/l/p.yaml", "");
    let plan = world.plan(&[]);
    let node = only(&plan);
    assert_eq!(
        line(node),
        "/bin/exe|node|a b|--n=quad|--ros-args|-r|__node:=control|-r|__ns:=/quad|--params-file|/l/p.yaml\
         |-p|robot:='quad'|-p|n:=3|-p|rate:=500.0|-p|on:=true|-p|deep.x:=1|-p|deep.y.z:=[1.0, 2.0]"
    );
    assert_eq!(node.full_name(), "/quad/control");
    // $(env) reads the scope's environment, not the process's own <env>.
    let env: Vec<(&str, &str)> = node.env.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    assert_eq!(env, [("A", "2"), ("B", "1")]);
    assert!(node.respawn && node.on_exit_shutdown);
    assert_eq!((node.respawn_delay_s, node.respawn_max_retries), (1.5, Some(2)));
    assert_eq!((node.sigterm_timeout_s, node.sigkill_timeout_s), (25.0, 3.0));
    assert_eq!(node.output, NodeOutput::Screen);
    assert_eq!(node.source.to_string(), "/l/main.launch.xml:4:12");
}

#[test]
fn a_bare_node_takes_launchs_defaults() {
    let plan = World::body(r#"<node pkg="p" exec="e" name="n"/>"#).plan(&[]);
    let node = only(&plan);
    assert_eq!(line(node), "/bin/exe|--ros-args|-r|__node:=n");
    assert!(!node.respawn && !node.on_exit_shutdown);
    assert_eq!((node.sigterm_timeout_s, node.sigkill_timeout_s), (5.0, 5.0));
    assert_eq!((node.respawn_max_retries, node.output), (None, NodeOutput::Log));
}

#[test]
fn a_value_given_wins_over_the_default_and_choices_bind_both() {
    let world = World::body(&format!(
        r#"<arg name="a" default="x" description="which"><choice value="x"/><choice value="z"/></arg>{}"#,
        probe("n", "$(var a)")
    ));
    assert_eq!(probed(&world.plan(&[]), "n"), "x");
    let plan = world.plan(&["a:=z"]);
    assert_eq!(probed(&plan, "n"), "z");
    assert_eq!(plan.arg("a"), Some("z"));
    assert_eq!(
        world.refusal(&["a:=q"]),
        "/l/main.launch.xml:2:1: launch argument `a` is `q`; expected one of x, z"
    );
}

#[test]
fn groups_restore_configurations_and_environment_unless_told_not_to() {
    let body = |scoped: &str| {
        format!(
            r#"<arg name="a" default="outer"/>
               <group{scoped}>
                 <let name="a" value="inner"/><set_env name="E" value="inner"/>{}
               </group>{}"#,
            probe("in", "$(var a) $(env E)"),
            probe("out", "$(var a) $(env E none)")
        )
    };
    let plan = World::body(&body("")).plan(&[]);
    assert_eq!((probed(&plan, "in").as_str(), probed(&plan, "out").as_str()), ("inner inner", "outer none"));
    let plan = World::body(&body(r#" scoped="false""#)).plan(&[]);
    assert_eq!(probed(&plan, "out"), "inner inner");
}

#[test]
fn conditions_read_true_1_false_0_only() {
    for (text, runs) in [("true", 1), (" TRUE ", 1), ("1", 1), ("False", 0), ("0", 0)] {
        let body = format!(
            r#"<node pkg="p" exec="e" name="a" if="{text}"/><node pkg="p" exec="e" name="b" unless="{text}"/>"#
        );
        let plan = World::body(&body).plan(&[]);
        assert_eq!(only(&plan).name, if runs == 1 { "a" } else { "b" });
    }
    for text in ["yes", "on", "", "2"] {
        let body = format!(r#"<group if="{text}"/>"#);
        assert_eq!(
            World::body(&body).refusal(&[]),
            format!("/l/main.launch.xml:2:12: <group if>: found `{text}`, expected true, 1, false or 0")
        );
    }
}

#[test]
fn an_include_sees_and_leaks_as_stock_launch_does() {
    let child = format!(
        r#"<launch><arg name="a" default="child"/><arg name="b"/><let name="c" value="set"/>{}</launch>"#,
        probe("in", "$(var a) $(var b) $(dirname)")
    );
    let world = World::body(&format!(
        r#"<arg name="a" default="parent"/><let name="here" value="$(dirname)"/>
           <include file="$(dirname)/../c/child.launch.xml"><arg name="b" value="given"/></include>
           {}"#,
        probe("out", "$(var b) $(var c) $(var here)")
    ))
    .file("/c/child.launch.xml", &child);
    let plan = world.plan(&[]);
    assert_eq!(probed(&plan, "in"), "parent given /c");
    assert_eq!(probed(&plan, "out"), "given set /l");
    // An argument of the included file can be given on the command line; the include's own value wins.
    assert_eq!(probed(&world.plan(&["b:=mine"]), "in"), "parent given /c");
}

#[test]
fn substitutions_quote_and_escape_as_in_launch() {
    let cases = [
        (r"\$(var a)", "$(var a)"),
        (r"a\b\\c", r"ab\c"),
        ("$(env NONE 'a b')", "a b"),
        ("$(env NONE '')", ""),
        ("$(env NONE x$(var a)y)", "xvaluey"),
        ("$(env $(var n))", "from env"),
        ("$(env NONE '($(var a))')", "(value)"),
        (r"$(env NONE \(x\))", "(x)"),
        ("$(find-pkg-share demo)/x", "/opt/share/demo/x"),
        ("$ a $b ) (", "$ a $b ) ("),
        ("&lt;&amp;", "<&"),
    ];
    for (text, expected) in cases {
        let body = format!(r#"<let name="a" value="value"/><let name="n" value="SET"/>{}"#, probe("n", text));
        let plan = World::body(&body).variable("SET", "from env").plan(&[]);
        assert_eq!(probed(&plan, "n"), expected, "{text}");
    }
}

#[test]
fn args_are_split_before_they_are_substituted() {
    let words = |args: &str| {
        let body = format!(r#"<let name="a" value="x y"/><node pkg="p" exec="e" name="n" args="{args}"/>"#);
        World::body(&body).plan(&[]).nodes.remove(0).args
    };
    assert_eq!(words("one 'two three' $(var a)"), ["one", "two three", "x y"]);
    assert_eq!(words("$(var a) $(var a)"), ["x y", "x y"]);
    assert_eq!(words("--k=$(var a)/z end"), ["--k=x y/z", "end"]);
    assert_eq!(words("a $(var a) b c d "), ["a", "x y", "b", "c", "d"]);
}

#[test]
fn namespaces_become_absolute() {
    for (written, namespace) in [("a", "/a"), ("/a/b", "/a/b"), ("a/", "/a"), ("", "/")] {
        let body = format!(r#"<node pkg="p" exec="e" name="n" namespace="{written}"/>"#);
        assert_eq!(World::body(&body).plan(&[]).nodes.remove(0).namespace, namespace, "{written}");
    }
}

#[test]
fn arguments_are_declared_without_being_evaluated() {
    let world = World::body(
        r#"<arg name="a" description="what $(x) it is"/>
           <group if="false"><arg name="b" default="$(var a)/x"><choice value="1"/></arg></group>"#,
    );
    let args = declared_args(Path::new("/l/main.launch.xml"), &world).unwrap();
    let shown: Vec<_> =
        args.iter().map(|a| (a.name.as_str(), a.description.as_deref(), a.default.as_deref())).collect();
    assert_eq!(shown, [("a", Some("what $(x) it is"), None), ("b", None, Some("$(var a)/x"))]);
    assert_eq!(args.last().unwrap().choices, ["1"]);
}

#[test]
fn a_missing_program_names_the_places_looked_at() {
    let plan = World::body(r#"<node pkg="p" exec="e" name="n"/>"#).plan(&[]);
    let error = only(&plan).command_line(&Programs::under(vec!["/opt/a".into()])).unwrap_err();
    assert_eq!(
        error.to_string(),
        "package `p` has no executable `e`; looked for /opt/a/lib/p/e. Source the setup file of its workspace \
         (AMENT_PREFIX_PATH), or mend pkg and exec"
    );
}

#[test]
fn the_robots_own_launch_file_plans_five_processes() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../sinew.launch.xml");
    let overrides = parse_overrides(&["robot:=a".to_owned(), "seed:=7".to_owned()]).unwrap();
    let plan = evaluate(&file, &overrides, &sinew_runner::Host::new()).unwrap_or_else(|e| panic!("{e}"));
    let names: Vec<String> = plan.nodes.iter().map(NodePlan::full_name).collect();
    assert_eq!(names, ["/a/twin", "/a/bridge", "/a/control", "/a/policy", "/a/ros"]);
    for node in &plan.nodes {
        assert_eq!((node.pkg.as_str(), node.exec.as_str()), ("sinew", "sinew"));
        assert_eq!(node.args, ["node".to_owned(), node.name.clone()]);
    }
    assert!(plan.nodes.iter().any(|n| n.params.contains(&("seed".to_owned(), ParamValue::Integer(7)))));
    assert_eq!(plan.arg("autostart"), Some("stand"));
}
