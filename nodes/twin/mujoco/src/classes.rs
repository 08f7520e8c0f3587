//! Default classes of an MJCF model: what an element says, or else its class, or else the class above.

use roxmltree::{Document, Node};

/// The value of `attribute` that counts for `element`; `None` when nobody says one, and MuJoCo's own default counts.
pub(crate) fn attribute<'a, 'x>(
    document: &'a Document<'x>,
    element: Node<'a, 'x>,
    attribute: &str,
) -> Option<&'a str> {
    if let Some(own) = element.attribute(attribute) {
        return Some(own);
    }
    let tag = element.tag_name().name();
    let mut class = class_of(document, element);
    while let Some(node) = class {
        let said = node
            .children()
            .filter(|c| c.has_tag_name(tag))
            .filter_map(|c| c.attribute(attribute))
            .next_back();
        if said.is_some() {
            return said;
        }
        class = node.parent().filter(|p| p.has_tag_name("default"));
    }
    None
}

/// The `<default>` of an element: named by itself, by the nearest body above that has a `childclass`, or the outermost.
fn class_of<'a, 'x>(document: &'a Document<'x>, element: Node<'a, 'x>) -> Option<Node<'a, 'x>> {
    let above = || element.ancestors().skip(1).find_map(|body| body.attribute("childclass"));
    let named = element.attribute("class").or_else(above);
    let mut defaults = document.descendants().filter(|n| n.has_tag_name("default"));
    match named {
        Some(name) => defaults.find(|n| n.attribute("class") == Some(name)).or_else(|| outermost(document)),
        None => outermost(document),
    }
}

fn outermost<'a, 'x>(document: &'a Document<'x>) -> Option<Node<'a, 'x>> {
    document.root_element().children().find(|n| n.has_tag_name("default"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a failing set-up is a failing test
    use super::*;

    #[test]
    fn the_nearest_word_counts() {
        let text = r#"<mujoco><default><geom contype="0" condim="1"/><default class="a"><geom contype="1"/>
            <default class="b"><geom condim="4"/></default></default></default>
            <worldbody><body childclass="a"><geom name="1"/><geom name="2" class="b"/><geom name="3" contype="2"/></body>
            <geom name="4"/></worldbody></mujoco>"#;
        let document = Document::parse(text).unwrap();
        let said = |name: &str, what: &str| {
            let geom = document.descendants().find(|n| n.attribute("name") == Some(name)).unwrap();
            attribute(&document, geom, what).map(str::to_owned)
        };
        assert_eq!(said("1", "contype").as_deref(), Some("1"));
        assert_eq!(said("1", "condim").as_deref(), Some("1"));
        assert_eq!(said("2", "contype").as_deref(), Some("1"));
        assert_eq!(said("2", "condim").as_deref(), Some("4"));
        assert_eq!(said("3", "contype").as_deref(), Some("2"));
        assert_eq!(said("4", "contype").as_deref(), Some("0"));
        assert_eq!(said("4", "margin"), None);
    }
}
