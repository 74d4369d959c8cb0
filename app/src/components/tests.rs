//! What people, servers and models wrote stays text in the rendered page, also where the renderer does not escape by itself.

use super::{Badge, PlainField, ServerTile, TextArea, TextField};
use leptos::{prelude::*, reactive::owner::Owner};

const HOSTILE: &str = "</textarea></title>\"><script>alert(1)</script><b onmouseover='x'>&amp;";

fn rendered<V: IntoView + 'static>(view: impl FnOnce() -> V) -> String {
    Owner::new().with(|| view().into_view().to_html())
}

#[test]
fn a_textarea_cannot_be_left() {
    let html = rendered(|| view! { <TextArea name="a" label="A" value=RwSignal::new(HOSTILE.to_owned())/> });
    assert!(!html.contains("<script>"), "{html}");
    assert_eq!(html.matches("</textarea>").count(), 1, "{html}");
    // The reader sees exactly what was written.
    assert!(html.contains("&lt;/textarea&gt;") && html.contains("&amp;amp;"), "{html}");
}

#[test]
fn attributes_and_text_cannot_be_left() {
    let field =
        rendered(|| view! { <TextField name="a" label="A" value=RwSignal::new(HOSTILE.to_owned())/> });
    let plain =
        rendered(|| view! { <PlainField name="a" label="A" value=HOSTILE error=Some(HOSTILE.to_owned())/> });
    let badge = rendered(|| view! { <Badge text=HOSTILE/> });
    let tile = rendered(|| view! { <ServerTile name=HOSTILE icon_url=HOSTILE/> });
    for html in [field, plain, badge, tile] {
        assert!(!html.contains("<script>") && !html.contains("<b onmouseover"), "{html}");
    }
}

#[test]
fn a_refused_field_points_to_its_message() {
    let html = rendered(|| {
        let error = Signal::stored(Some("Enter a name.".to_owned()));
        view! { <TextField name="slug" label="Slug" value=RwSignal::new(String::new()) hint="Short." error/> }
    });
    assert!(html.contains(r#"aria-invalid="true""#), "{html}");
    assert!(html.contains(r#"aria-describedby="f-slug-error f-slug-hint""#), "{html}");
    assert!(html.contains(r#"for="f-slug""#) && html.contains(r#"id="f-slug""#), "{html}");
}
