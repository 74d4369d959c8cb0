//! Inline icons: strokes on a 16-unit grid, coloured by the text around them. Always beside a word, so hidden from readers.

use leptos::prelude::*;

macro_rules! glyphs {
    ($($(#[$meta:meta])* $name:ident = $path:literal),+ $(,)?) => {
        /// The icons there are.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Glyph { $($(#[$meta])* $name),+ }

        impl Glyph {
            /// Path data.
            fn path(self) -> &'static str {
                match self { $(Self::$name => $path),+ }
            }
        }
    };
}

glyphs! {
    Archive = "M2.5 3h11v3h-11zM3.5 6v7h9V6M6.5 8.5h3",
    ArrowLeft = "M13 8H3m4-4L3 8l4 4",
    ArrowUp = "M8 13V3M4 7l4-4 4 4",
    Chat = "M2.5 3.5h11v8h-6l-3 2.5v-2.5h-2z",
    Check = "M3 8.5l3.2 3.2L13 4.8",
    ChevronDown = "M4 6l4 4 4-4",
    ChevronRight = "M6 4l4 4-4 4",
    Chip = "M4.5 4.5h7v7h-7zM6.5 2v2.5m3-2.5v2.5m-3 7V14m3-2.5V14M2 6.5h2.5M2 9.5h2.5m7-3H14m-2.5 3H14",
    Clip = "M11.5 6.5L7 11a2 2 0 0 1-2.8-2.8l5-5a3 3 0 0 1 4.2 4.2l-5.2 5.2",
    Clock = "M8 2.2a5.8 5.8 0 1 0 0 11.6A5.8 5.8 0 0 0 8 2.2zM8 5v3.2l2.2 1.4",
    Copy = "M5.5 5.5h8v8h-8zM10.5 5.5v-3h-8v8h3",
    Cross = "M4 4l8 8m0-8l-8 8",
    Dots = "M3.5 8h.01M8 8h.01M12.5 8h.01",
    Download = "M8 2.5v7.5M4.8 7L8 10l3.2-3M3 13h10",
    External = "M9 3h4v4m0-4L7.5 8.5M11 9.5V13H3V5h3.5",
    Group = "M2.5 5h4l1.2 1.5h5.8V13h-11zM4.5 5V3h4l1 1.2h2.7v2.3",
    Info = "M8 2.2a5.8 5.8 0 1 0 0 11.6A5.8 5.8 0 0 0 8 2.2zM8 7.2v3.6M8 5h.01",
    Key = "M10.5 2.5a3 3 0 1 0 0 6 3 3 0 0 0 0-6zM8.3 7.7L3 13m2-2l1.8 1.8",
    Layers = "M8 2.5L14 5.5 8 8.5 2 5.5zM2 8.5l6 3 6-3M2 11.2l6 3 6-3",
    Lock = "M4 7.5h8v6H4zM5.5 7.5v-2a2.5 2.5 0 0 1 5 0v2",
    Logout = "M6.5 3H3v10h3.5M10 5l3 3-3 3m3-3H6.5",
    Menu = "M2.5 4.5h11m-11 3.5h11m-11 3.5h11",
    Moon = "M12.8 9.8A5.3 5.3 0 0 1 6.2 3.2a5.3 5.3 0 1 0 6.6 6.6z",
    Pencil = "M10.5 3l2.5 2.5L6 12.5l-3 .5.5-3zM9 4.5L11.5 7",
    Pin = "M8 10v4M5 10h6M6 2.5h4l-.5 4L11 10H5l1.5-3.5z",
    Plus = "M8 3v10M3 8h10",
    Pulse = "M2 8.5h3l1.8-4.5 3 8.5 1.8-4H14",
    Question = "M8 2.2a5.8 5.8 0 1 0 0 11.6A5.8 5.8 0 0 0 8 2.2zM6.3 6.4a1.8 1.8 0 1 1 2.5 1.7c-.5.2-.8.5-.8 1M8 11h.01",
    Search = "M7 2.5a4.5 4.5 0 1 0 0 9 4.5 4.5 0 0 0 0-9zM10.4 10.4L14 14",
    Server = "M2.5 3h11v4h-11zM2.5 9h11v4h-11zM5 5h.01M5 11h.01",
    Sliders = "M2.5 4.5h6m3 0h2M10 3v3M2.5 11.5h2m3 0h6M6 10v3",
    Spinner = "M8 2.2a5.8 5.8 0 1 1-5.8 5.8",
    Stop = "M4.5 4.5h7v7h-7z",
    Trash = "M3 4.5h10M6 4.5v-2h4v2M4.5 4.5l.5 9h6l.5-9M7 7v4m2-4v4",
    User = "M8 2.5a2.7 2.7 0 1 0 0 5.4 2.7 2.7 0 0 0 0-5.4zM3 13.5c.4-2.4 2.4-3.6 5-3.6s4.6 1.2 5 3.6",
    Users = "M6 3a2.4 2.4 0 1 0 0 4.8A2.4 2.4 0 0 0 6 3zM1.8 13c.3-2.2 2-3.3 4.2-3.3s3.9 1.1 4.2 3.3M10.5 3.2a2.4 2.4 0 0 1 0 4.5M11.8 9.9c1.4.4 2.2 1.5 2.4 3.1",
    Warn = "M8 2.5L14 13.5H2zM8 6.5v3.2M8 11.7h.01",
}

/// One icon; `class` adds size or colour.
#[component]
pub fn Icon(glyph: Glyph, #[prop(optional, into)] class: String) -> impl IntoView {
    let class = if class.is_empty() { "icon".to_owned() } else { format!("icon {class}") };
    view! {
        <svg class=class viewBox="0 0 16 16" aria-hidden="true" focusable="false">
            <path d=glyph.path()></path>
        </svg>
    }
}
