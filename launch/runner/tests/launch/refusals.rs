//! What is refused, and what is said about it.

use crate::world::World;

/// Every refusal, with its place and its remedy.
#[test]
fn refusals_say_where_what_and_how_to_mend() {
    let cases: &[(&str, &str)] = &[
        // tags
        (
            r#"<remap from="a" to="b"/>"#,
            "2:1: unknown tag <remap> in <launch>; expected <arg> <let> <group> <include> <set_env> <node>\n  hint: name topics by parameters, or start the node with --ros-args -r",
        ),
        (
            r#"<nod/>"#,
            "2:1: unknown tag <nod> in <launch>; expected <arg> <let> <group> <include> <set_env> <node>\n  hint: did you mean `node`?",
        ),
        (r#"<group>"#, "3:1: not well-formed XML: expected 'group' tag, not 'launch'"),
        (
            r#"<lifecycle_node pkg="a"/>"#,
            "2:1: unknown tag <lifecycle_node> in <launch>; expected <arg> <let> <group> <include> <set_env> <node>\n  hint: use <node>; its lifecycle is driven by services",
        ),
        (
            r#"<param name="a" value="1"/>"#,
            "2:1: unknown tag <param> in <launch>; expected <arg> <let> <group> <include> <set_env> <node>\n  hint: it belongs into <node>",
        ),
        (
            r#"<set_parameter name="a" value="1"/>"#,
            "hint: write the <param> at each node; set_parameter leaks out of groups",
        ),
        (
            r#"<node pkg="p" exec="e" name="n"><remap from="a" to="b"/></node>"#,
            "2:33: unknown tag <remap> in <node>; expected <param> <env>",
        ),
        (
            r#"<include file="/x"><param name="a"/></include>"#,
            "2:20: unknown tag <param> in <include>; expected <arg> <let>\n  hint: it belongs into <node>",
        ),
        (r#"<env name="a" value="b"/>"#, "hint: it belongs into <node>"),
        (r#"<group><launch/></group>"#, "2:8: unknown tag <launch> in <group>"),
        ("<group>text</group>", "2:8: text `text` between the tags of <group>; expected only tags"),
        // attributes
        (
            r#"<node pkg="p" exec="e" name="n" launch-prefix="gdb"/>"#,
            "2:48: unknown attribute `launch-prefix` of <node>; expected pkg exec name namespace args output respawn respawn_delay respawn_max_retries on_exit sigterm_timeout sigkill_timeout if unless\n  hint: start the program under the debugger or tracer outside of the launch file",
        ),
        (r#"<node pkg="p" exec="e" name="n" nam="n"/>"#, "hint: did you mean `name`?"),
        (
            r#"<node pkg="p" exec="e" name="n"><param name="a" value="1" if="true"/></node>"#,
            "hint: conditions stand on actions; double the <node> with if and unless",
        ),
        (
            r#"<arg name="a" value="b"/>"#,
            "2:22: unknown attribute `value` of <arg>; expected name default description if unless\n  hint: ROS 1 in <arg>; use default, or <let>",
        ),
        (
            r#"<group forwarding="false"/>"#,
            "unknown attribute `forwarding` of <group>; expected scoped if unless\n  hint: groups see the configurations around them",
        ),
        (r#"<node pkg="p" exec="e"/>"#, "2:1: <node> lacks the attribute `name`"),
        (r#"<let name="a"/>"#, "2:1: <let> lacks the attribute `value`"),
        (
            r#"<group if="true" unless="false"/>"#,
            "2:1: <group> has both `if` and `unless`; expected one of them\n  hint: put one of them on a <group> around it",
        ),
        (
            r#"<group scoped="$(var a)"/>"#,
            "2:16: <group scoped>: found `$(var a)`, expected plain text; ROS 2 launch substitutes nothing here",
        ),
        (r#"<group scoped="no"/>"#, "2:16: <group scoped>: found `no`, expected true or false"),
        (
            r#"<arg name="sigterm_timeout" default="3"/>"#,
            "2:12: <arg name>: found `sigterm_timeout`, expected a name that ROS 2 launch does not listen to\n  hint: stock launch takes a configuration of this name as its own setting; choose another",
        ),
        (
            r#"<let name="a b" value="3"/>"#,
            "2:12: <let name>: found `a b`, expected a name of letters, digits, `_`, `-` and `.`, starting with a letter or `_`",
        ),
        // substitutions
        (
            r#"<let name="a" value="x $(eval 1)"/>"#,
            "2:24: unknown substitution `$(eval)`; expected $(var n), $(env N [default]), $(dirname) or $(find-pkg-share p)\n  hint: it needs Python; pass the value by <arg>, choose by if and unless",
        ),
        (r#"<let name="a" value="$(arg x)"/>"#, "hint: ROS 1; ROS 2 says $(var n)"),
        (
            r#"<group if="false"><let name="a" value="$(anon x)"/></group>"#,
            "2:40: unknown substitution `$(anon)`",
        ),
        (
            r#"<let name="a" value="$(var b)"/>"#,
            "2:22: `$(var b)`: no value in this scope\n  hint: declare it by <arg> or <let> before its use; values here: none",
        ),
        (
            r#"<let name="a" value="$(env NOT_SET)"/>"#,
            "2:22: `$(env NOT_SET)`: not set in the environment\n  hint: set it, or give a default: $(env NOT_SET '')",
        ),
        (
            r#"<let name="a" value="$(find-pkg-share nope)"/>"#,
            "2:22: `$(find-pkg-share nope)`: no such package found",
        ),
        (
            r#"<let name="a" value="$(var a b)"/>"#,
            "2:22: malformed substitution in `$(var a b)`: expected $(var n); a default belongs into <arg>",
        ),
        (r#"<let name="a" value="$(var a"/>"#, "2:22: malformed substitution in `$(var a`: `)` is missing"),
        (r#"<let name="a" value="$( var a)"/>"#, "a name must follow `$(`; write `\\$(` for the text"),
        (
            r#"<let name="a" value="$(var  a)"/>"#,
            "2:28: malformed substitution in `$(var  a)`: an argument is empty; write '' for an empty one",
        ),
        (
            r#"<let name="a" value="$(env A 'x)"/>"#,
            "2:31: malformed substitution in `$(env A 'x)`: a quote is not closed",
        ),
        (r#"<let name="a" value="$(dirname x)"/>"#, "$(dirname) takes no argument"),
        // arguments
        (
            r#"<arg name="a" description="which one"/>"#,
            "2:1: launch argument `a` has no default and was given no value (which one)\n  hint: give a:=VALUE, or a default in the file",
        ),
        // includes
        (r#"<include file="/none"/>"#, "2:16: cannot read `/none`: no such file"),
        (
            r#"<include file="none"/>"#,
            "2:16: launch file: found `none`, expected an absolute path\n  hint: inside a launch file begin it with $(dirname)",
        ),
        (
            r#"<include file="$(dirname)/main.launch.xml"/>"#,
            "2:16: include of `/l/main.launch.xml`, which is being read already",
        ),
        (
            r#"<include file="/l/empty"/><let name="d" value="$(dirname)"/>"#,
            "2:48: `$(dirname)` after an include: stock ROS 2 launch answers with the included file's folder here\n  hint: keep it before the first include: <let name=\"here\" value=\"$(dirname)\"/>, then $(var here)",
        ),
        (
            r#"<group><include file="/l/empty"/></group><let name="d" value="$(dirname)"/>"#,
            "`$(dirname)` after an include",
        ),
        (
            r#"<include file="/l/needs"><let name="a" value="$(dirname)"/></include>"#,
            "`$(dirname)` after an include",
        ),
        (
            r#"<let name="a" value="1"/><include file="/l/needs"/>"#,
            "2:41: launch argument `a` has no default and was given no value (no description)\n  hint: write <arg name=\"a\" value=\"…\"/> inside the <include>",
        ),
        (r#"<include file="/l/broken"/>"#, "/l/broken:1:9: unknown tag <x> in <launch>"),
        // nodes
        (
            r#"<node pkg="p" exec="e" name="1n"/>"#,
            "2:30: <node name>: found `1n`, expected a node name: letters, digits, `_`, not starting with a digit",
        ),
        (
            r#"<node pkg="p" exec="../e" name="n"/>"#,
            "2:21: <node exec>: found `../e`, expected a name of letters, digits, `_`, `-` and `.`",
        ),
        (
            r#"<node pkg="p" exec="e" name="n" namespace="a//b"/>"#,
            "2:44: <node namespace>: found `a//b`, expected a namespace",
        ),
        (
            r#"<node pkg="p" exec="e" name="n" args="'$(var a) b'"/>"#,
            "2:39: <node args>: found `'$(var a) b'`, expected closed quotes around plain text\n  hint: words are split before substitution: a quoted word cannot hold a $(…); a bare $(…) is one word",
        ),
        (r#"<node pkg="p" exec="e" name="n" args=""/>"#, "hint: ROS 2 launch would pass an empty word"),
        (
            r#"<node pkg="p" exec="e" name="n" respawn="yes"/>"#,
            "2:42: <node respawn>: found `yes`, expected true or false",
        ),
        (
            r#"<node pkg="p" exec="e" name="n" respawn_delay="-1"/>"#,
            "2:48: <node respawn_delay>: found `-1`, expected seconds, 0 to 3600, as a decimal number",
        ),
        (
            r#"<node pkg="p" exec="e" name="n" respawn_max_retries="1.5"/>"#,
            "expected the most restarts, or -1 for no limit",
        ),
        (
            r#"<node pkg="p" exec="e" name="n" sigkill_timeout="1e1"/>"#,
            "expected seconds, 0 to 3600, as a decimal number",
        ),
        (
            r#"<node pkg="p" exec="e" name="n" output="file"/>"#,
            "2:41: <node output>: found `file`, expected log, screen or both",
        ),
        (
            r#"<node pkg="p" exec="e" name="n" on_exit="restart"/>"#,
            "2:42: <node on_exit>: found `restart`, expected shutdown",
        ),
        (
            r#"<node pkg="p" exec="e" name="n"/><node pkg="q" exec="f" name="n"/>"#,
            "2:34: node `/n` exists already, from /l/main.launch.xml:2:1\n  hint: give it another name or namespace",
        ),
        (
            r#"<node pkg="p" exec="e" name="n"><env name="A=B" value=""/></node>"#,
            "<env name>: found `A=B`, expected the name of an environment variable",
        ),
        // parameters
        (
            r#"<node pkg="p" exec="e" name="n"><param name="a" value="yes"/></node>"#,
            "2:56: <param value>: found `yes`, expected a decimal number, true, false, a plain word, a quoted text or a list of one type\n  hint: if it is text, write type=\"str\"",
        ),
        (
            r#"<node pkg="p" exec="e" name="n"><param name="a" value="y" type="str"/></node>"#,
            "expected text that no node takes for a bool or a number",
        ),
        (
            r#"<node pkg="p" exec="e" name="n"><param name="a" value="'$(env X y)'"/></node>"#,
            "no quotes or lists around a substitution, as launch reads them twice",
        ),
        (
            r#"<node pkg="p" exec="e" name="n"><param name="a" value="1" type="double"/></node>"#,
            "2:65: <param type>: found `double`, expected str, int, float, bool",
        ),
        (
            r#"<node pkg="p" exec="e" name="n"><param name="a" value="a\b"/></node>"#,
            "no backslash in a value without `type`",
        ),
        (
            r#"<node pkg="p" exec="e" name="n"><param name="a b" value="1"/></node>"#,
            "<param name>: found `a b`, expected a parameter name",
        ),
        (
            r#"<node pkg="p" exec="e" name="n"><param name="a"/></node>"#,
            "2:33: <param> lacks the attribute `value`",
        ),
        (
            r#"<node pkg="p" exec="e" name="n"><param value="1"/></node>"#,
            "2:33: <param> lacks the attribute `name`\n  hint: write name and value, or from=\"file.yaml\"",
        ),
        (
            r#"<node pkg="p" exec="e" name="n"><param from="/l/empty" name="1"/></node>"#,
            "2:33: <param> has both `from` and `name`; expected one of them",
        ),
        (
            r#"<node pkg="p" exec="e" name="n"><param name="a" value="1"><param name="b" value="1"/></param></node>"#,
            "<param> has both nested parameters and `value`",
        ),
        (
            r#"<node pkg="p" exec="e" name="n"><param from="/l/none"/></node>"#,
            "2:46: <param from>: found `/l/none`, expected a file that exists",
        ),
        (
            r#"<node pkg="p" exec="e" name="n"><param from="none"/></node>"#,
            "<param from>: found `none`, expected an absolute path",
        ),
        (
            r#"<node pkg="p" exec="e" name="n"><param name="a" value="1"/><param from="/l/empty"/></node>"#,
            "expected parameter files before single parameters",
        ),
        (
            r#"<node pkg="p" exec="e" name="n"><param from="/l/empty" allow_substs="true"/></node>"#,
            "hint: parameter files are read as they are",
        ),
    ];
    let mut wrong = Vec::new();
    for (body, expected) in cases {
        let world = World::body(body)
            .file("/l/empty", "<launch/>")
            .file("/l/needs", r#"<launch><arg name="a"/></launch>"#)
            .file("/l/broken", "<launch><x/></launch>");
        let refusal = world.refusal(&[]);
        if !refusal.contains(expected) || !refusal.starts_with("/l/") {
            wrong.push(format!("{body}\nsaid:     {refusal}\nexpected: {expected}\n"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_root_and_the_command_line_are_checked_too() {
    assert_eq!(
        World::with("<robot/>").refusal(&[]),
        "/l/main.launch.xml:1:1: unknown tag <robot> in the file; expected <launch>"
    );
    let world = World::body(r#"<arg name="robot" default="quad"/>"#);
    assert_eq!(
        world.refusal(&["robto:=a"]),
        "command line:1:1: unknown launch argument `robto`; declared: robot\n  hint: did you mean `robot`?"
    );
    assert!(world.refusal(&["robot=a"]).contains("found `robot=a`, expected name:=value"));
    assert!(world.refusal(&["robot:=a", "robot:=b"]).starts_with("command line:1:2: "));
    assert!(World::with("").refusal(&[]).contains("not well-formed XML"));
    assert!(World::with("<!DOCTYPE a [<!ENTITY b 'c'>]><launch/>").refusal(&[]).contains("a DTD"));
}

#[test]
fn hostile_sizes_are_refused() {
    let deep = "<group>".repeat(5_000);
    assert!(World::body(&deep).refusal(&[]).contains("the nesting of tags is beyond the limit of 32"));
    let hidden = r#"<group if="/>">"#.repeat(3_000);
    assert!(World::body(&hidden).refusal(&[]).contains("the nesting of tags"));
    assert!(World::body(&" ".repeat(100_000)).refusal(&[]).contains("the size of the file in bytes"));
    let mut doubling = String::from(r#"<let name="a" value="xxxxxxxxxxxxxxxx"/>"#);
    doubling.push_str(&r#"<let name="a" value="$(var a)$(var a)"/>"#.repeat(40));
    assert!(World::body(&doubling).refusal(&[]).contains("the length of an expanded value"));
    let nested = format!(r#"<let name="a" value="{}x{}"/>"#, "$(var ".repeat(500), ")".repeat(500));
    assert!(World::body(&nested).refusal(&[]).contains("nested too deep"));
    let bomb = World::body(&r#"<include file="/l/b0"/>"#.repeat(20));
    let bomb = (0..7).fold(bomb, |world, i| {
        let text = format!("<launch>{}</launch>", format!(r#"<include file="/l/b{}"/>"#, i + 1).repeat(20));
        world.file(&format!("/l/b{i}"), &text)
    });
    let bomb = bomb.file("/l/b7", "<launch/>");
    assert!(bomb.refusal(&[]).contains("the number of actions is beyond the limit"));
}
