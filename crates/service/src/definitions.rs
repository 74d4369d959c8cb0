//! Learns which tools servers have and remembers which definitions were accepted (behaviour 13, protocol.md T6).
//!
//! Every listing that a turn or a check gets comes by here. What is known already costs a look into memory; what is new is stored, marked
//! and written into the audit log in one transaction.

use crate::{OpContext, audit};
use api::{Uuid, servers::ToolChangePolicy};
use domain::{
    clock::{Clock, Entropy, new_id},
    definitions::{DefinitionStanding, KnownDefinitions, Lessons},
    mcp_server::ServerRecord,
};
use mcpclient::Tool;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};
use store::{
    Db, StoreError, Write,
    audit::audit_append,
    changes::{ChangeKind, change_note},
    mcp_servers::{
        definition_gone, definition_put, definition_returned, definitions_first_listed, definitions_known,
        definitions_lock, definitions_purge_gone,
    },
};

/// A server that shows users different definitions would have them written anew at each turn; that can wait.
const AGAIN_EVERY: Duration = Duration::from_secs(60);
/// Names of tools in one audit entry.
const NAMES: usize = 40;
/// Servers whose definitions are kept in memory.
const SERVERS_KEPT: usize = 2_000;

/// What is known, in front of the database. One for the process.
pub struct Definitions {
    db: Db,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    servers: HashMap<Uuid, Arc<KnownDefinitions>>,
    again: HashMap<Uuid, Instant>,
    /// Rises when something is forgotten: what was read before that is not kept.
    forgotten: u64,
}

impl Definitions {
    pub fn new(db: Db, clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Self {
        Self { db, clock, entropy, kept: Mutex::default() }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Another process learned or accepted something.
    pub(crate) fn forget(&self, server: Option<Uuid>) {
        let mut kept = self.kept();
        kept.forgotten += 1;
        match server {
            Some(server) => drop(kept.servers.remove(&server)),
            None => kept.servers.clear(),
        }
    }

    async fn known(&self, server: Uuid) -> Result<Arc<KnownDefinitions>, StoreError> {
        let forgotten = {
            let kept = self.kept();
            if let Some(known) = kept.servers.get(&server) {
                return Ok(Arc::clone(known));
            }
            kept.forgotten
        };
        let mut session = self.db.read().await?;
        let known = Arc::new(definitions_known(&mut session, server).await?);
        drop(session);
        self.keep(server, &known, forgotten);
        Ok(known)
    }

    fn keep(&self, server: Uuid, known: &Arc<KnownDefinitions>, forgotten: u64) {
        let mut kept = self.kept();
        if kept.forgotten == forgotten {
            if kept.servers.len() >= SERVERS_KEPT {
                kept.servers.clear();
            }
            kept.servers.insert(server, Arc::clone(known));
        }
    }

    /// Takes note of what a server listed, and answers what is known after that. `whole`: the listing is what the server has, not what
    /// it shows one user.
    ///
    /// # Errors
    /// [`StoreError`]: nothing is known; where changes are held back, nothing may be offered.
    pub(crate) async fn learn(
        &self,
        record: &ServerRecord,
        tools: &[Arc<Tool>],
        whole: bool,
    ) -> Result<Arc<KnownDefinitions>, StoreError> {
        let known = self.known(record.id).await?;
        let lessons = known.learn(record.tool_change_policy, listed(tools), whole);
        if lessons.is_empty() || (lessons.can_wait() && !self.may_note_again(record.id)) {
            return Ok(known);
        }
        let forgotten = self.kept().forgotten;
        let mut write = self.db.write().await?;
        // The policy as it is now: listing takes time, and what was accepted under the old one would stay accepted.
        let Some((policy, url)) = definitions_lock(&mut write, record.id).await? else { return Ok(known) };
        if url != record.url {
            // What another address lists says nothing of this one.
            return Ok(known);
        }
        // Somebody else may have listed it meanwhile.
        let mut known = definitions_known(&mut write, record.id).await?;
        let mut lessons = known.learn(policy, listed(tools), whole);
        if lessons.left_out > 0 && definitions_purge_gone(&mut write, record.id).await? > 0 {
            known = definitions_known(&mut write, record.id).await?;
            lessons = known.learn(policy, listed(tools), whole);
        }
        if lessons.is_empty() {
            let known = Arc::new(known);
            self.keep(record.id, &known, forgotten);
            return Ok(known);
        }
        self.store(&mut write, record, &lessons, tools).await?;
        let known = Arc::new(definitions_known(&mut write, record.id).await?);
        change_note(&mut write, ChangeKind::Tools, &record.id.to_string()).await?;
        write.commit().await?;
        self.keep(record.id, &known, forgotten);
        Ok(known)
    }

    fn may_note_again(&self, server: Uuid) -> bool {
        let mut kept = self.kept();
        kept.again.retain(|_, at| at.elapsed() < AGAIN_EVERY);
        if kept.again.contains_key(&server) {
            return false;
        }
        kept.again.insert(server, Instant::now());
        true
    }

    async fn store(
        &self,
        write: &mut Write,
        record: &ServerRecord,
        lessons: &Lessons,
        tools: &[Arc<Tool>],
    ) -> Result<(), StoreError> {
        let now = self.clock.now();
        if lessons.first {
            definitions_first_listed(write, record.id, now).await?;
        }
        for lesson in &lessons.definitions {
            let Some(tool) = tools.iter().find(|tool| tool.name == lesson.name) else { continue };
            let definition = tool.definition.to_string();
            definition_put(write, record.id, &lesson.name, &lesson.hash, &definition, lesson.accepted, now)
                .await?;
        }
        for (name, hash) in &lessons.returned {
            definition_returned(write, record.id, name, hash, now).await?;
        }
        for name in &lessons.gone {
            definition_gone(write, record.id, name, now).await?;
        }
        if lessons.left_out > 0 {
            tracing::warn!(server = %record.id, left_out = lessons.left_out, "a server has more tools than are kept");
        }
        // Once until somebody decides: a server that keeps changing does not fill the log.
        if !lessons.first && lessons.definitions.iter().any(|lesson| !lesson.again) {
            let act = audit::Act::on("server.tools_changed", "mcp_server", record.id, &record.slug)
                .fields(changes_in_words(lessons));
            let id = new_id(&*self.clock, &*self.entropy);
            audit_append(write, &audit::entry_of(id, now, &OpContext::default(), act, "ok")).await?;
        }
        Ok(())
    }
}

fn listed(tools: &[Arc<Tool>]) -> impl Iterator<Item = (&str, &str)> {
    tools.iter().map(|tool| (tool.name.as_str(), tool.hash.as_str()))
}

fn changes_in_words(lessons: &Lessons) -> Vec<String> {
    let word = |standing| if standing == DefinitionStanding::New { "new" } else { "changed" };
    let mut words: Vec<String> = lessons
        .definitions
        .iter()
        .take(NAMES)
        .map(|lesson| format!("{} {}", word(lesson.standing), lesson.name))
        .collect();
    if lessons.definitions.len() > NAMES {
        words.push(format!("{} more", lessons.definitions.len() - NAMES));
    }
    words
}

/// Whether definitions that nobody accepted are kept from the model.
pub(crate) fn holds(record: &ServerRecord) -> bool {
    record.tool_change_policy == ToolChangePolicy::Hold
}
