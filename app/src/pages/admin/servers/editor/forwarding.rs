//! What the server learns of a chat, and what the model learns of the server.

use super::{
    authentication::stored,
    form::{EditorForm, FORWARDING_FIELDS},
    sections::Section,
};
use crate::components::{Checkbox, SecretField};
use leptos::prelude::*;

/// Identity headers with their signature, traces, instructions.
#[component]
pub(super) fn ForwardingSection(form: EditorForm) -> impl IntoView {
    view! {
        <Section form title="Forwarding" purpose="What the server learns of a chat, and what the model learns of the server." fields=&FORWARDING_FIELDS>
            <Checkbox label="Tell the server who asks" checked=form.forward_coder_headers
                hint="Every request carries X-Coder-Owner-Id and X-Coder-Chat-Id. Turn it on only for servers that may know your users."/>
            <Show when=move || form.shows_signing_secret()>
                <SecretField name="signing_secret" label="Signing secret" value=form.signing_secret
                    stored=stored(form, |server| server.has_signing_secret) error=form.error_at("signing_secret")
                    hint="At least 16 bytes, shared with the server. With it these headers are signed; without it they are claims that anybody could make."/>
            </Show>
            <Checkbox label="Trace context" checked=form.send_trace_context
                hint="Calls carry a W3C traceparent, so that the server's traces of one chat belong together."/>
            <Checkbox label="Use the server's instructions" checked=form.use_instructions
                hint="The text a server offers about its tools goes into the prompt, marked as coming from it. Read it in the test result first."/>
        </Section>
    }
}
