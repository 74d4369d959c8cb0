//! The design system: small components on native elements. Looks live in `style/`, words and rules in the UI direction.

pub mod allow_destination;
pub mod badge;
pub mod button;
pub mod candidates;
pub mod clock;
pub mod code;
pub mod connect;
pub mod dialog;
pub mod explanation;
pub mod field;
pub mod health;
pub mod icon;
pub mod loaded;
pub mod notice;
pub mod page;
pub mod paging;
pub mod secret;
pub mod server_tile;
pub mod switch;
pub mod table;
pub mod task;
pub mod toast;

pub use allow_destination::AllowDestination;
pub use badge::{Badge, Tone};
pub use button::{BusyButton, CopyButton};
pub use candidates::CandidateList;
pub use clock::RelativeTime;
pub use code::CodeBlock;
pub use connect::Connect;
pub use dialog::{ConfirmDialog, DeleteButton, FormDialog, Modal};
pub use explanation::Explanation;
pub use field::{FieldFrame, PlainField, SelectField, TextArea, TextField};
pub use health::HealthMark;
pub use icon::{Glyph, Icon};
pub use loaded::{ErrorNotice, loaded};
pub use notice::{EmptyState, Notice, Skeleton};
pub use page::{Brand, PageHead, PageTitle};
pub(crate) use paging::escape_part;
pub use paging::{PageLinks, SearchForm, use_page_query};
pub use secret::{SecretField, SecretInput};
pub use server_tile::ServerTile;
pub use switch::{Checkbox, Switch};
pub use table::{Column, Table};
pub use task::{Deed, Task};

#[cfg(test)]
#[cfg(feature = "ssr")]
mod tests;
