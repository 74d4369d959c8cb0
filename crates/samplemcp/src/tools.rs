//! The server's tools: one that only reads, one whose effect must not happen twice, one that takes its time.

use std::{io, path::Path, time::Duration};

use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    handler::server::wrapper::Parameters,
    model::{
        CallToolResult, ContentBlock, Implementation, ProgressNotificationParam, ServerCapabilities,
        ServerConfig,
    },
    schemars::{self, JsonSchema},
    service::RequestContext,
    tool, tool_handler, tool_router,
};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{ledger::Ledger, search::search};

const DEFAULT_HITS: u8 = 3;
const MAX_HITS: u8 = 10;
const MAX_QUERY: usize = 500;
const MAX_TITLE: usize = 200;
const MAX_BODY: usize = 10_000;
const MAX_COUNT: u8 = 60;
const STEP: Duration = Duration::from_secs(1);

/// One instance serves every session; the ledgers are shared.
#[derive(Debug, Clone)]
pub(crate) struct SampleServer {
    tickets: Ledger,
    counts: Ledger,
}

impl SampleServer {
    /// Opens the ledgers in `data_dir`.
    pub(crate) fn open(data_dir: &Path) -> io::Result<Self> {
        Ok(Self {
            tickets: Ledger::open(&data_dir.join("tickets.jsonl"))?,
            counts: Ledger::open(&data_dir.join("slow_count.jsonl"))?,
        })
    }
}

#[derive(Debug, Deserialize, JsonSchema)]
struct SearchDocs {
    /// Words to look for, for example "encryption key rotation"
    #[schemars(length(min = 1, max = 500))]
    query: String,
    /// How many articles to return
    #[serde(default = "default_hits")]
    #[schemars(range(min = 1, max = 10))]
    limit: u8,
}

fn default_hits() -> u8 {
    DEFAULT_HITS
}

#[derive(Debug, Clone, Copy, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Priority {
    Low,
    #[default]
    Normal,
    High,
}

#[derive(Debug, Deserialize, JsonSchema)]
struct CreateTicket {
    /// One line that says what the ticket is about
    #[schemars(length(min = 1, max = 200))]
    title: String,
    /// What happened or what is wanted, in a few sentences
    #[serde(default)]
    #[schemars(length(max = 10000))]
    body: String,
    /// How urgent it is
    #[serde(default)]
    priority: Priority,
}

#[derive(Serialize)]
struct TicketLine {
    number: u64,
    title: String,
    body: String,
    priority: Priority,
}

#[derive(Debug, Deserialize, JsonSchema)]
struct SlowCount {
    /// The number to count to; each step takes one second
    #[schemars(range(min = 1, max = 60))]
    to: u8,
}

#[derive(Serialize)]
struct CountLine {
    event: &'static str,
    to: u8,
    reached: u8,
}

#[tool_router]
impl SampleServer {
    #[tool(
        name = "search_docs",
        title = "Search the documentation",
        description = "Searches the Patchbay documentation and returns the articles that match best, with their \
                       text. Use it for questions about servers, tools, chats, roles, encryption or the REST API.",
        annotations(read_only_hint = true, idempotent_hint = true, open_world_hint = false)
    )]
    async fn search_docs(
        &self,
        Parameters(args): Parameters<SearchDocs>,
    ) -> Result<CallToolResult, ErrorData> {
        if args.query.trim().is_empty() || args.query.chars().count() > MAX_QUERY {
            return Ok(failed("query must have 1 to 500 characters"));
        }
        if !(1..=MAX_HITS).contains(&args.limit) {
            return Ok(failed("limit must be 1 to 10"));
        }
        let hits = search(&args.query, usize::from(args.limit));
        let text = if hits.is_empty() {
            format!("No article matches \"{}\". Try fewer or other words.", args.query.trim())
        } else {
            hits.iter()
                .map(|hit| format!("## {}\n\n{}", hit.article.title(), hit.article.body()))
                .collect::<Vec<_>>()
                .join("\n\n")
        };
        let found: Vec<_> = hits
            .iter()
            .map(|hit| json!({ "id": hit.article.id, "title": hit.article.title(), "score": hit.score }))
            .collect();
        Ok(succeeded(text, json!({ "articles": found })))
    }

    #[tool(
        name = "create_ticket",
        title = "Create a ticket",
        description = "Files a new ticket with the support team and returns its number. Every call creates another \
                       ticket, so it must not be repeated.",
        annotations(
            read_only_hint = false,
            destructive_hint = false,
            idempotent_hint = false,
            open_world_hint = false
        )
    )]
    async fn create_ticket(
        &self,
        Parameters(args): Parameters<CreateTicket>,
    ) -> Result<CallToolResult, ErrorData> {
        let CreateTicket { title, body, priority } = args;
        if title.trim().is_empty() || title.chars().count() > MAX_TITLE {
            return Ok(failed("title must have 1 to 200 characters"));
        }
        if body.chars().count() > MAX_BODY {
            return Ok(failed("body must have at most 10000 characters"));
        }
        let shown = title.clone();
        let number = self
            .tickets
            .append(move |number| TicketLine { number, title, body, priority })
            .await
            .map_err(|error| ledger_failed("tickets.jsonl", &error))?;
        Ok(succeeded(
            format!("Created ticket {number}: {shown}"),
            json!({ "number": number, "title": shown, "priority": priority }),
        ))
    }

    #[tool(
        name = "slow_count",
        title = "Count slowly",
        description = "Counts from 1 to the given number, one step a second, and reports progress. Good for watching \
                       a long-running tool.",
        annotations(read_only_hint = false, destructive_hint = false, open_world_hint = false)
    )]
    async fn slow_count(
        &self,
        Parameters(args): Parameters<SlowCount>,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResult, ErrorData> {
        let to = args.to;
        if !(1..=MAX_COUNT).contains(&to) {
            return Ok(failed("to must be 1 to 60"));
        }
        self.note_count("started", to, 0).await?;
        let token = context.meta.get_progress_token();
        for step in 1..=to {
            tokio::select! {
                () = context.ct.cancelled() => {
                    self.note_count("cancelled", to, step - 1).await?;
                    return Ok(failed("cancelled"));
                }
                () = tokio::time::sleep(STEP) => {}
            }
            if let Some(token) = token.clone() {
                let progress = ProgressNotificationParam::new(token, f64::from(step))
                    .with_total(f64::from(to))
                    .with_message(format!("Counted to {step} of {to}"));
                if let Err(error) = context.peer.notify_progress(progress).await {
                    // Nobody listens any more; the count itself goes on, as real work would.
                    tracing::debug!(%error, "progress was not delivered");
                }
            }
        }
        self.note_count("finished", to, to).await?;
        Ok(succeeded(format!("Counted to {to}."), json!({ "counted_to": to })))
    }

    async fn note_count(&self, event: &'static str, to: u8, reached: u8) -> Result<(), ErrorData> {
        self.counts
            .append(move |_| CountLine { event, to, reached })
            .await
            .map(drop)
            .map_err(|error| ledger_failed("slow_count.jsonl", &error))
    }
}

#[tool_handler]
impl ServerHandler for SampleServer {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
            .with_server_info(
                Implementation::new("patchbay-sample", env!("CARGO_PKG_VERSION"))
                    .with_title("Patchbay sample server"),
            )
            .with_instructions("Search the documentation, file tickets, or watch a tool that takes its time.")
    }
}

fn succeeded(text: String, structured: serde_json::Value) -> CallToolResult {
    let mut result = CallToolResult::success(vec![ContentBlock::text(text)]);
    result.structured_content = Some(structured);
    result
}

/// A mistake in the arguments that the model can correct.
fn failed(text: &str) -> CallToolResult {
    CallToolResult::error(vec![ContentBlock::text(text)])
}

fn ledger_failed(file: &str, error: &io::Error) -> ErrorData {
    tracing::error!(%error, file, "the ledger could not be written");
    ErrorData::internal_error("the sample server could not write its ledger file", None)
}
