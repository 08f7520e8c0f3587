//! Arbitrary text is read or refused, never a crash.

use crate::world::World;
use proptest::prelude::*;

fn launchish() -> impl Strategy<Value = String> {
    let token = prop_oneof![
        Just("<launch>"),
        Just("</launch>"),
        Just("<group>"),
        Just("</group>"),
        Just("<node "),
        Just("<arg "),
        Just("<let "),
        Just("<param "),
        Just("/>"),
        Just(">"),
        Just("name=\""),
        Just("value=\""),
        Just("args=\""),
        Just("\" "),
        Just("$(var "),
        Just("$(env "),
        Just("$(dirname)"),
        Just(")"),
        Just("'"),
        Just("\\"),
        Just("a"),
        Just("[1, "),
        Just("é"),
        Just("&#10;"),
        Just(" "),
        Just("<!--"),
        Just("-->"),
    ];
    prop::collection::vec(token, 0..60).prop_map(|tokens| tokens.concat())
}

fn attribute_text() -> impl Strategy<Value = String> {
    let token = prop_oneof![
        Just("$(var a)"),
        Just("$(var "),
        Just("$(env X '"),
        Just("$("),
        Just(")"),
        Just("'"),
        Just("\\"),
        Just(" "),
        Just("b"),
        Just("é"),
        Just("["),
        Just("]"),
        Just(","),
        Just("1"),
        Just(".5"),
        Just("&quot;"),
    ];
    prop::collection::vec(token, 0..20).prop_map(|tokens| tokens.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn never_panics(text in any::<String>()) {
        World::with(&text).evaluate(&[]).map(|_| ()).unwrap_or_default();
    }

    #[test]
    fn never_panics_on_what_looks_like_a_launch_file(text in launchish()) {
        World::with(&text).evaluate(&[]).map(|_| ()).unwrap_or_default();
    }

    #[test]
    fn any_attribute_is_read_or_refused_inside_the_file(text in attribute_text()) {
        let body = format!(
            r#"<let name="a" value="v"/><node pkg="p" exec="e" name="n" args="{text}"><param name="x" value="{text}"/></node>"#
        );
        if let Err(error) = World::body(&body).evaluate(&[]) {
            prop_assert_eq!(error.at.line, 2);
            prop_assert!((error.at.column as usize) <= body.chars().count());
        }
    }
}
