//! The HTML document around the application, server side only.
//!
//! The page lives under a nonce policy: no inline style, no inline handler, every script tag carries the nonce. Modules that
//! the inline loader imports inherit its nonce, so no host needs to be named in `script-src`.

use crate::{App, context::PageContext};
use leptos::{nonce::use_nonce, prelude::*};
use leptos_meta::MetaTags;

/// Where the browser half lies; absent members mean that it was not built, and the page then stays as rendered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AssetUrls {
    /// JavaScript glue made by wasm-bindgen.
    pub js: Option<String>,
    /// The wasm module.
    pub wasm: Option<String>,
    /// The style sheet.
    pub css: Option<String>,
}

/// One document. Provides `page` to [`App`], so a server cannot forget it.
pub fn shell(assets: AssetUrls, page: PageContext) -> impl IntoView {
    let theme = page.theme.attribute();
    provide_context(page);
    let AssetUrls { js, wasm, css } = assets;
    view! {
        <!DOCTYPE html>
        <html lang="en" data-theme=theme>
            <head>
                <meta charset="utf-8"/>
                <meta name="viewport" content="width=device-width, initial-scale=1, viewport-fit=cover"/>
                <meta name="color-scheme" content="light dark"/>
                <meta name="robots" content="noindex"/>
                <link rel="icon" type="image/svg+xml" href="/favicon.svg"/>
                {css.map(|href| view! { <link rel="stylesheet" href=href/> })}
                {js.zip(wasm).map(|(js, wasm)| view! { <Loader js wasm/> })}
                <MetaTags/>
            </head>
            <body>
                <App/>
            </body>
        </html>
    }
}

/// Fetches glue and wasm side by side, then hydrates.
#[component]
fn Loader(js: String, wasm: String) -> impl IntoView {
    let nonce = use_nonce();
    let script = loader_script(&js, &wasm);
    view! {
        <link rel="modulepreload" href=js nonce=nonce.clone()/>
        <link rel="preload" href=wasm r#as="fetch" r#type="application/wasm" crossorigin="anonymous" nonce=nonce.clone()/>
        <script type="module" nonce=nonce>{script}</script>
    }
}

/// Script children are not escaped by the renderer, so the addresses go in as JSON with `<` taken out.
fn loader_script(js: &str, wasm: &str) -> String {
    let quote = |text: &str| serde_json::Value::from(text).to_string().replace('<', "\\u003c");
    format!(
        "import init,{{hydrate}} from {};init({{module_or_path:{}}}).then(()=>hydrate());",
        quote(js),
        quote(wasm)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_cannot_leave_the_loader_script() {
        let script = loader_script("/pkg/a.js", "/pkg/\"</script><b>.wasm");
        assert!(script.starts_with("import init,{hydrate} from \"/pkg/a.js\";"));
        assert!(!script.contains("</script>"), "{script}");
        assert!(script.contains(r#"\"\u003c/script>"#), "{script}");
    }
}
