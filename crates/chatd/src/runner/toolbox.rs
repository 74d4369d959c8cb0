//! The servers of a step and the tools they offer to the model (behaviour 13, 14 and 16).

use super::{
    Runner,
    permit::OWNER,
    refused::{Asking, Final, LISTING, needs_of, unlisted_text},
};
use crate::{
    builtins::{self, BuiltIn},
    error::{Exit, servers_unavailable},
    limits,
    ports::{PermissionAsk, SourceError, StepServer},
};
use api::{
    Uuid,
    actions::DynamicTool,
    check::{ConnectOutcome, ServerOutcome},
    explain::Gate,
    messages::{ServerLabel, ToolCallPart},
    servers::{AuthStatus, ToolChangePolicy},
};
use domain::{
    definitions::KnownDefinitions,
    gates::{ToolFacts, decide},
    intent::wrap_schema,
    plan_mode::{Origin, TurnMode, admission},
    text::{cut_bytes, neutralise, quote},
    tools::{BUILT_IN_NAMES, ToolFilter, exposed_name},
    workspace::is_entry_id,
};
use llm::ToolSpec;
use mcpclient::{Catalogue, McpError, McpErrorKind, Refused, RefusedKind, Target, Tool};
use serde_json::{Value, json};
use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::{Duration, Instant},
};
use store::chats::ChatRecord;

/// The tools of one step. Only this map routes calls, never a parsed name.
#[derive(Debug, Default)]
pub(super) struct Toolbox {
    tools: HashMap<String, Arc<Offered>>,
    /// Patchbay's own.
    built_ins: Vec<&'static dyn BuiltIn>,
    /// Names of the tools that the client of the chat runs itself.
    clients: HashSet<String>,
    /// As the model gets them: our own first, each kind sorted.
    pub(super) specs: Vec<ToolSpec>,
    /// One line per server that cannot be used, for the model.
    pub(super) notes: Vec<String>,
    /// What servers say about their use, where their admins let it through: name and text.
    pub(super) instructions: Vec<(String, String)>,
}

/// A tool as offered.
#[derive(Debug)]
pub(super) struct Offered {
    pub(super) exposed: String,
    pub(super) server: Arc<StepServer>,
    catalogue: Arc<Catalogue>,
    index: usize,
}

impl Offered {
    pub(super) fn tool(&self) -> &Tool {
        &self.catalogue.tools[self.index]
    }

    /// Its place among the tools of a step, and who wins a name.
    fn rank(&self) -> (bool, &str, Uuid) {
        let server = self.server.record.id;
        (is_entry_id(server), self.exposed.as_str(), server)
    }

    pub(super) fn wants_intent(&self) -> bool {
        self.server.record.model_intent
    }

    /// Names the call: what the message keeps when the server is long gone (behaviour 20, "Do better").
    pub(super) fn describe(&self, call: &mut ToolCallPart) {
        let record = &self.server.record;
        // An entry of a workspace is no server of the deployment that a client could look up.
        call.mcp_server_config_id = Some(record.id).filter(|id| !is_entry_id(*id));
        call.server = Some(ServerLabel {
            slug: record.slug.clone(),
            display_name: record.display_name.clone(),
            icon_url: record.icon_url.clone(),
        });
        call.original_name = Some(self.tool().name.clone());
        call.tool_title = self.tool().title.clone();
        call.model_intent = self.wants_intent();
    }

    fn spec(&self) -> ToolSpec {
        let tool = self.tool();
        let parameters = if self.wants_intent() {
            Arc::new(wrap_schema(&tool.input_schema))
        } else {
            Arc::clone(&tool.input_schema)
        };
        let description = cut_bytes(&neutralise(&tool.description), limits::DESCRIPTION).into_owned();
        ToolSpec { name: self.exposed.clone(), description, parameters }
    }
}

/// A server of the step with its tools or the reason why there are none.
type Listed = (Arc<StepServer>, Result<Offer, Reason>);

/// How contacting a server ended, and a sentence for people.
type Reason = (ConnectOutcome, String);

/// What a server lists, and which of it was accepted.
struct Offer {
    catalogue: Arc<Catalogue>,
    known: Arc<KnownDefinitions>,
}

impl Toolbox {
    pub(super) fn get(&self, exposed: &str) -> Option<&Arc<Offered>> {
        self.tools.get(exposed)
    }

    /// Every tool of a server.
    pub(super) fn offered(&self) -> impl Iterator<Item = &Arc<Offered>> {
        self.tools.values()
    }

    /// The tool of Patchbay's own of this name, if the step offers it.
    pub(super) fn built_in(&self, name: &str) -> Option<&'static dyn BuiltIn> {
        self.built_ins.iter().copied().find(|tool| tool.name() == name)
    }

    /// Whether the client of the chat runs this tool itself.
    pub(super) fn is_clients(&self, name: &str) -> bool {
        self.clients.contains(name)
    }

    /// Offers the tools that the client brought, behind those of the servers. A name that is taken stays what it was.
    fn with_clients(mut self, tools: &[DynamicTool]) -> Self {
        for tool in tools {
            let taken = self.tools.contains_key(&tool.name) || BUILT_IN_NAMES.contains(&tool.name.as_str());
            if taken || self.specs.len() >= limits::TOOLS || !self.clients.insert(tool.name.clone()) {
                continue;
            }
            let schema = match &tool.input_schema {
                Value::Object(_) => tool.input_schema.clone(),
                _ => json!({"type": "object", "properties": {}}),
            };
            self.specs.push(ToolSpec {
                name: tool.name.clone(),
                description: cut_bytes(&neutralise(&tool.description), limits::DESCRIPTION).into_owned(),
                parameters: Arc::new(schema),
            });
        }
        self
    }

    /// The tool by what its server calls it: another slug since has not made another tool of it.
    pub(super) fn find(&self, server: Uuid, original: &str) -> Option<&Arc<Offered>> {
        self.tools.values().find(|tool| tool.server.record.id == server && tool.tool().name == original)
    }

    /// Asks the gates of every tool, names the tools, sorts and caps them.
    fn build(listed: Vec<Listed>, built_ins: Vec<&'static dyn BuiltIn>) -> (Self, Vec<ServerOutcome>) {
        let mut offered: Vec<Arc<Offered>> = Vec::new();
        let mut outcomes = Vec::with_capacity(listed.len());
        let (mut notes, mut instructions) = (Vec::new(), Vec::new());
        for (server, offer) in listed {
            let before = offered.len();
            let (mut held, mut said) = (0_usize, None);
            let (mut outcome, mut error) = match &offer {
                Ok(_) => (ConnectOutcome::Connected, String::new()),
                Err((outcome, error)) => (*outcome, error.clone()),
            };
            if let Ok(Offer { catalogue, known }) = offer {
                if server.record.use_instructions
                    && let Some(text) = &catalogue.instructions
                {
                    let name = quote(&server.record.display_name, limits::NAME_IN_PROMPT);
                    said = Some((name, neutralise(text).into_owned()));
                }
                let filter = ToolFilter::of(&server.record);
                for (index, tool) in catalogue.tools.iter().enumerate() {
                    let definition = known.standing(&tool.name, &tool.hash);
                    let asked = ToolFacts { filter: &filter, name: &tool.name, definition };
                    let decision = decide(&server.facts, Some(asked));
                    if decision.failed().is_some_and(|failed| failed.gate() == Gate::Definition) {
                        held += 1;
                    }
                    if decision.offered() {
                        let exposed = exposed_name(&server.record.slug, &tool.name);
                        let (server, catalogue) = (Arc::clone(&server), Arc::clone(&catalogue));
                        offered.push(Arc::new(Offered { exposed, server, catalogue, index }));
                    }
                }
                // A server of which nothing is offered has nothing to say about its use either.
                instructions.extend(said.filter(|_| offered.len() > before));
                if offered.len() == before {
                    outcome = ConnectOutcome::NoTools;
                    error = match held {
                        0 => "the server offers no tool that this deployment allows".to_owned(),
                        1 => "its tool is new or has changed, and waits for an admin to accept it".to_owned(),
                        many => format!(
                            "its {many} tools are new or have changed, and wait for an admin to accept them"
                        ),
                    };
                }
            }
            let auth_status = server.facts.auth_status;
            if outcome != ConnectOutcome::Connected {
                let name = quote(&server.record.display_name, limits::NAME_IN_PROMPT);
                // What the user has to do is the same whether it was known before or the server said so.
                let as_told = if needs_of(auth_status).is_some() { ConnectOutcome::Skipped } else { outcome };
                let reason = if sleeps(&server) { ASLEEP_FOR_MODEL } else { reason_for_model(as_told) };
                notes.push(format!("- {name}: {reason}"));
            }
            let tool_count = i64::try_from(offered.len() - before).unwrap_or(i64::MAX);
            outcomes.push(ServerOutcome {
                server_id: server.record.id,
                workspace: is_entry_id(server.record.id),
                slug: server.record.slug.clone(),
                display_name: server.record.display_name.clone(),
                outcome,
                error,
                tool_count,
                auth_status: (auth_status != AuthStatus::NotRequired).then_some(auth_status),
            });
        }
        // By name, then server: the prompt stays the same from step to step and can be cached. Tools of a workspace are behind the
        // others until it is settled which of them are in: of two with one name, and where not all fit, those of the admins win.
        offered.sort_by(|a, b| a.rank().cmp(&b.rank()));
        let specs = built_ins.iter().map(|tool| builtins::spec(*tool)).collect();
        let mut toolbox = Self { built_ins, specs, ..Self::default() };
        let mut left_out = 0_usize;
        for tool in offered {
            let taken =
                toolbox.tools.contains_key(&tool.exposed) || BUILT_IN_NAMES.contains(&tool.exposed.as_str());
            if taken || toolbox.specs.len() >= limits::TOOLS {
                left_out += 1;
                continue;
            }
            toolbox.specs.push(tool.spec());
            toolbox.tools.insert(tool.exposed.clone(), tool);
        }
        let own = toolbox.built_ins.len();
        toolbox.specs[own..].sort_by(|a, b| a.name.cmp(&b.name));
        if left_out > 0 {
            notes.push(format!(
                "- {left_out} more tools are not offered: at most {} fit into one step",
                limits::TOOLS
            ));
        }
        toolbox.notes = notes;
        toolbox.instructions = instructions;
        (toolbox, outcomes)
    }
}

/// Of a server that plan mode leaves out.
const ASLEEP_FOR_MODEL: &str = "it sleeps while the chat is in plan mode.";

fn sleeps(server: &StepServer) -> bool {
    decide(&server.facts, None).failed().is_some_and(|failed| failed.gate() == Gate::PlanMode)
}

/// Why a server offers nothing, as the model is told: always in our own words. The text of the outcome can quote the server, and what
/// a server writes must not stand in the system prompt, where it would read like an instruction of ours; people see it in `mcp_status`.
fn reason_for_model(outcome: ConnectOutcome) -> &'static str {
    match outcome {
        ConnectOutcome::Connected => "it is connected.",
        ConnectOutcome::Timeout => "it did not answer in time. It may answer again later.",
        ConnectOutcome::Error => {
            "it could not be used because of an error. The user sees the cause beside the server's name."
        }
        ConnectOutcome::NoTools => "it offers no tool that may be used here.",
        ConnectOutcome::Skipped => {
            "it first needs something from the user or an admin, such as being connected. The user sees what beside the server's name."
        }
    }
}

/// The tools of its client that a chat is offered now. Never in plan mode: what a client does with a call is not known here.
fn client_tools(chat: &ChatRecord, mode: TurnMode) -> &[DynamicTool] {
    if admission(mode, Origin::Client).admits() { &chat.dynamic_tools } else { &[] }
}

impl Runner {
    /// The tools of the next step. A server that fails is left out and said so; servers that cannot be *loaded* fail the turn.
    pub(super) async fn toolbox(&mut self) -> Result<Toolbox, Exit> {
        self.inherit().await?;
        let mut servers = self.step_servers().await?;
        if let Some(inherited) = &self.inherited {
            servers.retain(|server| is_entry_id(server.record.id) || inherited.may_be(server.record.id));
        }
        let listing = futures::future::join_all(servers.into_iter().map(|server| self.list(server)));
        let listed = self.unless_ended(listing).await?;
        let (toolbox, outcomes) = Toolbox::build(listed, builtins::offered(self.step_facts()));
        let toolbox = toolbox.with_clients(client_tools(&self.chat, self.mode()));
        if outcomes != self.shown_servers {
            self.publisher.servers(outcomes.clone());
            self.shown_servers = outcomes;
            self.servers_unsaved = true;
        }
        Ok(toolbox)
    }

    async fn step_servers(&self) -> Result<Vec<StepServer>, Exit> {
        let source = &self.shared.deps.servers;
        let until = Instant::now() + limits::LOAD_PATIENCE;
        loop {
            let loading = async {
                let mut servers = source.step_servers(self.scope()).await?;
                if self.uses_workspace() {
                    servers.extend(source.workspace_servers(self.root_chat()).await?);
                }
                Ok::<_, SourceError>(servers)
            };
            match self.unless_ended(loading).await? {
                Ok(servers) => return Ok(servers),
                Err(error) => {
                    tracing::warn!(chat = %self.chat.id, %error, "the servers of a step could not be loaded");
                    if Instant::now() >= until {
                        return Err(Exit::Failed(servers_unavailable()));
                    }
                    self.pause(limits::LOAD_WAIT).await?;
                }
            }
        }
    }

    async fn list(&self, mut server: StepServer) -> Listed {
        let listed = self.list_or_renew(&mut server).await;
        (Arc::new(server), listed)
    }

    /// Lists the tools; once more when the server refused the credential and there is another (protocol.md R3). `server` is afterwards as
    /// it was dialled last, and its connection as it stands after that.
    async fn list_or_renew(&self, server: &mut StepServer) -> Result<Offer, Reason> {
        let budget = self.shared.deps.config.servers;
        let began = Instant::now();
        let target = self.target_of(server)?;
        let failed = match self.catalogue(&target, budget).await {
            Ok(catalogue) => return self.offer(server, catalogue).await,
            Err(failed) => failed,
        };
        let Some(refused) = failed.refused(RefusedKind::Credential) else {
            return Err(self.unlisted(server, failed).await);
        };
        // Both listings share the time of one; who was slow to refuse gets half of it again.
        let left = budget.saturating_sub(began.elapsed()).max(budget / 2);
        match self.asking().renewed(&target, &refused).await {
            Ok(renewed) => *server = renewed,
            Err(after) => return Err(self.rejected(server, &failed, after).await),
        }
        let target = self.target_of(server)?;
        let failed = match self.catalogue(&target, left).await {
            Ok(catalogue) => return self.offer(server, catalogue).await,
            Err(failed) => failed,
        };
        let Some(refused) = failed.refused(RefusedKind::Credential) else {
            return Err(self.unlisted(server, failed).await);
        };
        let after = self.asking().refused_twice(&target, &refused).await;
        Err(self.rejected(server, &failed, after).await)
    }

    fn asking(&self) -> Asking<'_> {
        Asking { shared: &self.shared, root: self.root_chat(), scope: self.scope() }
    }

    /// The credential was refused, and the server is not asked again in this step.
    async fn rejected(&self, server: &mut StepServer, failed: &Unlisted, after: Final) -> Reason {
        let before = server.facts.auth_status;
        server.facts.auth_status = self.asking().standing(&server.record, before, after).await;
        let (outcome, text) = failed.reason();
        (outcome, unlisted_text(server.facts.auth_status).map_or(text, str::to_owned))
    }

    /// Other trouble. A server that wants more permission for its list is a wish for the person too.
    async fn unlisted(&self, server: &mut StepServer, failed: Unlisted) -> Reason {
        if let Some(refused) = failed.refused(RefusedKind::Scope) {
            let asked = self.asking().permission(server.record.id, LISTING, &refused).await;
            if asked == Some(PermissionAsk::Asked) {
                server.facts.auth_status = AuthStatus::NeedsPermission;
            }
        }
        match failed.reason() {
            // More than is taken from a server of a workspace: it is left out, and nothing about it is broken (behaviour 23).
            (_, text) if is_entry_id(server.record.id) && failed.is_too_large() => {
                (ConnectOutcome::Skipped, text)
            }
            reason => reason,
        }
    }

    /// Where a server is dialled for a listing.
    fn target_of(&self, server: &StepServer) -> Result<Target, Reason> {
        let decision = decide(&server.facts, None);
        if let Some(asleep) = decision.failed().filter(|failed| failed.gate() == Gate::PlanMode) {
            return Err((ConnectOutcome::Skipped, asleep.sentence(OWNER)));
        }
        match &server.access {
            Ok(target) if decision.offered() => Ok(super::dispatch::in_chat(
                target.clone(),
                self.chat.id,
                self.chat.parent_chat_id,
                self.chat.workspace_id,
            )),
            Ok(_) => Err((ConnectOutcome::Skipped, "it may not be used in this chat".to_owned())),
            Err(unusable) => Err((unusable.outcome, unusable.message.clone())),
        }
    }

    async fn catalogue(&self, target: &Target, budget: Duration) -> Result<Arc<Catalogue>, Unlisted> {
        let deadline = Instant::now() + budget;
        let listing = self.shared.deps.mcp.catalogue(target, deadline.into());
        match tokio::time::timeout(budget, listing).await {
            Ok(listed) => listed.map_err(Unlisted::Failed),
            Err(_) => Err(Unlisted::Late(budget)),
        }
    }

    /// Takes note of the definitions. Where that fails, only a server that holds changes back loses its tools.
    async fn offer(&self, server: &StepServer, catalogue: Arc<Catalogue>) -> Result<Offer, Reason> {
        let learning = self.shared.deps.servers.definitions_learn(&server.record, &catalogue);
        let learned = tokio::time::timeout(limits::LEARN, learning)
            .await
            .unwrap_or_else(|_| Err(SourceError("the database did not answer in time".to_owned())));
        match learned {
            Ok(known) => Ok(Offer { catalogue, known }),
            Err(error) => {
                tracing::warn!(server = %server.record.id, %error, "what a server lists could not be compared with what was accepted");
                if server.record.tool_change_policy == ToolChangePolicy::Hold {
                    let text = "which of its tools are accepted could not be read; try again".to_owned();
                    return Err((ConnectOutcome::Error, text));
                }
                Ok(Offer { catalogue, known: Arc::default() })
            }
        }
    }
}

/// Why a server has listed nothing.
enum Unlisted {
    Failed(McpError),
    /// It did not answer for this long.
    Late(Duration),
}

impl Unlisted {
    /// Whether another credential or more permission may change it.
    fn refused(&self, kind: RefusedKind) -> Option<Refused> {
        let Self::Failed(error) = self else { return None };
        error.refused().filter(|refused| refused.kind == kind)
    }

    fn is_too_large(&self) -> bool {
        matches!(self, Self::Failed(error) if error.kind() == McpErrorKind::TooLarge)
    }

    fn reason(&self) -> Reason {
        match self {
            Self::Failed(error) => (outcome_of(error), error.public_message()),
            Self::Late(budget) => {
                (ConnectOutcome::Timeout, format!("no answer within {} s", budget.as_secs()))
            }
        }
    }
}

/// How trouble with a server is shown.
fn outcome_of(error: &McpError) -> ConnectOutcome {
    match error.kind() {
        McpErrorKind::Paused => ConnectOutcome::Skipped,
        _ if error.is_timeout() => ConnectOutcome::Timeout,
        _ => ConnectOutcome::Error,
    }
}
