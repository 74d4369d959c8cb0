//! The tables of the panel. On a phone each row becomes a card whose cells name themselves by `data-label`.

use leptos::prelude::*;

/// The head of one column.
#[derive(Debug, Clone, Copy)]
pub enum Column {
    Text(&'static str),
    /// Numbers stand to the right.
    Number(&'static str),
    /// Named for readers alone, such as a column of buttons.
    Unseen(&'static str),
}

/// The children are the rows.
#[component]
pub fn Table(
    columns: &'static [Column],
    /// A further class of the table.
    #[prop(optional)]
    class: &'static str,
    children: Children,
) -> impl IntoView {
    let heads = columns
        .iter()
        .map(|column| match column {
            Column::Text(name) => view! { <th scope="col">{*name}</th> }.into_any(),
            Column::Number(name) => view! { <th scope="col" class="num">{*name}</th> }.into_any(),
            Column::Unseen(name) => {
                view! { <th scope="col"><span class="sr-only">{*name}</span></th> }.into_any()
            }
        })
        .collect_view();
    let class = if class.is_empty() { "table".to_owned() } else { format!("table {class}") };
    view! {
        <div class="table-frame">
            <table class=class>
                <thead><tr>{heads}</tr></thead>
                <tbody>{children()}</tbody>
            </table>
        </div>
    }
}
